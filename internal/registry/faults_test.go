package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// Eight environments before a network and a table that let 2 % of the requests
// down in each of nine ways: a verdict is the right one or there is none.
func TestFaultsNeverChangeAVerdict(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	b := newBenchBefore(t, dynamo.Open(options))
	const limit = 500
	good, gone, unknown := b.Token(t), b.Token(t), b.Token(t)
	b.Issue(t, good, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: limit, Window: time.Minute} })
	b.Issue(t, gone, func(k *apikey.Key) { k.RevokedAt = apikeytest.Noon })
	faults.Set(0.02, append(dynamotest.Before(), dynamotest.After()...)...)

	cases := []struct {
		token apikey.Token
		want  []apikey.Code
	}{
		{good, []apikey.Code{apikey.CodeValid, apikey.CodeRateLimited}},
		{gone, []apikey.Code{apikey.CodeRevoked}},
		{unknown, []apikey.Code{apikey.CodeUnknown}},
	}
	var mu sync.Mutex
	tally := make(map[string]int)
	var wg sync.WaitGroup
	for range 8 {
		b.Meters = dynamo.Open(options) // each with an SDK of its own
		g := b.Gate(0)                  // every check reads
		for range 4 {
			wg.Go(func() {
				for range 40 {
					for _, c := range cases {
						// All of it within a minute, but not in one moment: leases as large as that
						// would ask for are lost whole.
						b.Clock.Pass(2 * time.Millisecond)
						v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(c.token.Reveal()), Cost: 1})
						outcome := string(v.Code)
						if err != nil {
							outcome = "unavailable"
						}
						mu.Lock()
						tally[outcome]++
						mu.Unlock()
						if err != nil && v.Code != "" || err == nil && !slices.Contains(c.want, v.Code) {
							t.Errorf("%q, %v; want one of %v or an error", v.Code, err, c.want)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	t.Log(tally)
	if tally["valid"] > limit || tally["valid"] < limit/2 {
		t.Errorf("%d admitted of %d", tally["valid"], limit)
	}
	if tally["rate_limited"] == 0 || tally["unavailable"] == 0 {
		t.Error("nothing was tested")
	}
}

func TestAnOutageEndsByItself(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	options.AttemptTimeout = 0 // as in a deployment, because the table falls silent
	b := newBenchBefore(t, dynamo.Open(options))
	token := b.Token(t)
	b.Issue(t, token, nil)
	g := b.Gate(time.Second)
	for i, fault := range []dynamotest.Fault{
		dynamotest.LostRequest, dynamotest.LostReply, dynamotest.Reset, dynamotest.Throttled, dynamotest.Limited,
		dynamotest.Internal, dynamotest.Unavailable, dynamotest.Silence, dynamotest.LostRequest,
	} {
		faults.All("")
		if v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}); err != nil || !v.Valid() {
			t.Errorf("after %d faults: %q, %v", i, v.Code, err)
		}
		b.Clock.Pass(time.Second) // a remembered read is too old now
		faults.All(fault)
		if v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}); err == nil || v.Code != "" {
			t.Errorf("%d, %s: %q, %v; want an error", i, fault, v.Code, err)
		}
	}
}

// A key whose creation was answered is there, and one whose revocation was
// answered is revoked, whatever was lost on the way.
func TestNoKeyIsLost(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	b := newBenchBefore(t, dynamo.Open(options))
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	root := b.caller(t, "root", admin)
	faults.Set(0.02, append(dynamotest.Before(), dynamotest.After()...)...)
	var mu sync.Mutex
	created, revoked := make(map[string]bool), make(map[string]bool)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 20 {
				k, _, err := b.Registry.Create(t.Context(), root, fmt.Sprintf("u%d", n), apikey.Live, apikey.Change{})
				if err != nil {
					if errors.Is(err, apikey.ErrConflict) || errors.Is(err, apikey.ErrTooManyKeys) {
						t.Errorf("create: %v; nobody else was there", err)
					}
					continue
				}
				ended := false
				if i%2 == 0 {
					_, err := b.Registry.Revoke(t.Context(), root, k.ID)
					ended = err == nil
				}
				mu.Lock()
				created[k.ID], revoked[k.ID] = true, ended
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	faults.Set(0)
	for id := range created {
		r, err := b.Options.Store.Find(t.Context(), id)
		if err != nil {
			t.Errorf("a key that was created: %v", err)
		} else if revoked[id] && r.Key.RevokedAt.IsZero() {
			t.Error("a key that was revoked is not")
		}
	}
	t.Logf("%d of 160 created", len(created))
	if len(created) < 140 {
		t.Errorf("only %d of 160 were created", len(created))
	}
}

// everyFault runs try with each of the faults at each of the first requests that
// it makes: inject begins that, and called again ends it.
func everyFault(t *testing.T, try func(t *testing.T, b *bench, root registry.Caller, inject func())) {
	t.Helper()
	options, faults := dynamotest.Faulty(t)
	for _, fault := range append(dynamotest.Before(), dynamotest.After()...) {
		for at := range 6 {
			b := newBenchBefore(t, dynamo.Open(options))
			root := b.caller(t, "root", admin)
			begun := false
			try(t, b, root, func() {
				faults.Clear()
				if begun = !begun; begun {
					// All attempts of one call, after at requests that pass.
					faults.Next(append(make([]dynamotest.Fault, at), fault, fault, fault)...)
				}
			})
		}
	}
}
