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
			"rateLimit.requests": apikey.Change{Limit: &limit}.Check(time.Now()),
			"limits.amount":      apikey.Change{Limits: &[]ratelimit.Limit{limit}}.Check(time.Now()),
			"key.limits.amount":  apikey.CheckLimits("key.", []ratelimit.Limit{limit}),
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
