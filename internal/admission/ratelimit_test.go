package admission_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// saying is a gate with one verdict.
type saying apikey.Verdict

func (s saying) Check(context.Context, gate.Request) (apikey.Verdict, error) {
	return apikey.Verdict(s), nil
}

// Each limit and quota of a key is a member of both headers, of a good request and of a refused one.
func TestRateLimitHeaders(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	minute := ratelimit.Limit{Requests: 100, Window: time.Minute}
	status := func(terms ratelimit.Terms, spent int64) ratelimit.Status {
		limiter := ratelimit.New(ratelimit.NewMemory(10), func() time.Time { return now }, 10)
		d, err := limiter.Take(t.Context(), "k", terms, spent, now)
		if err != nil || !d.Admitted {
			t.Fatal(d, err)
		}
		return d.Status
	}
	part := func(of apikey.Level, terms ratelimit.Terms) apikey.Part {
		return apikey.Part{Of: of, Part: ratelimit.Part{ID: string(of), Terms: terms}}
	}
	both := ratelimit.Terms{Limit: minute, Quota: ratelimit.Quota{Requests: 1000, Period: ratelimit.Day}}
	monthly := ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: ratelimit.Quota{Requests: 50, Period: ratelimit.Month}}
	credits := ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: ratelimit.Quota{Requests: 7, Period: ratelimit.Lifetime}}
	hour := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 500, Window: time.Hour}}
	key := &apikey.Key{ID: "k", Limit: minute}
	several := []apikey.Part{part(apikey.OfKey, both), part(apikey.OfUser, hour), part(apikey.OfUser, monthly), part(apikey.OfKey, credits)}
	statuses := []ratelimit.Status{status(both, 3), status(hour, 1), status(monthly, 2), status(credits, 7)}
	for _, c := range []struct {
		name          string
		v             apikey.Verdict
		at            time.Time
		policy, state string
	}{
		{"one limit", apikey.Verdict{Code: apikey.CodeValid, Key: key, Status: status(key.Terms(), 10)}, now,
			`"key-60";q=100;w=60`, `"key-60";r=90;t=62`},
		{"one limit, at an unknown time", apikey.Verdict{Code: apikey.CodeValid, Key: key, Status: status(key.Terms(), 10)}, time.Time{},
			`"key-60";q=100;w=60`, `"key-60";r=90`},
		{"one limit, spent", apikey.Verdict{Code: apikey.CodeRateLimited, Key: key, Status: status(key.Terms(), 100)}, now.Add(500 * time.Millisecond),
			`"key-60";q=100;w=60`, `"key-60";r=0;t=62`},
		{"a limit that has reset", apikey.Verdict{Code: apikey.CodeValid, Key: key, Status: status(key.Terms(), 1)}, now.Add(time.Hour),
			`"key-60";q=100;w=60`, `"key-60";r=99;t=0`},
		{"several", apikey.Verdict{Code: apikey.CodeQuotaExceeded, Key: key, Parts: several, Statuses: statuses}, now,
			`"key-60";q=100;w=60, "key-day";q=1000;w=86400, "user-3600";q=500;w=3600, "user-month";q=50, "key-lifetime";q=7`,
			`"key-60";r=97;t=62, "key-day";r=997;t=43200, "user-3600";r=499;t=3644, "user-month";r=48;t=561600, "key-lifetime";r=0`},
		{"an unlimited key", apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{ID: "k", Unlimited: true}}, now, "", ""},
		{"an unknown key", apikey.Verdict{Code: apikey.CodeUnknown}, now, "", ""},
	} {
		door := admission.New(admission.Options{Gate: saying(c.v), Logger: slog.New(slog.DiscardHandler)})
		d, err := door.Decide(t.Context(), &admission.Request{Method: "GET", Path: "/x", Time: c.at})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.RateLimit(); got.Policy != c.policy || got.State != c.state {
			t.Errorf("%s:\n%s\n%s", c.name, got.Policy, got.State)
		}
	}
}
