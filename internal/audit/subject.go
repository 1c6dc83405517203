package audit

import (
	"crypto/hmac"
	"time"
)

// Subject is the stored state of a thing with a trail, as it is checked against that trail.
type Subject struct {
	ID string
	// Place is the place of its last entry. If Life is zero, the subject is gone.
	Place
	Head Head
	// Record is everything that is stored of the subject, without the seal.
	Record []byte
	// Forgotten is the time from which the subject may be gone without a change. Zero means never.
	Forgotten time.Time
	// Grown is the number of its last entry after the entries were read, if the subject was changed
	// meanwhile.
	Grown int64
}

// newest returns the number of the subject's last entry.
func (s Subject) newest() int64 { return max(s.Seq, s.Grown) }

// breakAt returns a Break of the subject's trail.
func (s Subject) breakAt(p Place, problem string) error {
	return &Break{Subject: s.ID, Place: p.String(), Problem: problem}
}

// Head is the end of a chain, as its subject stores it. A chain without entries has the zero
// Head.
type Head struct {
	Sum   []byte    // the last entry's
	Until time.Time // how long the last entry is stored at least
	// Seal is over the whole record of the subject: see [Notary.Seal].
	Seal []byte
}

// Standing says how far a subject's record is authenticated.
type Standing int

const (
	// Authentic is a record that is as it was written, or a subject that is gone.
	Authentic Standing = iota
	// Altered is a record that is not as it was written.
	Altered
	// Unsealed is a record of a version that sealed the head alone. Its trail is authenticated, its
	// fields are not. The next change seals it.
	Unsealed
	// Untrailed is a record of a version without trails. Nothing of it is authenticated. The next
	// change seals it.
	Untrailed
	// Partial is a record that is as it was written, whose trail begins late. The state before the
	// first entry is not authenticated.
	Partial
)

// String returns a predicate that follows the name of the subject.
func (s Standing) String() string {
	switch s {
	case Authentic:
		return "is as written"
	case Unsealed:
		return "is of an earlier version: its trail is as written, its record is not authenticated before the next change"
	case Untrailed:
		return "has no trail, as keys of an earlier version: it is not authenticated before the next change"
	case Partial:
		return "has a trail that begins late: its earlier state is not authenticated"
	}
	return "was altered"
}

// Standing reports how far the seal of s authenticates its record. It returns Authentic, Altered,
// Unsealed or Untrailed.
func (n Notary) Standing(s Subject) Standing {
	switch {
	case len(s.Head.Sum) == 0 && len(s.Head.Seal) == 0:
		return Untrailed
	case hmac.Equal(n.Seal(s.ID, s.Place, s.Record), s.Head.Seal):
		return Authentic
	case hmac.Equal(n.headSeal(s.ID, s.Place, s.Head), s.Head.Seal):
		// No record of this revision was ever sealed as a whole, so no seal was removed.
		return Unsealed
	}
	return Altered
}
