package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/redact"
)

// Head is what a subject keeps of its chain: the sum of the last entry, and until
// when that is kept. The zero Head is that of a chain without entries.
type Head struct {
	Sum   []byte
	Until time.Time
	// Seal is over the whole record of the subject: see [Notary.Seal].
	Seal []byte
}

// Notary writes entries, and tells the genuine from others.
type Notary struct{ key redact.Secret[[]byte] }

// NewNotary returns the one with that key.
func NewNotary(key []byte) Notary { return Notary{redact.New(key)} }

// sumSize is half of what the hash gives: 128 bits cannot be guessed.
const sumSize = sha256.Size / 2

// sum authenticates a text of one kind. A sum of one kind never fits a text of another.
func (n Notary) sum(kind, text string) []byte {
	mac := hmac.New(sha256.New, n.key.Reveal())
	mac.Write([]byte(kind + "\x00" + text))
	return mac.Sum(nil)[:sumSize]
}

// Seal authenticates the record of a subject after the entry at p. The record must hold the rest of
// the head.
func (n Notary) Seal(subject string, p Place, record []byte) []byte {
	return n.sum("record", fmt.Sprintf("%s\x00%s\x00%s", subject, p, record))
}

// headSeal is the seal of earlier versions, over the head alone.
func (n Notary) headSeal(subject string, p Place, h Head) []byte {
	return n.sum("head", fmt.Sprintf("%s\x00%s\x00%d\x00%x", subject, p, h.Until.Unix(), h.Sum))
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

// String says it of a subject, after its name.
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
		// No record of this revision was ever sealed as a whole: no seal was taken off.
		return Unsealed
	}
	return Altered
}

// Append writes the entry after a head's at p, and keeps it for so long. It gives
// the head after that, which has no seal yet, and the witness of it.
func (n Notary) Append(h Head, p Place, e Entry, keep time.Duration) (Sealed, Head, Witness, error) {
	t := text{Entry: e, Place: p, Until: e.At.Add(keep).Truncate(time.Second), Previous: previous{Sum: h.Sum, Until: h.Until}}
	if t.Until.Before(h.Until) {
		t.Until = h.Until // so that what comes first is forgotten first
	}
	line, err := json.Marshal(t)
	if err != nil {
		return Sealed{}, Head{}, Witness{}, fmt.Errorf("encode an entry: %w", err)
	}
	s := Sealed{Place: p, Subject: e.Subject, Owner: e.Owner, At: e.At, Until: t.Until, Text: string(line)}
	s.Sum = n.sum("entry", s.Text)
	w := Witness{Subject: e.Subject, Place: p, Sum: s.Sum, Until: s.Until, Last: e.Last, Forgotten: e.Forgotten}
	w.Seal = n.witnessSeal(w)
	return s, Head{Sum: s.Sum, Until: s.Until}, w, nil
}

// Subject is what is checked against its trail.
type Subject struct {
	ID string
	// Life is when it began, Seq the number of its last entry. A zero Life is that of
	// a subject that is gone.
	Place
	Head Head
	// Record is all that is stored of it, without the seal.
	Record []byte
	// Forgotten is the time from which the subject may be gone without a change. Zero means never.
	Forgotten time.Time
	// Grown is the number of its last entry as it was once the entries had been read,
	// where that is a later one.
	Grown int64
}

// Break is where a trail is not as it was written.
type Break struct {
	Subject string
	Place   string // as [Place] writes it, or what stands there instead
	Problem string
}

func (b *Break) Error() string { return fmt.Sprintf("%s: entry %s %s", b.Subject, b.Place, b.Problem) }

// Check returns the first [Break] in a stored subject: its record, its witness, and its entries in
// the order of their places. If there is none, it returns how far the record is authenticated.
func (n Notary) Check(s Subject, w Witness, entries []Sealed, now time.Time) (Standing, error) {
	bad := func(p Place, problem string) (Standing, error) {
		return Altered, &Break{Subject: s.ID, Place: p.String(), Problem: problem}
	}
	if !s.Forgotten.IsZero() && !now.Before(s.Forgotten) {
		s = Subject{ID: s.ID} // it may be gone, if its remains say so
	}
	standing := n.Standing(s)
	var last *text
	var current, named *Sealed // the last of the present life, and the one that s names
	for i, e := range entries {
		t, err := n.genuine(s.ID, e)
		if err != nil {
			return bad(e.Place, err.Error())
		}
		begins := last == nil || !last.Life.Equal(t.Life)
		if begins && !n.over(s, last, now) {
			return bad(last.Place, cutOff)
		}
		next := !begins && last.Seq == t.Seq-1
		switch {
		case t.Flaw != "":
			return bad(t.Place, t.Flaw)
		case t.Seq == 0:
		case len(t.Previous.Sum) == 0 && !begins:
			return bad(t.Place, "was written when its subject had no trail")
		case len(t.Previous.Sum) == 0:
			if t.Life.Equal(s.Life) && standing == Authentic {
				standing = Partial
			}
		case next && !hmac.Equal(t.Previous.Sum, entries[i-1].Sum):
			return bad(t.Place, "does not follow the one before it")
		case !next && now.Before(t.Previous.Until):
			return bad(Place{Life: t.Life, Seq: t.Seq - 1}, "is missing")
		}
		if last = &t; t.Life.Equal(s.Life) {
			current = &entries[i]
			if t.Seq == s.Seq {
				named = current
			}
		}
	}
	if !n.over(s, last, now) {
		return bad(last.Place, cutOff)
	}
	if err := n.attest(s, w, last, entries, standing, now); err != nil {
		return Altered, err
	}
	switch {
	case s.Life.IsZero():
		return Authentic, nil
	case standing == Untrailed && current != nil:
		return bad(s.Place, "is not there: the subject has no trail")
	case standing == Untrailed:
		return standing, nil
	case current != nil && current.Seq > max(s.Seq, s.Grown):
		return bad(current.Place, "comes after the one that the subject names")
	case named == nil && now.Before(s.Head.Until):
		return bad(s.Place, "is missing")
	case named != nil && !hmac.Equal(named.Sum, s.Head.Sum):
		return bad(s.Place, "is not the one that the subject names")
	case standing == Altered:
		return bad(s.Place, "does not fit the subject's record, which was altered")
	}
	return standing, nil
}

const cutOff = "is the last one there, and does not say that its subject is gone"

// over reports whether t may be the last entry of its life: it is, the subject has
// gone by itself, what followed was forgotten, or the life goes on.
func (n Notary) over(s Subject, t *text, now time.Time) bool {
	return t == nil || t.Last || t.Life.Equal(s.Life) || !now.Before(t.Until) ||
		!t.Forgotten.IsZero() && !now.Before(t.Forgotten)
}

// genuine reads an entry that was written as it is, and where it is.
func (n Notary) genuine(subject string, s Sealed) (text, error) {
	if !hmac.Equal(n.sum("entry", s.Text), s.Sum) {
		return text{}, errors.New("was altered")
	}
	t, err := s.open()
	if err != nil {
		return text{}, errors.New("cannot be read")
	}
	if t.Entry.Subject != subject || t.Place.String() != s.Place.String() {
		return text{}, errors.New("is not in its place")
	}
	if t.Owner != s.Owner || !t.At.Equal(s.At) || !t.Until.Equal(s.Until) {
		return text{}, errors.New("was altered beside its text")
	}
	return t, nil
}
