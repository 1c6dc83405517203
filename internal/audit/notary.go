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
	Seal  []byte
}

// Notary writes entries, and tells the genuine from others.
type Notary struct{ key redact.Secret[[]byte] }

// NewNotary returns the one with that key.
func NewNotary(key []byte) Notary { return Notary{redact.New(key)} }

// sumSize is half of what the hash gives: 128 bits cannot be guessed.
const sumSize = sha256.Size / 2

// Entries and heads are told apart by how they begin: a sum of one is never that
// of the other.
func (n Notary) sum(kind, text string) []byte {
	mac := hmac.New(sha256.New, n.key.Reveal())
	mac.Write([]byte(kind + "\x00" + text))
	return mac.Sum(nil)[:sumSize]
}

func (n Notary) seal(subject string, p Place, h Head) []byte {
	return n.sum("head", fmt.Sprintf("%s\x00%s\x00%d\x00%x", subject, p, h.Until.Unix(), h.Sum))
}

// Append writes the entry after a head's at p, and keeps it for so long. It gives
// the head after that.
func (n Notary) Append(h Head, p Place, e Entry, keep time.Duration) (Sealed, Head, error) {
	t := text{Entry: e, Place: p, Until: e.At.Add(keep).Truncate(time.Second), Previous: previous{Sum: h.Sum, Until: h.Until}}
	if t.Until.Before(h.Until) {
		t.Until = h.Until // so that what comes first is forgotten first
	}
	line, err := json.Marshal(t)
	if err != nil {
		return Sealed{}, Head{}, fmt.Errorf("encode an entry: %w", err)
	}
	s := Sealed{Place: p, Subject: e.Subject, Owner: e.Owner, At: e.At, Until: t.Until, Text: string(line)}
	s.Sum = n.sum("entry", s.Text)
	next := Head{Sum: s.Sum, Until: s.Until}
	next.Seal = n.seal(e.Subject, p, next)
	return s, next, nil
}

// Subject is what is checked against its trail.
type Subject struct {
	ID string
	// Life is when it began, Seq the number of its last entry. A zero Life is that of
	// a subject that is gone.
	Place
	Head Head
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

// Check reports the first [Break] in all entries of a subject, which are in the
// order of their places.
func (n Notary) Check(s Subject, entries []Sealed, now time.Time) error {
	bad := func(p Place, problem string) error { return &Break{Subject: s.ID, Place: p.String(), Problem: problem} }
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
		case t.Seq == 0:
		case len(t.Previous.Sum) == 0:
			return bad(t.Place, "was written when its subject had no trail")
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
	switch {
	case !n.over(s, last, now):
		return bad(last.Place, cutOff)
	case s.Life.IsZero():
	case len(s.Head.Sum) == 0:
		return bad(s.Place, "is not there: the subject has no trail")
	case !hmac.Equal(n.seal(s.ID, s.Place, s.Head), s.Head.Seal):
		return bad(s.Place, "is not the one that the subject names")
	case current != nil && current.Seq > max(s.Seq, s.Grown):
		return bad(current.Place, "comes after the one that the subject names")
	case named == nil && now.Before(s.Head.Until):
		return bad(s.Place, "is missing")
	case named != nil && !hmac.Equal(named.Sum, s.Head.Sum):
		return bad(s.Place, "is not the one that the subject names")
	}
	return nil
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
