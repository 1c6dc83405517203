package gate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/tally"
)

// tallied collects what a tally writes.
type tallied struct {
	mu      sync.Mutex                       // a tally writes several counts at the same time
	refused map[string]map[apikey.Code]int64 // by the id of the key
	older   map[string]int
	writes  int
}

func (s *tallied) AddRefused(_ context.Context, id string, _ time.Time, counts apikey.Refusals) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for _, codes := range counts {
		for code, n := range codes {
			if s.refused[id] == nil {
				s.refused[id] = make(map[apikey.Code]int64)
			}
			s.refused[id][code] += n
		}
	}
	return nil
}

func (s *tallied) SetOlderUse(_ context.Context, id string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.older[id]++
	return nil
}

func TestTheGateTellsItsTallyOfKnownKeys(t *testing.T) {
	b := newBench(t)
	s := &tallied{refused: make(map[string]map[apikey.Code]int64), older: make(map[string]int)}
	b.Tally = tally.New(s, b.Clock.Time)
	b.configure(t, "the-static-key-k1:alice", "")
	elsewhere := &apikey.Key{ID: "upstream-k", UserID: "u1", Limit: apikey.DefaultLimit()}
	b.Upstream = apikeytest.Saying(apikey.Verdict{Code: apikey.CodeRateLimited, Key: elsewhere})
	g := b.Gate(time.Second)

	limited, revoked, off, old := b.Token(t), b.Token(t), b.Token(t), b.Token(t)
	k := b.Issue(t, limited, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 2, Window: time.Minute} })
	gone := b.Issue(t, revoked, func(k *apikey.Key) { k.RevokedAt = b.Clock.Time() })
	disabled := b.Issue(t, off, func(k *apikey.Key) { k.Enabled = false })
	older := b.Issue(t, old, func(k *apikey.Key) { k.Secrets[0].NotAfter = b.Clock.Time().Add(time.Hour) })
	for range 5 {
		b.Check(t, g, limited.Reveal())
	}
	for range 3 {
		b.Check(t, g, revoked.Reveal())
	}
	b.Check(t, g, off.Reveal())
	b.Check(t, g, off.Reveal(), apikeytest.Twist(limited.Reveal())) // two tokens, and only one is known
	if _, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(off.Reveal())}); err != nil {
		t.Fatal(err) // which spends nothing
	}
	for range 5 {
		b.Check(t, g, "the-static-key-k1")
	}
	b.Check(t, g, old.Reveal())
	b.Check(t, g)                                     // no token
	b.Check(t, g, apikeytest.Twist(limited.Reveal())) // malformed
	b.Check(t, g, b.Token(t).Reveal())                // unknown: refused by the upstream
	b.Check(t, g, b.Forge(t, limited))                // another token of the key
	b.Table.Err = errors.New("down")
	if _, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(b.Token(t).Reveal()), Cost: 1}); err == nil {
		t.Error("the table is down")
	}
	b.Table.Err = nil
	if s.writes != 0 {
		t.Errorf("%d writes within a minute", s.writes)
	}
	b.Clock.Pass(time.Minute)
	b.Check(t, g)
	b.Check(t, g, b.Token(t).Reveal())
	want := map[string]map[apikey.Code]int64{
		k.ID: {apikey.CodeRateLimited: 3}, gone.ID: {apikey.CodeRevoked: 3}, disabled.ID: {apikey.CodeDisabled: 3},
	}
	if diff := cmp.Diff(want, s.refused); diff != "" || s.writes != 3 {
		t.Errorf("%d writes; -want +got:\n%s", s.writes, diff)
	}
	if diff := cmp.Diff(map[string]int{older.ID: 1}, s.older); diff != "" {
		t.Errorf("older tokens: -want +got:\n%s", diff)
	}
}
