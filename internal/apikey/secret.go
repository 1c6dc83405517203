package apikey

import "time"

// Secret is one hash that opens a key. The token itself is never stored.
type Secret struct {
	Algorithm string
	Pepper    string // the name of the pepper that it was hashed with
	Hash      []byte
	Alias     string    // under which a foreign token finds its key; a native one needs none
	NotAfter  time.Time // zero: as long as the key
	Ended     bool      // for good, whatever anybody's clock says
}

// over reports whether s opens nothing any more.
func (s Secret) Over(now time.Time) bool {
	return s.Ended || !s.NotAfter.IsZero() && !now.Before(s.NotAfter)
}

// inGrace reports whether a rotation has replaced s, which still opens its key.
func (s Secret) InGrace(now time.Time) bool { return !s.NotAfter.IsZero() && !s.Over(now) }

// told is the time until which the user of s is told how it ended, in whole seconds. The zero time
// means as long as the key is stored.
func (s Secret) told() time.Time {
	if s.NotAfter.IsZero() {
		return time.Time{}
	}
	return s.NotAfter.Add(endedFor).Truncate(time.Second)
}

// forgotten reports whether s counts as gone, though the record may still hold it.
func (s Secret) Forgotten(now time.Time) bool { return !s.NotAfter.IsZero() && !now.Before(s.told()) }

// endedFor is how long a secret that has ended is stored, so that its user is told what became of it.
const endedFor = 30 * 24 * time.Hour
