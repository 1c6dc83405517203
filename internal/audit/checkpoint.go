package audit

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Checkpoint lists the last entry of each trail at one time. An operator who stores it apart from
// the table can find with it that the whole table was put back to an earlier time, or that subjects
// are gone.
type Checkpoint struct {
	// At is when the list was begun.
	At time.Time `json:"at"`
	// Marks are by subject.
	Marks map[string]Mark `json:"marks"`
	Seal  []byte          `json:"seal,omitempty"`
}

// Mark is where one trail stood.
type Mark struct {
	// Place is the place of the last entry. For a subject without a trail it holds the revision.
	Place Place `json:"place"`
	// Sum is the last entry's; empty: the subject had no trail.
	Sum []byte `json:"sum,omitempty"`
	// Until is how long the last entry is stored.
	Until time.Time `json:"until,omitzero"`
	// Last and Forgotten are the last entry's.
	Last      bool      `json:"last,omitempty"`
	Forgotten time.Time `json:"forgotten,omitzero"`
}

// ErrNotACheckpoint says that a checkpoint is not one of this deployment, or was altered.
var ErrNotACheckpoint = errors.New("is no checkpoint of this deployment, or was altered")

// WriteCheckpoint returns the text of c, with a seal over it.
func (n Notary) WriteCheckpoint(c Checkpoint) ([]byte, error) {
	c.Seal = nil
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode a checkpoint: %w", err)
	}
	c.Seal = n.sum("checkpoint", string(plain))
	return json.Marshal(c)
}

// ReadCheckpoint reads the output of WriteCheckpoint.
func (n Notary) ReadCheckpoint(data []byte) (Checkpoint, error) {
	var c Checkpoint
	if err := json.Unmarshal(data, &c); err != nil {
		return Checkpoint{}, ErrNotACheckpoint
	}
	again, err := n.WriteCheckpoint(c)
	var sealed Checkpoint
	if err != nil || json.Unmarshal(again, &sealed) != nil || !hmac.Equal(sealed.Seal, c.Seal) {
		return Checkpoint{}, ErrNotACheckpoint
	}
	return c, nil
}

// atOnce is how long before a checkpoint was begun a subject may have been made that it does
// not list.
const atOnce = time.Minute

// Compare returns a [Break] if the stored subject does not continue its state at the checkpoint.
// Check must have found no Break in it. keep is the least time for which entries are stored.
func (c Checkpoint) Compare(s Subject, w Witness, entries []Sealed, keep time.Duration, now time.Time) error {
	bad := func(p Place, problem string) error {
		return &Break{Subject: s.ID, Place: p.String(), Problem: problem}
	}
	present := MarkOf(s, w, entries)
	then, listed := c.Marks[s.ID]
	switch {
	case present == nil && !listed:
		return nil
	case !listed && len(present.Sum) == 0:
		return bad(present.Place, "has no trail, and its subject was not there at the checkpoint")
	case !listed && !s.Life.IsZero() && s.Life.Before(c.At.Add(-atOnce)):
		return bad(present.Place, "is of a life that was over at the checkpoint")
	case !listed:
		return nil
	case present == nil:
		if then.Last || !then.Forgotten.IsZero() && !now.Before(then.Forgotten) || !now.Before(c.At.Add(keep)) {
			return nil
		}
		return bad(then.Place, "was there at the checkpoint, and nothing of its subject is left")
	case present.Place.Compare(then.Place) < 0:
		return bad(then.Place, fmt.Sprintf("was there at the checkpoint: the subject was put back to entry %s", present.Place))
	case len(present.Sum) == 0 && len(then.Sum) > 0:
		return bad(then.Place, "was there at the checkpoint, and the subject has no trail any more")
	case then.Last && s.Life.Equal(then.Place.Life):
		return bad(then.Place, "was the end of its subject at the checkpoint, and the subject is there")
	}
	if len(then.Sum) == 0 {
		return nil
	}
	there := false
	for _, e := range entries {
		if e.Place.Compare(then.Place) == 0 {
			if there = true; !hmac.Equal(e.Sum, then.Sum) {
				return bad(then.Place, "is not the one of the checkpoint")
			}
		}
	}
	switch {
	case !there && now.Before(then.Until):
		return bad(then.Place, "was there at the checkpoint, and is missing")
	case present.Place.Compare(then.Place) == 0 && !hmac.Equal(present.Sum, then.Sum):
		return bad(then.Place, "is not the one of the checkpoint")
	}
	return nil
}

// MarkOf returns the mark of a subject, or nil if nothing of it is stored.
func MarkOf(s Subject, w Witness, entries []Sealed) *Mark {
	var m *Mark
	later := func(p Place) bool { return m == nil || p.Compare(m.Place) > 0 }
	for _, e := range entries {
		if t, err := e.open(); err == nil && later(e.Place) {
			m = &Mark{Place: e.Place, Sum: e.Sum, Until: e.Until, Last: t.Last, Forgotten: t.Forgotten}
		}
	}
	if w.There() && later(w.Place) {
		m = &Mark{Place: w.Place, Sum: w.Sum, Until: w.Until, Last: w.Last, Forgotten: w.Forgotten}
	}
	if !s.Life.IsZero() && later(s.Place) {
		m = &Mark{Place: s.Place, Sum: s.Head.Sum, Until: s.Head.Until, Forgotten: s.Forgotten}
	}
	return m
}
