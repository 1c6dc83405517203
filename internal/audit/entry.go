package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Entry is one thing that was done to a subject. Times have milliseconds, and all
// are UTC.
type Entry struct {
	Subject   string            `json:"subject"`
	Owner     string            `json:"owner"`
	At        time.Time         `json:"at"`
	Actor     Actor             `json:"actor"`
	Action    string            `json:"action"`
	Changes   map[string]Change `json:"changes"`
	RequestID string            `json:"requestId,omitempty"`
	SourceIP  string            `json:"sourceIp,omitempty"`
	// Last is for the end of a life: nothing can be done after that.
	Last bool `json:"last,omitempty"`
	// Forgotten is when the subject may be gone without anybody's doing; zero: never.
	Forgotten time.Time `json:"forgotten,omitzero"`
	// Flaw is the problem that the subject had before this entry, so that a change never hides a
	// change outside the service. It is empty if there was none.
	Flaw string `json:"flaw,omitempty"`
}

// Actor is who did it.
type Actor struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Change is what a field was and what it became; null: nothing.
type Change struct {
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// Place is that of an entry: in which life of its subject, by when that began, and
// as which, from 0 on.
type Place struct {
	Life time.Time `json:"life"`
	Seq  int64     `json:"seq"`
}

// TimeLayout formats a time in UTC with milliseconds, as entries, positions in lists and the API show
// it. Call UTC before Format, because the Z is literal. Texts of this layout sort as their times do.
const TimeLayout = "2006-01-02T15:04:05.000Z"

const seqDigits = 9

// String sorts as places do.
func (p Place) String() string {
	return fmt.Sprintf("%s#%0*d", p.Life.UTC().Format(TimeLayout), seqDigits, p.Seq)
}

// Compare orders places by life, and within one life by number.
func (p Place) Compare(q Place) int {
	return cmp.Or(p.Life.Compare(q.Life), cmp.Compare(p.Seq, q.Seq))
}

// ParsePlace reads what String writes.
func ParsePlace(text string) (Place, error) {
	life, seq, _ := strings.Cut(text, "#")
	at, err := time.Parse(TimeLayout, life)
	if err != nil {
		return Place{}, fmt.Errorf("%q is no place of an entry", text)
	}
	n, err := strconv.ParseInt(seq, 10, 64)
	p := Place{Life: at, Seq: n}
	if err != nil || n < 0 || p.String() != text {
		return Place{}, fmt.Errorf("%q is no place of an entry", text)
	}
	return p, nil
}

// Sealed is an entry as it is kept. What stands beside the text is there to find
// it by, and to forget it by.
type Sealed struct {
	Place
	Subject, Owner string
	At             time.Time
	Until          time.Time // it is kept; whole seconds
	Text           string
	Sum            []byte
}

// text is what a sum is of: these bytes, as they are kept.
type text struct {
	Entry
	Place
	Until    time.Time `json:"until"`
	Previous previous  `json:"previous,omitzero"`
}

// previous is the entry before.
type previous struct {
	Sum   []byte    `json:"sum"`
	Until time.Time `json:"until"`
}

// Open reads the entry. It does not ask whether it is genuine: see [Notary.Check].
func (s Sealed) Open() (Entry, error) {
	t, err := s.open()
	return t.Entry, err
}

func (s Sealed) open() (text, error) {
	var t text
	if err := json.Unmarshal([]byte(s.Text), &t); err != nil {
		return text{}, fmt.Errorf("entry %s of %s cannot be read: %w", s.Place, s.Subject, err)
	}
	return t, nil
}
