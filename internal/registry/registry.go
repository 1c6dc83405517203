package registry

import (
	"context"
	"fmt"
	"io"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
)

// Options say how a registry manages keys. All are required unless noted.
type Options struct {
	Store Store
	// Hasher returns the present hasher of the deployment's secret, which may be rotated.
	Hasher func(context.Context) (pepper.Hasher, error)
	// Reread reads the deployment's secret again and returns its hasher. The registry calls it if a
	// pepper is missing.
	Reread func(context.Context) (pepper.Hasher, error)
	Format apikey.Format
	// Random is the source of tokens. It must be fit for secrets.
	Random io.Reader
	Now    func() time.Time
	// AuditRetention is how long audit entries are stored. It must be positive.
	AuditRetention time.Duration
	// MaxKeys is how many places the keys of one user may take, unless an admin makes them. A key
	// takes one place until none of the tokens that it has spent counts any more. Zero sets no
	// bound.
	MaxKeys int
	// Freshness is how long the gate trusts a read of a key. A key that has ended may spend for as
	// long. It may be zero.
	Freshness time.Duration
	// Life bounds the life of keys whose plan does not. Its IdleDays do not count here.
	Life apikey.Life
	// Static returns the static keys, which are stored in no table. If nil, there are none.
	Static func(context.Context) (apikey.Static, error)
	// Users holds the most that users without a key may grant. Its limit bounds the average rate of
	// theirs. It must not have keys:admin. If nil, users without a key may grant nothing.
	Users *apikey.Key
	// Pause waits for a duration, or until its context is done, and then returns the context's
	// error. If nil, it waits by the real clock.
	Pause func(context.Context, time.Duration) error
}

// Registry manages keys. Callers see and change only their own keys, unless they have keys:admin:
// every other key is ErrNotFound. It is safe for concurrent use.
type Registry struct {
	options Options
	store   Store
}

// New returns a registry. It panics if a required option is missing.
func New(o Options) *Registry {
	missing := ""
	switch {
	case o.Store == nil:
		missing = "Store"
	case o.Hasher == nil:
		missing = "Hasher"
	case o.Reread == nil:
		missing = "Reread"
	case o.Format == apikey.Format{}:
		missing = "Format"
	case o.Random == nil:
		missing = "Random"
	case o.Now == nil:
		missing = "Now"
	case o.AuditRetention <= 0:
		missing = "AuditRetention"
	}
	if missing != "" {
		panic("registry: the option " + missing + " is required")
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	return &Registry{options: o, store: o.Store}
}

// WithStore returns a registry with the options of r and with the store that replace returns for
// the store of r. A rehearsal uses it.
func (r *Registry) WithStore(replace func(Store) Store) *Registry {
	o := r.options
	o.Store = replace(r.store)
	return New(o)
}

// Hasher returns the present hasher of the deployment's secret, or the error of [Options.Hasher].
func (r *Registry) Hasher(ctx context.Context) (pepper.Hasher, error) { return r.options.Hasher(ctx) }

// hasher returns the present hasher, or an error that says that the secret could not be loaded.
func (r *Registry) hasher(ctx context.Context) (pepper.Hasher, error) {
	h, err := r.options.Hasher(ctx)
	if err != nil {
		return pepper.Hasher{}, fmt.Errorf("load the secret: %w", err)
	}
	return h, nil
}

// now returns the present time, in milliseconds as times are stored.
func (r *Registry) now() time.Time { return r.options.Now().UTC().Truncate(time.Millisecond) }

// pause waits by the real clock.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
