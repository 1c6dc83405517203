package audit

import (
	"encoding/json"
	"fmt"
	"time"
)

// Entry is one recorded change of a subject. Its times have milliseconds and are in UTC.
type Entry struct {
	Subject   string            `json:"subject"`
	Owner     string            `json:"owner"`
	At        time.Time         `json:"at"`
	Actor     Actor             `json:"actor"`
	Action    string            `json:"action"`
	Changes   map[string]Change `json:"changes"` // by field
	RequestID string            `json:"requestId,omitempty"`
	SourceIP  string            `json:"sourceIp,omitempty"`
	// Last marks the end of a life: nothing can be changed after it.
	Last bool `json:"last,omitempty"`
	// Forgotten is the time from which the subject may be gone without a change. Zero means never.
	Forgotten time.Time `json:"forgotten,omitzero"`
	// Flaw is the problem that the subject had before this entry, so that a change never hides a
	// change outside the service. It is empty if there was none.
	Flaw string `json:"flaw,omitempty"`
}

// Actor is the caller who made a change.
type Actor struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Change is a field before and after a change. null means that it was not set.
type Change struct {
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// Sealed is an entry as it is stored. The fields beside Text and Sum repeat parts of the text, so
// that a store can find the entry and forget it in time.
type Sealed struct {
	Place
	Subject, Owner string
	At             time.Time
	Until          time.Time // the entry is stored until then; in whole seconds
	Text           string
	Sum            []byte // over Text
}

// Open reads the entry. It does not check whether it is genuine: see [Notary.Check].
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

// text is the text of a sealed entry. It is stored as these bytes, which the sum authenticates.
type text struct {
	Entry
	Place
	Until    time.Time `json:"until"`
	Previous previous  `json:"previous,omitzero"`
}

// previous is the head of the chain before an entry. It is zero if there was no entry.
type previous struct {
	Sum   []byte    `json:"sum"`
	Until time.Time `json:"until"`
}

// first reports whether there was no entry before t.
func (t *text) first() bool { return len(t.Previous.Sum) == 0 }
