package gate_test

import (
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// The gate passes on the answers of an upstream, except those that are no verdict.
func TestTheAnswersOfAnUpstreamArePassedOn(t *testing.T) {
	k := &apikey.Key{ID: "upstream-k", UserID: "u1", Enabled: true, Limit: apikey.DefaultLimit()}
	usage := ratelimit.Status{Limit: 5, Reset: apikeytest.Noon.Add(7 * time.Second)}
	for _, c := range []struct {
		says apikey.Verdict
		want apikey.Code // empty: it could not be decided
	}{
		{apikey.Verdict{Code: apikey.CodeRateLimited, Key: k, Status: usage, RetryAfter: 7 * time.Second}, apikey.CodeRateLimited},
		{apikey.Verdict{Code: apikey.CodeQuotaExceeded, Key: k, Status: usage, RetryAfter: 7 * time.Second}, apikey.CodeQuotaExceeded},
		{apikey.Verdict{Code: apikey.CodeValid, Key: k}, apikey.CodeValid},
		{apikey.Verdict{Code: apikey.CodeUnknown, Text: "no"}, apikey.CodeUnknown},
		{apikey.Verdict{Code: apikey.CodeRevoked}, apikey.CodeRevoked},
		{apikey.Verdict{Code: apikey.CodeInsufficientScope}, apikey.CodeInsufficientScope},
		{apikey.Verdict{Code: apikey.CodeRateLimited}, ""},
		{apikey.Verdict{Code: apikey.CodeQuotaExceeded}, ""},
		{apikey.Verdict{Code: apikey.CodeValid}, ""},
		{apikey.Verdict{Code: apikey.CodeRevoked, Key: k}, ""},
		{apikey.Verdict{}, ""},
	} {
		b := newBench(t)
		b.Upstream = apikeytest.Saying(c.says)
		v, err := b.Gate(time.Second).
			Check(t.Context(), gate.Request{Credential: b.Format.Credential("a-token-of-the-other-service"), Cost: 1})
		if v.Code != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s with key %v: %q, %v", c.says.Code, c.says.Key != nil, v.Code, err)
		}
		if c.says.RetryAfter > 0 && (v.RetryAfter != c.says.RetryAfter || v.Status != c.says.Status) {
			t.Errorf("%s: %+v, retry after %v", c.says.Code, v.Status, v.RetryAfter)
		}
	}
}
