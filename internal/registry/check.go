package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

// Checked is a key, the record of a user or a plan with its trail and its witness, as they are
// stored.
type Checked struct {
	Subject audit.Subject
	Witness audit.Witness
	Entries []audit.Sealed // oldest first
	// Standing says how far the record is authenticated.
	Standing audit.Standing
}

// CheckTrail returns an [audit.Break] if the stored key, its trail or its witness is not as
// written. It returns ErrNotFound if none of these is stored. id may also be the audit subject of a
// user or a plan.
func (r *Registry) CheckTrail(ctx context.Context, id string) (Checked, error) {
	hasher, err := r.hasher(ctx)
	if err != nil {
		return Checked{}, err
	}
	subject, err := r.subject(ctx, id)
	if err != nil {
		return Checked{}, err
	}
	for try := 1; ; try++ {
		c, err := r.readTrail(ctx, subject)
		if err != nil {
			return c, err
		}
		c.Standing, err = hasher.Notary().Check(c.Subject, c.Witness, c.Entries, r.now())
		if err == nil || try == rewrites {
			return c, err
		}
		// The key may have changed between the reads.
		again, err := r.subject(ctx, id)
		if err != nil {
			return Checked{}, err
		}
		if again.Life.Equal(subject.Life) {
			c.Subject.Grown = again.Seq
			c.Standing, err = hasher.Notary().Check(c.Subject, c.Witness, c.Entries, r.now())
			return c, err
		}
		subject = again // the key was deleted or created meanwhile
	}
}

// readTrail returns a key with its trail and its witness, which are not checked yet, or
// ErrNotFound.
func (r *Registry) readTrail(ctx context.Context, s audit.Subject) (Checked, error) {
	entries, _, err := r.store.Trail(ctx, s.ID, time.Time{}, "", 0)
	if err != nil {
		return Checked{}, err
	}
	slices.Reverse(entries)
	witness, err := r.store.Witness(ctx, s.ID)
	if err != nil {
		return Checked{}, err
	}
	if len(entries) == 0 && s.Life.IsZero() && !witness.There() {
		return Checked{Subject: s}, apikey.ErrNotFound
	}
	return Checked{Subject: s, Witness: witness, Entries: entries}, nil
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

// subject returns a stored key, user's record or plan as the audit subject of an id, or one with
// nothing but the id if there is none.
func (r *Registry) subject(ctx context.Context, id string) (s audit.Subject, err error) {
	if isPolicy(id) {
		s, err = r.store.StoredPolicy(ctx, id)
	} else {
		var k *apikey.Key
		var record []byte
		if k, record, err = r.store.Stored(ctx, id); err == nil {
			s = k.AuditSubject(record)
		}
	}
	if errors.Is(err, apikey.ErrNotFound) {
		return audit.Subject{ID: id}, nil
	}
	s.ID = id // whatever the record says
	return s, err
}
