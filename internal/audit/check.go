package audit

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"time"
)

// Break is a place where a trail is not as it was written.
type Break struct {
	Subject string
	Place   string // as [Place.String] writes it, or the text that is stored in its stead
	Problem string
}

// Error returns the subject, the place and the problem.
func (b *Break) Error() string { return fmt.Sprintf("%s: entry %s %s", b.Subject, b.Place, b.Problem) }

// Check returns the first [Break] in a stored subject, its witness and its entries. entries must be
// in the order of their places. If there is no Break, Check returns how far the record is
// authenticated.
func (n Notary) Check(s Subject, w Witness, entries []Sealed, now time.Time) (Standing, error) {
	if !s.Forgotten.IsZero() && !now.Before(s.Forgotten) {
		s = Subject{ID: s.ID} // it may be gone; the entries must say so
	}
	c, err := n.readChain(s, entries, now)
	if err != nil {
		return Altered, err
	}
	standing := n.Standing(s)
	if c.beginsLate && standing == Authentic {
		standing = Partial
	}
	if err := n.checkWitness(s, w, c.last, entries, standing, now); err != nil {
		return Altered, err
	}
	if s.Life.IsZero() {
		return Authentic, nil
	}
	if err := c.checkSubject(s, standing, now); err != nil {
		return Altered, err
	}
	return standing, nil
}

// chain is the entries of a subject, after each was found genuine and in its place.
type chain struct {
	last       *text   // the last entry; nil: there is none
	lastSum    []byte  // the last entry's
	current    *Sealed // the last entry of the subject's present life
	named      *Sealed // the entry that the subject names as its last
	beginsLate bool    // an entry of the present life had no entry before it
}

// readChain reads the entries of s in the order of their places.
func (n Notary) readChain(s Subject, entries []Sealed, now time.Time) (chain, error) {
	var c chain
	for i := range entries {
		e := &entries[i]
		t, err := n.genuine(s.ID, *e)
		if err != nil {
			return c, s.breakAt(e.Place, err.Error())
		}
		if err := c.checkNext(s, &t, now); err != nil {
			return c, err
		}
		c.add(s, &t, e)
	}
	return c, c.checkEnd(s, now)
}

// genuine reads an entry, and returns an error if it was altered or moved.
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

// checkNext returns a Break if t does not continue the chain.
func (c *chain) checkNext(s Subject, t *text, now time.Time) error {
	begins := c.last == nil || !c.last.Life.Equal(t.Life)
	if begins {
		if err := c.checkEnd(s, now); err != nil {
			return err
		}
	}
	next := !begins && c.last.Seq == t.Seq-1
	switch {
	case t.Flaw != "":
		return s.breakAt(t.Place, t.Flaw)
	case t.Seq == 0:
		return nil
	case t.first():
		if !begins {
			return s.breakAt(t.Place, "was written when its subject had no trail")
		}
	case next && !hmac.Equal(t.Previous.Sum, c.lastSum):
		return s.breakAt(t.Place, "does not follow the one before it")
	case !next && now.Before(t.Previous.Until):
		return s.breakAt(Place{Life: t.Life, Seq: t.Seq - 1}, "is missing")
	}
	return nil
}

// add makes t, which is stored as e, the last entry of the chain.
func (c *chain) add(s Subject, t *text, e *Sealed) {
	c.last, c.lastSum = t, e.Sum
	if !t.Life.Equal(s.Life) {
		return
	}
	c.current = e
	if t.Seq == s.Seq {
		c.named = e
	}
	if t.first() && t.Seq > 0 {
		c.beginsLate = true
	}
}

// checkEnd returns a Break if the last entry must not be the last one of its life. It may be the
// last one if it says so, if the subject may be gone by now, if the entries after it may be
// forgotten, or if the subject is still in that life.
func (c *chain) checkEnd(s Subject, now time.Time) error {
	t := c.last
	switch {
	case t == nil, t.Last, t.Life.Equal(s.Life):
		return nil
	case !now.Before(t.Until), !t.Forgotten.IsZero() && !now.Before(t.Forgotten):
		return nil
	}
	return s.breakAt(t.Place, "is the last one there, and does not say that its subject is gone")
}

// checkSubject returns a Break if s, which is not gone, does not fit the chain.
func (c *chain) checkSubject(s Subject, standing Standing, now time.Time) error {
	switch {
	case standing == Untrailed && c.current != nil:
		return s.breakAt(s.Place, "is not there: the subject has no trail")
	case standing == Untrailed:
		return nil
	case c.current != nil && c.current.Seq > s.newest():
		return s.breakAt(c.current.Place, "comes after the one that the subject names")
	case c.named == nil && now.Before(s.Head.Until):
		return s.breakAt(s.Place, "is missing")
	case c.named != nil && !hmac.Equal(c.named.Sum, s.Head.Sum):
		return s.breakAt(s.Place, "is not the one that the subject names")
	case standing == Altered:
		return s.breakAt(s.Place, "does not fit the subject's record, which was altered")
	}
	return nil
}
