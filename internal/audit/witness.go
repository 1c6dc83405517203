package audit

import (
	"crypto/hmac"
	"fmt"
	"time"
)

// Witness is a copy of the last entry's place and sum. It is stored apart from the subject and its
// entries, so that it does not fit them if they are put back to an earlier time. A change replaces
// it together with the subject. The zero Witness stands for a missing one.
type Witness struct {
	Subject string
	Place
	Sum   []byte    // the entry's
	Until time.Time // the entry is stored until then; in whole seconds
	// Last and Forgotten are the entry's.
	Last      bool
	Forgotten time.Time
	Seal      []byte
}

func (n Notary) witnessSeal(w Witness) []byte {
	var forgotten int64
	if !w.Forgotten.IsZero() {
		forgotten = w.Forgotten.Unix()
	}
	return n.sum("witness", fmt.Sprintf("%s\x00%s\x00%d\x00%t\x00%d\x00%x",
		w.Subject, w.Place, w.Until.Unix(), w.Last, forgotten, w.Sum))
}

// There reports whether there is a witness.
func (w Witness) There() bool { return len(w.Seal) > 0 || !w.Life.IsZero() }

// Ends returns when the witness may be forgotten: together with its entry, if its subject is gone
// or will be. Zero means never.
func (w Witness) Ends() time.Time {
	if !w.Last && w.Forgotten.IsZero() {
		return time.Time{}
	}
	return latest(w.Until, w.Forgotten)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// checkWitness returns a [Break] if a subject and its entries do not fit the witness. last is the
// last entry.
func (n Notary) checkWitness(
	s Subject, w Witness, last *text, entries []Sealed, standing Standing, now time.Time,
) error {
	gone := s.Life.IsZero()
	if !w.There() {
		if !gone && standing == Authentic {
			return s.breakAt(s.Place, "has no witness any more")
		}
		return nil
	}
	if w.Subject != s.ID || !hmac.Equal(n.witnessSeal(w), w.Seal) {
		return s.breakAt(w.Place, "has a witness that was altered")
	}
	switch newest := (Place{Life: s.Life, Seq: s.newest()}); {
	case gone:
	case w.Compare(newest) > 0:
		return s.breakAt(w.Place,
			fmt.Sprintf("is the last one by its witness: the subject was put back to entry %s", s.Place))
	case standing == Authentic && w.Compare(s.Place) < 0:
		return s.breakAt(w.Place,
			fmt.Sprintf("is the last one by its witness, which was put back: the subject is at entry %s", s.Place))
	case standing == Untrailed && w.Life.Equal(s.Life):
		return s.breakAt(w.Place, "is the last one by its witness, and the subject has no trail any more")
	}
	after := 1 // whether the witness is after the last entry (1), at it (0) or before it (-1)
	if last != nil {
		after = w.Compare(last.Place)
	}
	for _, e := range entries {
		if e.Place.Compare(w.Place) == 0 && !hmac.Equal(e.Sum, w.Sum) {
			return s.breakAt(w.Place, "is not the one of its witness")
		}
	}
	switch {
	case gone && after >= 0 && !w.Last && (w.Forgotten.IsZero() || now.Before(w.Forgotten)):
		return s.breakAt(w.Place, "is the last one by its witness, and the subject is gone")
	case after > 0 && now.Before(w.Until) && w.Life.Equal(s.Life) && w.Seq > s.Seq:
		return nil // the subject was changed after the entries were read
	case after > 0 && now.Before(w.Until):
		return s.breakAt(w.Place, "is missing")
	}
	return nil
}
