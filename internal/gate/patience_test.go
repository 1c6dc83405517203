package gate_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// deadlines is a Finder that records the deadlines of its reads.
type deadlines struct {
	gate.Finder
	seen []time.Time
}

func (d *deadlines) note(ctx context.Context) {
	at, _ := ctx.Deadline()
	d.seen = append(d.seen, at)
}

func (d *deadlines) Find(ctx context.Context, id string) (apikey.Record, error) {
	d.note(ctx)
	return d.Finder.Find(ctx, id)
}

func (d *deadlines) Resolve(ctx context.Context, alias string) (string, error) {
	d.note(ctx)
	return d.Finder.Resolve(ctx, alias)
}

// One patience bounds a whole check: the reads of the secret and of the table, and those for both of
// two texts that could be tokens.
func TestOnePatienceBoundsAWholeCheck(t *testing.T) {
	b := newBench(t)
	foreign := b.Foreign()
	b.Issue(t, foreign, nil)
	for _, c := range []struct {
		name  string
		texts []string
		reads int
	}{
		{"one token", []string{foreign.Reveal()}, 3},
		{"a token beside another text", []string{"a-token-of-another-service", foreign.Reveal()}, 5},
	} {
		reads := &deadlines{Finder: b.Table}
		g := gate.New(reads, ratelimit.New(b.Meters, b.Clock.Time, 100), gate.Options{
			Keyring: func(ctx context.Context) (gate.Keyring, error) {
				reads.note(ctx)
				return b.Keyring(ctx)
			},
			Reread: b.Hashing, Logger: slog.New(slog.DiscardHandler), Patience: time.Minute, Remember: 100,
			Environments: []apikey.Environment{apikey.Live}, Clock: b.Clock.Instant,
		})
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(c.texts...), Cost: 1})
		if err != nil || !v.Valid() {
			t.Fatalf("%s: %s, %v", c.name, v.Code, err)
		}
		if len(reads.seen) < c.reads {
			t.Errorf("%s: only %d reads", c.name, len(reads.seen))
		}
		for i, deadline := range reads.seen {
			if deadline.IsZero() || !deadline.Equal(reads.seen[0]) {
				t.Errorf("%s: the deadlines are %v, and read %d has another one", c.name, reads.seen, i)
			}
		}
	}
}
