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
	Sum   []byte    // of the entry
	Until time.Time // the entry is stored; whole seconds
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
	return n.sum("witness", fmt.Sprintf("%s\x00%s\x00%d\x00%t\x00%d\x00%x", w.Subject, w.Place, w.Until.Unix(), w.Last, forgotten, w.Sum))
}

// There reports whether there is a witness.
func (w Witness) There() bool { return len(w.Seal) > 0 || !w.Life.IsZero() }

// Ends is when the witness may be forgotten: with its entry, once its subject is gone. Zero: never.
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

// attest reports the [Break] where a subject and its entries do not fit the witness. last is
// the last entry.
func (n Notary) attest(s Subject, w Witness, last *text, entries []Sealed, standing Standing, now time.Time) error {
	bad := func(p Place, problem string) error { return &Break{Subject: s.ID, Place: p.String(), Problem: problem} }
	gone := s.Life.IsZero()
	if !w.There() {
		if !gone && standing == Authentic {
			return bad(s.Place, "has no witness any more")
		}
		return nil
	}
	if w.Subject != s.ID || !hmac.Equal(n.witnessSeal(w), w.Seal) {
		return bad(w.Place, "has a witness that was altered")
	}
	after := -1 // of the witness, compared with all else that there is
	switch newest := (Place{Life: s.Life, Seq: max(s.Seq, s.Grown)}); {
	case !gone && w.Compare(newest) > 0:
		return bad(w.Place, fmt.Sprintf("is the last one by its witness: the subject was put back to entry %s", s.Place))
	case !gone && standing == Authentic && w.Compare(s.Place) < 0:
		return bad(w.Place, fmt.Sprintf("is the last one by its witness, which was put back: the subject is at entry %s", s.Place))
	case !gone && standing == Untrailed && w.Life.Equal(s.Life):
		return bad(w.Place, "is the last one by its witness, and the subject has no trail any more")
	case last != nil:
		after = w.Compare(last.Place)
	default:
		after = 1
	}
	for _, e := range entries {
		if e.Place.Compare(w.Place) == 0 && !hmac.Equal(e.Sum, w.Sum) {
			return bad(w.Place, "is not the one of its witness")
		}
	}
	switch {
	case gone && after >= 0 && !w.Last && (w.Forgotten.IsZero() || now.Before(w.Forgotten)):
		return bad(w.Place, "is the last one by its witness, and the subject is gone")
	case after > 0 && now.Before(w.Until) && w.Life.Equal(s.Life) && w.Seq > s.Seq:
		return nil // it has grown since the entries were read
	case after > 0 && now.Before(w.Until):
		return bad(w.Place, "is missing")
	}
	return nil
}
