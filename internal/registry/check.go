package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// Checked is a key with its trail and its witness, as they are stored.
type Checked struct {
	Subject audit.Subject
	Witness audit.Witness
	Entries []audit.Sealed // oldest first
	// Standing says how far the key's record is authenticated.
	Standing audit.Standing
}

// CheckTrail returns an [audit.Break] if the stored key, its trail or its witness is not as
// written. It returns ErrNotFound if none of these is stored.
func (r *Registry) CheckTrail(ctx context.Context, id string) (Checked, error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return Checked{}, err
	}
	var c Checked
	c.Subject, err = r.subject(ctx, id)
	for try := 1; ; try++ {
		if err != nil {
			return Checked{}, err
		}
		if c.Entries, _, err = r.store.Trail(ctx, id, time.Time{}, "", 0); err != nil {
			return Checked{}, err
		}
		slices.Reverse(c.Entries)
		if c.Witness, err = r.store.Witness(ctx, id); err != nil {
			return Checked{}, err
		}
		if len(c.Entries) == 0 && c.Subject.Life.IsZero() && !c.Witness.There() {
			return Checked{Subject: c.Subject}, apikey.ErrNotFound
		}
		check := func() error {
			c.Standing, err = hasher.Notary().Check(c.Subject, c.Witness, c.Entries, r.now())
			return err
		}
		broken := check()
		if broken == nil || try == rewrites {
			return c, broken
		}
		// The key may have changed between the reads.
		again, err := r.subject(ctx, id)
		if err != nil {
			return Checked{}, err
		}
		if again.Life.Equal(c.Subject.Life) {
			c.Subject.Grown = again.Seq
			return c, check()
		}
		c.Subject = again // the key was deleted or created meanwhile
	}
}

// Compare returns an [audit.Break] if the stored key does not continue its state at a checkpoint.
// CheckTrail must have found no Break in it.
func (r *Registry) Compare(then audit.Checkpoint, c Checked) error {
	return then.Compare(c.Subject, c.Witness, c.Entries, r.options.AuditRetention, r.now())
}

// ReadCheckpoint reads the output of WriteCheckpoint, or fails with [audit.ErrNotACheckpoint].
func (r *Registry) ReadCheckpoint(ctx context.Context, text []byte) (audit.Checkpoint, error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	return hasher.Notary().ReadCheckpoint(text)
}

// WriteCheckpoint returns the signed text of a checkpoint.
func (r *Registry) WriteCheckpoint(ctx context.Context, c audit.Checkpoint) ([]byte, error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return nil, err
	}
	return hasher.Notary().WriteCheckpoint(c)
}

// subject returns the audit subject of a stored key, or one with nothing but the id if there is
// none.
func (r *Registry) subject(ctx context.Context, id string) (audit.Subject, error) {
	k, record, err := r.store.Stored(ctx, id)
	if errors.Is(err, apikey.ErrNotFound) {
		return audit.Subject{ID: id}, nil
	}
	if err != nil {
		return audit.Subject{}, err
	}
	s := k.AuditSubject(record)
	s.ID = id // whatever the record says
	return s, nil
}
