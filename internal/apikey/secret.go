package apikey

import "time"

// Secret is one hash of a key's token, with its end of life. The token itself is never stored.
type Secret struct {
	Algorithm string
	Pepper    string // the name of the pepper of the hash
	Hash      []byte
	Alias     string    // leads from a foreign token to the key; a native token needs none
	NotAfter  time.Time // the end; if zero, the key's end
	Ended     bool      // the end has come, whatever the clock says
}

// Over reports whether the end of s has come, so that its token opens nothing any more.
func (s *Secret) Over(now time.Time) bool {
	return s.Ended || !s.NotAfter.IsZero() && !now.Before(s.NotAfter)
}

// InGrace reports whether a rotation has replaced s, and its token still works.
func (s *Secret) InGrace(now time.Time) bool { return !s.NotAfter.IsZero() && !s.Over(now) }

// told is the time until which the user of s is told how it ended, in whole seconds. The zero time
// means as long as the key is stored.
func (s *Secret) told() time.Time {
	if s.NotAfter.IsZero() {
		return time.Time{}
	}
	return s.NotAfter.Add(endedFor).Truncate(time.Second)
}

// Forgotten reports whether s counts as deleted. The record may still have it.
func (s *Secret) Forgotten(now time.Time) bool { return !s.NotAfter.IsZero() && !now.Before(s.told()) }

// endedFor is how long an ended secret is stored, so that its user can be told that it has ended.
const endedFor = 30 * 24 * time.Hour
