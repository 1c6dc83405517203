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
	// At is when reading the trails began.
	At time.Time `json:"at"`
	// Marks are by subject.
	Marks map[string]Mark `json:"marks"`
	Seal  []byte          `json:"seal,omitempty"`
}

// Mark is the end of one trail.
type Mark struct {
	// Place is the place of the last entry. For a subject without a trail it holds the revision.
	Place Place `json:"place"`
	// Sum is the last entry's. It is empty if the subject had no trail.
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

// unlisted is how long before a checkpoint a subject may have been made that it does not list.
const unlisted = time.Minute

// Compare returns a [Break] if the stored subject does not continue its state at the checkpoint.
// [Notary.Check] must have found no Break in it. keep is the least time for which entries are
// stored.
func (c Checkpoint) Compare(s Subject, w Witness, entries []Sealed, keep time.Duration, now time.Time) error {
	present := MarkOf(s, w, entries)
	then, listed := c.Marks[s.ID]
	switch {
	case !listed && present == nil:
		return nil
	case !listed:
		return c.compareUnlisted(s, present)
	case present == nil:
		if then.mayBeGone(now) || !now.Before(c.At.Add(keep)) {
			return nil
		}
		return s.breakAt(then.Place, "was there at the checkpoint, and nothing of its subject is left")
	}
	return then.compare(s, present, entries, now)
}

// compareUnlisted compares a subject that the checkpoint does not list.
func (c Checkpoint) compareUnlisted(s Subject, present *Mark) error {
	switch {
	case len(present.Sum) == 0:
		return s.breakAt(present.Place, "has no trail, and its subject was not there at the checkpoint")
	case !s.Life.IsZero() && s.Life.Before(c.At.Add(-unlisted)):
		return s.breakAt(present.Place, "is of a life that was over at the checkpoint")
	}
	return nil
}

// mayBeGone reports whether the subject may be gone by now, as far as its last entry says.
func (m Mark) mayBeGone(now time.Time) bool {
	return m.Last || !m.Forgotten.IsZero() && !now.Before(m.Forgotten)
}

// compare returns a [Break] if the present state does not continue the trail that ended with m.
func (m Mark) compare(s Subject, present *Mark, entries []Sealed, now time.Time) error {
	switch {
	case present.Place.Compare(m.Place) < 0:
		return s.breakAt(m.Place,
			fmt.Sprintf("was there at the checkpoint: the subject was put back to entry %s", present.Place))
	case len(present.Sum) == 0 && len(m.Sum) > 0:
		return s.breakAt(m.Place, "was there at the checkpoint, and the subject has no trail any more")
	case m.Last && s.Life.Equal(m.Place.Life):
		return s.breakAt(m.Place, "was the end of its subject at the checkpoint, and the subject is there")
	case len(m.Sum) == 0:
		return nil
	}
	stored := false
	for _, e := range entries {
		if e.Place.Compare(m.Place) != 0 {
			continue
		}
		if stored = true; !hmac.Equal(e.Sum, m.Sum) {
			return s.breakAt(m.Place, "is not the one of the checkpoint")
		}
	}
	switch {
	case !stored && now.Before(m.Until):
		return s.breakAt(m.Place, "was there at the checkpoint, and is missing")
	case present.Place.Compare(m.Place) == 0 && !hmac.Equal(present.Sum, m.Sum):
		return s.breakAt(m.Place, "is not the one of the checkpoint")
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
