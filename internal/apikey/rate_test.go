package apikey_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// A limit that the table cannot count would answer 503 where its callers expect 429. It is refused
// with a sentence that says which limit is possible.
func TestALimitThatTheTableCannotCountIsRefused(t *testing.T) {
	for _, c := range []struct {
		requests int64
		window   time.Duration
		allowed  bool
	}{
		{1000, time.Second, true}, {1001, time.Second, false},
		{9000, 9 * time.Second, true}, {9001, 9 * time.Second, false}, {apikey.MaxRequests, 9 * time.Second, false},
		// From 10 s on, a write pays for many requests.
		{10_001, 10 * time.Second, true}, {apikey.MaxRequests, 10 * time.Second, true}, {apikey.MaxRequests, apikey.MaxWindow, true},
	} {
		limit := ratelimit.Limit{Requests: c.requests, Window: c.window}
		for field, err := range map[string]error{
			"limits.amount":     apikey.Change{Limits: &[]ratelimit.Limit{limit}}.Check(time.Now()),
			"key.limits.amount": apikey.CheckLimits("key.", []ratelimit.Limit{limit}),
		} {
			var refused *apikey.FieldError
			switch {
			case c.allowed && err != nil:
				t.Errorf("%s of %d in %v: %v", field, c.requests, c.window, err)
			case !c.allowed && (!errors.As(err, &refused) || refused.Field != field || !strings.Contains(err.Error(), "choose a window of 10 seconds or longer")):
				t.Errorf("%s of %d in %v: %v", field, c.requests, c.window, err)
			}
		}
	}
}

// The meters of a rateLimit count it together. A rate that the most meters could not count is refused,
// with a sentence that names the highest one.
func TestARateLimitThatNoNumberOfMetersCanCountIsRefused(t *testing.T) {
	for _, c := range []struct {
		requests int64
		window   time.Duration
		allowed  bool
	}{
		{16_750, time.Second, true}, {16_751, time.Second, false}, {apikey.MaxRequests, time.Second, false},
		{167_500, 10 * time.Second, true}, {167_501, 10 * time.Second, false},
		{apikey.MaxRequests, time.Minute, true}, {apikey.MaxRequests, apikey.MaxWindow, true},
	} {
		err := apikey.Change{Limit: &ratelimit.Limit{Requests: c.requests, Window: c.window}}.Check(time.Now())
		var refused *apikey.FieldError
		switch {
		case c.allowed && err != nil:
			t.Errorf("%d in %v: %v", c.requests, c.window, err)
		case !c.allowed && (!errors.As(err, &refused) || refused.Field != "rateLimit.requests" ||
			!strings.Contains(err.Error(), "must be at most")):
			t.Errorf("%d in %v: %v", c.requests, c.window, err)
		}
	}
}

func TestAKeyHasAsManyMetersAsItsRateLimitNeeds(t *testing.T) {
	day := func(n int64) ratelimit.Quota { return ratelimit.Quota{Requests: n, Period: ratelimit.Day} }
	for _, c := range []struct {
		limit ratelimit.Limit
		quota ratelimit.Quota
		want  int
		field string // of the error
	}{
		{limit: ratelimit.Limit{}, want: 1},
		{limit: per(250, time.Second), want: 1},
		{limit: per(251, time.Second), want: 2},
		{limit: per(15_000, time.Minute), want: 1},
		{limit: per(15_001, time.Minute), want: 2},
		{limit: per(apikey.MaxRequests, time.Minute), want: 67},
		{limit: per(apikey.MaxRequests, time.Hour), want: 2},
		{limit: per(apikey.MaxRequests, 24*time.Hour), want: 1},
		{limit: per(apikey.MaxRequests, time.Minute), quota: day(10_000_000), want: 67},
		{limit: per(apikey.MaxRequests, time.Minute), quota: day(5000), want: 5},
		{limit: per(apikey.MaxRequests, time.Minute), quota: day(10), want: 1},
		{limit: per(apikey.MaxRequests, time.Minute), quota: ratelimit.Quota{Requests: 10, Period: ratelimit.Lifetime}, want: 67},
		{limit: per(1001, time.Second), quota: day(10), field: "rateLimit.requests"},
	} {
		k := apikey.Key{Limit: c.limit, Quota: c.quota}
		err := k.Spread()
		var refused *apikey.FieldError
		switch {
		case errors.As(err, &refused) != (c.field != "") || refused != nil && refused.Field != c.field:
			t.Errorf("%+v, %+v: %v", c.limit, c.quota, err)
		case c.field == "" && k.Shards.Now() != c.want:
			t.Errorf("%+v, %+v: %d meters, want %d", c.limit, c.quota, k.Shards.Now(), c.want)
		}
	}
}
