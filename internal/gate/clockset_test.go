package gate_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// dater gives the replies of the table the true time.
type dater struct {
	next http.RoundTripper
	true *apikeytest.Clock
}

func (d dater) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err == nil {
		response.Header.Set("Date", d.true.Time().UTC().Format(http.TimeFormat))
	}
	return response, err
}

// An instance whose clock is set ahead by mistake asks the table for the time before it spends. Else no
// instance could refill the meter until that time has come.
func TestAClockThatIsSetStopsNoRefill(t *testing.T) {
	for _, c := range []struct {
		name      string
		freshness time.Duration
		trust     bool
		gateway   bool // the gateway tells the time too
	}{
		{"a long freshness", time.Hour, false, false},
		{"a long freshness, at the gateway", time.Hour, false, true},
		{"trusted fences", time.Second, true, false},
		{"trusted fences, at the gateway", time.Second, true, true},
	} {
		for _, ahead := range []time.Duration{6 * time.Second, time.Minute, 10 * time.Minute} {
			b, truth := newBench(t), apikeytest.NewClock()
			options, _ := dynamotest.Faulty(t)
			options.Now, options.Transport = b.Clock.Time, dater{options.Transport, truth}
			table := dynamo.Open(options)
			b.Options.Store = table
			token := b.Token(t)
			b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 2, Window: 10 * time.Second} })
			g := gate.New(table, ratelimit.New(table, table.Now, 100), gate.Options{
				Keyring: b.Keyring, Reread: b.Hashing, Logger: slog.New(slog.DiscardHandler), Patience: time.Minute, Remember: 100,
				Freshness: c.freshness, TrustFences: c.trust,
				Environments: []apikey.Environment{apikey.Live}, Clock: b.Clock.Instant, Corrected: table.Corrected,
			})
			check := func(when string) {
				t.Helper()
				r := gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}
				if c.gateway {
					r.Time = truth.Time()
				}
				if v, err := g.Check(t.Context(), r); err != nil || !v.Valid() {
					t.Errorf("%s, %v, %s: %s, %v", c.name, ahead, when, v.Code, err)
				}
			}
			pass := func(d time.Duration) { b.Clock.Pass(d); truth.Pass(d) }
			check("before")
			pass(100 * time.Millisecond)
			b.Clock.Drift(ahead, 0)
			check("ahead")
			pass(100 * time.Millisecond)
			b.Clock.Drift(-ahead, 0)
			pass(20 * time.Second)
			check("two windows later")
			check("two windows later, again")
			reads := table.Reads()
			b.Clock.Drift(-ahead, 0) // a lease would end too late
			pass(20 * time.Second)
			if check("behind"); table.Reads() == reads {
				t.Errorf("%s: %v behind, the table is not asked first", c.name, ahead)
			}
		}
	}
}
