package registry

import (
	"context"
	"io"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
)

// Registry manages keys. Users see and touch only their own; everything else
// does not exist for them.
type Registry struct {
	Store  Store
	Hasher func(context.Context) (pepper.Hasher, error)
	// Reread is the gate's.
	Reread func(context.Context) (pepper.Hasher, error)
	Format apikey.Format
	Random io.Reader // fit for secrets
	Now    func() time.Time
	// MaxKeys is how many places of one user keys may take, unless an admin makes them: each key
	// takes one until nothing that it has spent counts any more.
	MaxKeys int
	// Freshness is for how long the gate trusts a read of a key: a key that has ended may spend
	// for as long.
	Freshness time.Duration
	// TrailKept is how long is kept what was done to keys.
	TrailKept time.Duration
	// Static returns the keys that stand in no table; nil: there are none.
	Static func(context.Context) ([]*apikey.Key, error)
	// Users is the most that users without a key may grant; nil: nothing. Its limit
	// bounds theirs on the average. It must not be an admin's.
	Users *apikey.Key
	// Pause waits; nil: by the real clock.
	Pause func(context.Context, time.Duration) error
}

// now has the resolution that is stored.
func (r *Registry) now() time.Time { return r.Now().UTC().Truncate(time.Millisecond) }
