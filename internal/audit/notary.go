package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"latchkey/internal/redact"
)

// Notary writes entries and seals, and tells genuine ones from others. Make one with [NewNotary].
// It is immutable, and safe for concurrent use.
type Notary struct{ key redact.Secret[[]byte] }

// NewNotary returns the notary that signs with key.
func NewNotary(key []byte) Notary { return Notary{redact.New(key)} }

// Append writes e as the entry at p, after the entry that h ends with. The entry is stored for at
// least keep. Append returns the new head, which has no seal yet, and the new witness.
//
// To change a subject, call Append with its head and the next place, store the entry and the
// witness, and store the subject with the new head, whose seal is [Notary.Seal] of its new record.
func (n Notary) Append(h Head, p Place, e Entry, keep time.Duration) (Sealed, Head, Witness, error) {
	t := text{
		Entry: e, Place: p, Until: e.At.Add(keep).Truncate(time.Second),
		Previous: previous{Sum: h.Sum, Until: h.Until},
	}
	if t.Until.Before(h.Until) {
		t.Until = h.Until // so that older entries are forgotten first
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

// Seal authenticates the record of a subject after the entry at p. The record must include the rest
// of the head.
func (n Notary) Seal(subject string, p Place, record []byte) []byte {
	return n.sum("record", fmt.Sprintf("%s\x00%s\x00%s", subject, p, record))
}

// headSeal returns the seal of earlier versions, which is over the head alone.
func (n Notary) headSeal(subject string, p Place, h Head) []byte {
	return n.sum("head", fmt.Sprintf("%s\x00%s\x00%d\x00%x", subject, p, h.Until.Unix(), h.Sum))
}

// sumSize is half of the hash: 128 bits cannot be guessed.
const sumSize = sha256.Size / 2

// sum authenticates a text of one kind. The sum of one kind never fits a text of another.
func (n Notary) sum(kind, text string) []byte {
	mac := hmac.New(sha256.New, n.key.Reveal())
	mac.Write([]byte(kind + "\x00" + text))
	return mac.Sum(nil)[:sumSize]
}
