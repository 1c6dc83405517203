package registry_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/local/engine"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// race is eight clients, each before an environment of its own, who do as they
// like with the keys of one user, and write down what they were told.
type race struct {
	clients, requests int
	most              int // keys of the user
	freshness         time.Duration
	fences            bool // checks spend, and gates trust fences
	seed              uint64

	mu      sync.Mutex
	begun   time.Time
	history []porcupine.Operation
	keys    []string            // ids
	tokens  map[string][]string // of each
	told    map[string]int64    // the last revision anybody was told of
}

// run returns what could not have been; empty: nothing.
func (r *race) run(t *testing.T, options dynamo.Options) string {
	t.Helper()
	r.tokens, r.told, r.begun = make(map[string][]string), make(map[string]int64), time.Now()
	owner := newBenchBefore(t, dynamo.Open(plain(options))).caller(t, "u1", func(k *apikey.Key) {
		k.Limit = short
	})
	var wg sync.WaitGroup
	for n := range r.clients {
		b := newBenchBefore(t, dynamo.Open(options))
		// The calling key takes a place too.
		b.Configure(func(o *registry.Options) { o.MaxKeys, o.Pause, o.Now = r.most+1, nil, time.Now })
		if r.freshness == 0 {
			b.Configure(func(o *registry.Options) { o.Pause = func(context.Context, time.Duration) error { return nil } }) // each check reads
		}
		b.RealTime, b.Fences = true, r.fences
		g := b.Gate(r.freshness)
		random := rand.New(rand.NewPCG(r.seed, uint64(n)))
		wg.Go(func() {
			for range r.requests {
				r.request(t.Context(), b, g, owner, r.choose(random))
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(r.history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	return check(r.history, r.most, 30*time.Second)
}

// short is a limit that is never reached, with a window that ends soon. The place of a revoked key
// is then soon free again.
var short = ratelimit.Limit{Requests: 1000, Window: time.Second}

// plain is the same table before a network without faults.
func plain(o dynamo.Options) dynamo.Options {
	o.Transport = http.DefaultTransport
	return o
}

func (r *race) choose(random *rand.Rand) ask {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := ask{match: -1, number: len(r.history)*r.clients + random.IntN(1<<30)}
	if random.IntN(2) == 0 {
		a.once = fmt.Sprintf("the-name-of-request-%d", len(r.history)/r.clients) // which others choose too, just now
	}
	if len(r.keys) == 0 || random.IntN(6) == 0 {
		a.do = "create"
		return a
	}
	a.id = r.keys[max(0, len(r.keys)-1-random.IntN(3))] // the newest are busiest
	switch n := random.IntN(20); {
	case n < 4:
		a.do, a.grace = "rotate", n < 2
		a.once += map[bool]string{true: "-" + a.id + map[bool]string{true: "-grace", false: ""}[a.grace]}[a.once != ""]
	case n < 6:
		a.do, a.name = "name", fmt.Sprint("name ", random.IntN(1000))
	case n < 8:
		a.do, a.enabled = "enable", random.IntN(3) > 0
	case n == 8 && random.IntN(2) == 0:
		a.do = "revoke"
	case n < 11:
		a.do = "get"
	default:
		a.do = "validate"
		if r.fences {
			a.cost = 1 // under short, no token is leased
		}
		of := r.tokens[a.id]
		a.token = of[random.IntN(len(of))]
	}
	if a.do == "name" || a.do == "enable" {
		a.once = ""
		if random.IntN(3) == 0 {
			a.match = r.told[a.id]
		}
	}
	return a
}

// request makes one, and again if it has a name, until it is answered.
func (r *race) request(ctx context.Context, b *bench, g *gate.Gate, who registry.Caller, a ask) {
	call := time.Since(r.begun)
	var t told
	for range 5 {
		t = b.ask(ctx, g, who, a)
		if t.failed != errUnknown && (t.failed != apikey.ErrConflict || a.once == "") || a.once == "" {
			break
		}
	}
	if t.failed == apikey.ErrConflict && a.once != "" {
		t.failed = errUnknown // by a request of the same name
	}
	back := time.Since(r.begun)
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.failed == errUnknown && (a.do == "get" || a.do == "validate") {
		return
	}
	if a.do == "validate" && !(r.fences && t.code == apikey.CodeValid) {
		call -= r.freshness // it may be as old as that, unless a spend has proven the key
	}
	r.history = append(r.history, porcupine.Operation{Input: a, Output: t, Call: int64(call), Return: int64(back)})
	if t.failed != nil || a.do == "validate" {
		return
	}
	if a.do == "create" && !slices.Contains(r.keys, t.id) {
		r.keys = append(r.keys, t.id)
	}
	if t.token != "" {
		r.tokens[t.id] = append(r.tokens[t.id], t.token)
	}
	r.told[t.id] = max(r.told[t.id], t.rev)
}

// ask makes one request of the registry or the gate.
func (b *bench) ask(ctx context.Context, g *gate.Gate, who registry.Caller, a ask) told {
	if a.once != "" {
		who.Idempotency = registry.Idempotency{Key: a.once, Body: []byte(fmt.Sprint(a.do, a.grace))}
	}
	if a.match >= 0 {
		who.Match = []int64{a.match}
	}
	t := told{id: a.id}
	var key *apikey.Key
	var record apikey.Record
	var token apikey.Token
	var err error
	switch a.do {
	case "create":
		key, token, err = b.Registry.Create(ctx, who, "u1", apikey.Live, apikey.Change{Limit: ptr(short)})
	case "rotate":
		var issued registry.Issued
		grace := map[bool]time.Duration{true: time.Hour}[a.grace]
		issued, err = b.Registry.Rotate(ctx, who, a.id, grace)
		key, token = issued.Key, issued.Token
	case "name":
		record, err = b.Registry.Update(ctx, who, a.id, to(apikey.Change{Name: &a.name}))
	case "enable":
		record, err = b.Registry.Update(ctx, who, a.id, to(apikey.Change{Enabled: &a.enabled}))
	case "revoke":
		record, err = b.Registry.Revoke(ctx, who, a.id, "")
	case "get":
		record, err = b.Registry.Find(ctx, who, a.id)
	case "validate":
		var v apikey.Verdict
		v, err = g.Check(ctx, gate.Request{Credential: b.Format.Credential(a.token), Cost: a.cost})
		t.code = v.Code
	}
	if err != nil {
		t.failed = errUnknown
		for _, known := range []error{apikey.ErrTooManyKeys, apikey.ErrTwoSecrets, apikey.ErrEnded, apikey.ErrPrecondition, apikey.ErrConflict} {
			if errors.Is(err, known) {
				t.failed = known
			}
		}
		return t
	}
	if key == nil {
		key = record.Key
	}
	if key != nil {
		t.id, t.rev, t.name, t.enabled, t.revoked = key.ID, key.Rev, key.Name, key.Enabled, !key.RevokedAt.IsZero()
	}
	t.token = token.Reveal()
	return t
}

// Clients work at the same time, and requests and replies are lost. Still, there is one order of all
// requests that explains every answer.
func TestHistoriesAreLinearizable(t *testing.T) {
	for _, c := range []struct {
		name      string
		freshness time.Duration
		fences    bool
		requests  int
		seeds     int
	}{
		{"each check reads", 0, false, 40, 2},
		{"a read may be trusted for a while", 200 * time.Millisecond, false, 40, 1},
		{"a spend proves the key", time.Second, true, 40, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			undecided, first := 0, 0
			if dynamotest.Engine().Kind != engine.Dynoxide { // the two passes have histories of different seeds
				first = 10
			}
			for seed := first; seed < first+c.seeds+undecided; seed++ {
				options, faults := dynamotest.Faulty(t)
				faults.Set(0.03, append(dynamotest.Before(), dynamotest.After()...)...)
				r := &race{clients: 8, requests: c.requests, most: 4, freshness: c.freshness, fences: c.fences, seed: uint64(seed)}
				switch found := r.run(t, options); {
				case strings.Contains(found, inTime) && undecided < 3:
					undecided++ // on a busy machine more requests overlap, and another history takes its place
				case found != "":
					t.Errorf("seed %d: %s", seed, found)
				}
				t.Logf("seed %d: %s", seed, r.summary())
			}
		})
	}
}

// summary says what a history was about.
func (r *race) summary() string {
	tally := make(map[string]int)
	for _, o := range r.history {
		a, t := o.Input.(ask), o.Output.(told)
		outcome := string(t.code)
		switch {
		case t.failed == errUnknown:
			outcome = "unknown"
		case t.failed != nil:
			outcome = "refused"
		case outcome == "":
			outcome = "done"
		}
		tally[a.do+" "+outcome]++
	}
	return fmt.Sprint(tally)
}

// Each condition is needed: without it, what clients are told cannot all be true.
func TestAMissingConditionIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long, and the histories above show races")
	}
	dynamotest.AnyEngine(t)
	for _, c := range []struct {
		name, condition string
		most            int
		fences          bool
	}{
		{"a key is replaced whatever its revision", "#rev = :rev AND", 4, false},
		{"a key is created however many there are", "attribute_not_exists(#n)", 4, false},
		{"a reply is written over another", "attribute_not_exists(#pk) OR #until", 100, false},
		{"a spend does not ask for the fence", "(attribute_not_exists(#g)", 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				options, _ := dynamotest.Faulty(t)
				stripped := &dynamotest.Stripped{Next: options.Transport, Condition: c.condition}
				options.Transport = stripped
				r := &race{clients: 8, requests: 25, most: c.most, fences: c.fences, seed: seed}
				if c.fences {
					r.freshness = time.Second
				}
				found := r.run(t, options)
				if stripped.Count.Load() == 0 {
					t.Fatal("nothing was taken off")
				}
				if strings.Contains(found, "cannot have been so") {
					t.Logf("seed %d: %s", seed, found)
					return
				}
			}
			t.Error("nobody notices")
		})
	}
}
