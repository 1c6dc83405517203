package apikey_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// The scopes within a ceiling include a scope if and only if both lists do.
func TestScopesWithinACeiling(t *testing.T) {
	words := []string{"", "*", "tts", "tts:*", "tts:a", "tts*", "t*", "keys:*", "keys:read", "ke*"}
	var lists []apikey.Scopes
	for _, a := range words {
		for _, b := range words {
			lists = append(lists, apikey.Scopes(strings.Fields(a+" "+b)))
		}
	}
	asked := append(words[1:], "keys:write", "keys:r*", "stt", "tt", "tts:b")
	for _, own := range lists {
		for _, ceiling := range lists {
			both := own.Within(ceiling)
			for _, scope := range asked {
				if want := own.Allow(scope) && ceiling.Allow(scope); both.Allow(scope) != want {
					t.Fatalf("%q within %q is %q, which includes %q: %t", own, ceiling, both, scope, !want)
				}
			}
		}
	}
}

func TestBoundsOfAVerdict(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	limit := ratelimit.Limit{Requests: 5, Window: time.Minute}
	status := func(terms ratelimit.Terms) ratelimit.Status {
		return ratelimit.StatusOf(ratelimit.Meter{}, terms, noon)
	}
	part := func(of apikey.Level, terms ratelimit.Terms) apikey.Part {
		return apikey.Part{Of: of, Part: ratelimit.Part{ID: "id", Terms: terms}}
	}
	day := ratelimit.Quota{Requests: 9, Period: ratelimit.Day}
	rate, usage := ratelimit.Terms{Limit: limit, Quota: day}, ratelimit.Terms{Limit: ratelimit.NoLimit()}
	life := ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: ratelimit.Quota{Requests: 7, Period: ratelimit.Lifetime}}
	ofLimit := apikey.Bound{Of: apikey.OfKey, Amount: 5, Window: time.Minute, Remaining: 5, Reset: noon}
	ofDay := apikey.Bound{Of: apikey.OfKey, Amount: 9, Period: ratelimit.Day, Remaining: 9, Reset: noon.Add(12 * time.Hour)}
	ofUser := ofLimit
	ofUser.Of = apikey.OfUser
	key := &apikey.Key{ID: "id", Limit: limit, Quota: day}
	for _, c := range []struct {
		name string
		v    apikey.Verdict
		want []apikey.Bound
	}{
		{"no key", apikey.Verdict{}, nil},
		{"a key without parts", apikey.Verdict{Key: key, Status: status(rate)}, []apikey.Bound{ofLimit, ofDay}},
		{"an unlimited key", apikey.Verdict{Key: &apikey.Key{Unlimited: true}}, nil},
		{"one part", apikey.Verdict{
			Key: key, Status: status(rate), Parts: []apikey.Part{part(apikey.OfKey, rate)},
		}, []apikey.Bound{ofLimit, ofDay}},
		{"an unlimited key in a plan", apikey.Verdict{
			Key: &apikey.Key{Unlimited: true}, Status: status(rate), Parts: []apikey.Part{part(apikey.OfKey, rate)},
		}, []apikey.Bound{ofLimit, ofDay}},
		{"usage that is counted is no bound", apikey.Verdict{
			Key: key, Parts: []apikey.Part{part(apikey.OfKey, usage), part(apikey.OfUser, ratelimit.Terms{Limit: limit})},
			Statuses: []ratelimit.Status{status(usage), status(ratelimit.Terms{Limit: limit})},
		}, []apikey.Bound{ofUser}},
		{"a lifetime quota has no reset", apikey.Verdict{
			Key: key, Status: status(life), Parts: []apikey.Part{part(apikey.OfUser, life)},
		}, []apikey.Bound{{Of: apikey.OfUser, Amount: 7, Period: ratelimit.Lifetime, Remaining: 7}}},
	} {
		got := c.v.Bounds()
		for i := range got {
			got[i].Reset = got[i].Reset.UTC()
			if got[i].Reset.IsZero() {
				got[i].Reset = time.Time{}
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A sentence about a time to wait is left out if no wait helps.
func TestMessagesWithoutAWait(t *testing.T) {
	for _, c := range []struct {
		code apikey.Code
		wait time.Duration
		want string
	}{
		{apikey.CodeQuotaExceeded, 0, "Quota exceeded."},
		{apikey.CodeQuotaExceeded, time.Second, "Quota exceeded. Try again in 1 seconds."},
		{apikey.CodeCostAboveLimit, 0, "The request costs more than a limit of the API key allows"},
	} {
		if got := (apikey.Verdict{Code: c.code, RetryAfter: c.wait}).Message(); got != c.want {
			t.Errorf("%s after %v: %q, want %q", c.code, c.wait, got, c.want)
		}
	}
}

// Only the holder of a revoked key's token reads the reason.
func TestWhoReadsTheReasonOfARevocation(t *testing.T) {
	const plain = "Invalid or revoked API key"
	key := &apikey.Key{Revocation: apikey.Revocation{Reason: "leaked", Source: "https://example.com/a"}}
	for _, c := range []struct {
		name string
		v    apikey.Verdict
		want string
	}{
		{"the token of the key", apikey.Verdict{Code: apikey.CodeRevoked, Key: key}, plain + ": revoked: leaked"},
		{"no reason", apikey.Verdict{Code: apikey.CodeRevoked, Key: &apikey.Key{}}, plain},
		{"another token", apikey.Verdict{Code: apikey.CodeUnknown}, plain},
		{"a token that was replaced", apikey.Verdict{Code: apikey.CodeRevoked, Key: key, Ended: time.UnixMilli(0)},
			plain + ": it was replaced, and ended at 1970-01-01T00:00:00Z"},
		{"another fault", apikey.Verdict{Code: apikey.CodeExpired, Key: key}, plain},
	} {
		if got := c.v.Message(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReasons(t *testing.T) {
	long := strings.Repeat("ü", apikey.MaxReason)
	for text, want := range map[string]string{
		"": "", "  ": "", " stolen\n": "stolen", "stolen (Müller's laptop) 👩‍💻": "stolen (Müller's laptop) 👩‍💻", long: long, long + " ": long,
	} {
		if got, err := apikey.CheckReason(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{long + "x", "a\nb", "a\tb", "a\x00", "\x1b[31mred", "a\u202eb", "a\u2028b", "\u200b", "a\xff", "\ufeffa"} {
		var field *apikey.FieldError
		if _, err := apikey.CheckReason(text); !errors.As(err, &field) || field.Field != "reason" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEffectiveScopes(t *testing.T) {
	key := &apikey.Key{Scopes: apikey.Scopes{"tts", "stt"}}
	for _, c := range []struct {
		plan *apikey.Plan
		want apikey.Scopes
	}{
		{nil, apikey.Scopes{"tts", "stt"}},
		{&apikey.Plan{}, apikey.Scopes{"tts", "stt"}},
		{&apikey.Plan{Scopes: apikey.Scopes{"s*", "x"}}, apikey.Scopes{"stt"}},
		{&apikey.Plan{Scopes: apikey.Scopes{"x"}}, apikey.Scopes{}},
	} {
		v := apikey.Verdict{Key: key, Plan: c.plan}
		if diff := cmp.Diff(c.want, v.Scopes()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.plan, diff)
		}
	}
}
