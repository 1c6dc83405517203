package upstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/upstream"
)

// other is another key service, which gives the same answer to every request.
type other struct {
	url    string
	asked  atomic.Int64  // the number of requests
	answer atomic.Value  // string: the body, or a status, "!" and the body
	last   atomic.Value  // string: the body of the last request
	path   atomic.Value  // string: the method and path of the last request
	hold   chan struct{} // if not nil, answers wait until it is closed
}

func newOther(t *testing.T) *other {
	t.Helper()
	o := &other{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.last.Store(string(body))
		o.path.Store(r.Method + " " + r.URL.Path)
		o.asked.Add(1)
		if o.hold != nil {
			<-o.hold
		}
		answer := o.answer.Load().(string)
		if status, rest, ok := strings.Cut(answer, "!"); ok {
			var code int
			_, _ = fmt.Sscan(status, &code)
			w.Header().Set("Location", "/elsewhere/validate")
			w.WriteHeader(code)
			answer = rest
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func open(t *testing.T, o *other, edit func(*upstream.Options)) *upstream.Service {
	t.Helper()
	options := upstream.Options{URL: o.url, Remember: 5 * time.Minute, Timeout: time.Second, Size: 100, Now: time.Now}
	if edit != nil {
		edit(&options)
	}
	s, err := upstream.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func token(t *testing.T, text string) apikey.Token {
	t.Helper()
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := format.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

const text = "a-token-of-the-other-service"

func TestAnswersAllowOrDeny(t *testing.T) {
	const long = 300
	o := newOther(t)
	for _, c := range []struct {
		answer string
		want   string // "allow" with id, user, scopes and limit, or "deny" with code and message, or "error"
	}{
		// Keys. Scopes for managing keys never come from an upstream.
		{`{"valid":true,"code":"valid","keyId":"k7","userId":"u1","name":"n",
			"scopes":["tts","keys:admin","keys:read","BAD SCOPE"],
			"rateLimit":{"requests":5,"window":10,"remaining":4}}`, "allow upstream-k7 u1 [tts] 5/10s"},
		{`{"valid":true,"userId":42}`, "allow upstream-42 42 [] 60/1m0s"},
		{`{"valid":true,"code":"VALID","userId":"u1"}`, "allow upstream-u1 u1 [] 60/1m0s"},
		{`{"valid":true,"keyId":null,"name":"n","scopes":null,"rateLimit":null,"expiresAt":null}`,
			"allow upstream-n n [] 60/1m0s"},
		{`{"valid":true,"keyId":"k","rateLimit":{"requests":999999,"window":60},"unlimited":true}`,
			"allow upstream-k k [] unlimited"},
		{`{"valid":true,"keyId":"k","rateLimit":{"unlimited":true}}`, "allow upstream-k k [] unlimited"},
		{`{"valid":true,"userId":"u1","retryAfter":"soon",
			"rateLimit":{"requests":5,"window":10,"remaining":"many","reset":"2031-01-31T12:00:00Z"}}`,
			"allow upstream-u1 u1 [] 5/10s"},
		{`{"valid":true,"userId":"latchkey:admin"}`, "allow upstream-latchkey:admin latchkey:admin [] 60/1m0s"},
		{`{"valid":true,"userId":"u1","scopes":["keys:read","` + strings.Repeat(`s","`, 49) + `s"]}`,
			"allow upstream-u1 u1 [" + strings.TrimSpace(strings.Repeat("s ", 50)) + "] 60/1m0s"},
		// An access log has ids as they are, so an id must not forge a line of it.
		{`{"valid":true,"keyId":"k | GET /admin | 200 \"x\"\\","userId":"u1"}`,
			"allow upstream-k%20%7C%20GET%20/admin%20%7C%20200%20%22x%22%5C u1 [] 60/1m0s"},
		{`{"valid":true,"name":"Zoë 100%"}`, "allow upstream-Zo%C3%AB%20100%25 Zoë 100% [] 60/1m0s"},

		// Refusals. Their text loses what cannot be displayed.
		{`{"valid":false}`, "deny unknown_key Invalid or revoked API key"},
		{`{"valid":false,"code":"DISABLED_KEY"}`, "deny disabled_key Invalid or revoked API key"},
		{`{"valid":false,"code":"missing_key"}`, "deny unknown_key Invalid or revoked API key"},
		{`{"valid":false,"code":"nope","error":"Nope"}`, "deny unknown_key Nope"},
		{`{"valid":false,"code":"insufficient_scope","error":"Not yours"}`, "deny insufficient_scope Not yours"},
		{`{"valid":false,"code":"expired_key","error":"Your key ended\nyesterday"}`,
			"deny expired_key Your key endedyesterday"},
		{`{"valid":false,"error":"No\u202e\u2028\u200b."}`, "deny unknown_key No."},
		{`{"valid":false,"error":"` + strings.Repeat("ä", long) + `"}`, "deny unknown_key " + strings.Repeat("ä", 200)},

		// Answers that decide nothing.
		{`500!{"valid":true,"userId":"u1"}`, "error"},
		{`307!`, "error"},
		{`<html>`, "error"},
		{`{"userId":"u1"}`, "error"},
		{`{"valid":false,"code":"unavailable"}`, "error"},
		{`{"valid":true,"code":"revoked_key","userId":"u1"}`, "error"},
		{`{"valid":false,"code":"valid","userId":"u1"}`, "error"},

		// Keys with a value out of bounds.
		{`{"valid":true}`, "error"},
		{`{"valid":true,"userId":"Anonymous"}`, "error"},
		{`{"valid":true,"userId":"u\u00001"}`, "error"},
		{`{"valid":true,"userId":"u\u202e1"}`, "error"},
		{`{"valid":true,"userId":"` + strings.Repeat("u", long) + `"}`, "error"},
		{`{"valid":true,"userId":"u1","keyId":"k\nx"}`, "error"},
		{`{"valid":true,"userId":"u1","name":"a\u200bb"}`, "error"},
		{`{"valid":true,"userId":"u1","rateLimit":{"requests":0,"window":60}}`, "error"},
		{`{"valid":true,"userId":"u1","rateLimit":{"requests":1,"window":99999999999999}}`, "error"},
		{`{"valid":true,"userId":"u1","scopes":["` + strings.Repeat(`s","`, 50) + `s"]}`, "error"},
		{`{"valid":true,"userId":"u1","expiresAt":"soon"}`, "error"},
	} {
		o.answer.Store(c.answer)
		v, err := open(t, o, nil).Ask(t.Context(), token(t, text), "", false)
		got := "deny " + string(v.Code) + " " + v.Message()
		if err != nil {
			got = "error"
			if strings.Contains(err.Error(), text) {
				t.Errorf("%s: the error has the token: %v", c.answer, err)
			}
		} else if k := v.Key; k != nil {
			limit := fmt.Sprintf("%d/%v", k.Limit.Requests, k.Limit.Window)
			if k.Unlimited {
				limit = "unlimited"
			}
			got = fmt.Sprintf("allow %s %s %v %s", k.ID, k.UserID, k.Scopes, limit)
		}
		if got != c.want || strings.HasPrefix(c.want, "allow") != (err == nil && v.Valid()) {
			t.Errorf("%s: %s, want %s", c.answer, got, c.want)
		}
	}
}

func TestTimeWithoutZoneIsUTC(t *testing.T) {
	o := newOther(t)
	for _, text := range []string{"2031-01-31T12:00:00.250", "2031-01-31T12:00:00.25Z", "2031-01-31T14:00:00.25+02:00"} {
		o.answer.Store(`{"valid":true,"userId":"u1","expiresAt":"` + text + `"}`)
		v, err := open(t, o, nil).Ask(t.Context(), token(t, "a-token-of-the-other-service"), "", false)
		if err != nil || !v.Key.ExpiresAt.Equal(time.Date(2031, 1, 31, 12, 0, 0, 250e6, time.UTC)) {
			t.Errorf("%s: %v, %v", text, v.Key, err)
		}
	}
}

func TestRequestsGoToTheValidateRoute(t *testing.T) {
	o := newOther(t)
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	for path, want := range map[string]string{
		"": "/api/v1/api-keys/validate", "/": "/api/v1/api-keys/validate", "/prod": "/prod/api/v1/api-keys/validate",
		"/check/validate": "/check/validate", "/api/v1/api-keys/validate": "/api/v1/api-keys/validate",
	} {
		s := open(t, o, func(options *upstream.Options) { options.URL += path })
		if _, err := s.Ask(t.Context(), token(t, text), "pk_x", false); err != nil {
			t.Error(err)
		}
		if got := o.path.Load(); got != "POST "+want {
			t.Errorf("%q: asked at %v, want %s", path, got, want)
		}
	}
	var asked map[string]any
	if err := json.Unmarshal([]byte(o.last.Load().(string)), &asked); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"apiKey": text, "publicKey": "pk_x"}, asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A redirect must not get the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	o := newOther(t)
	o.answer.Store("307!")
	if _, err := open(t, o, nil).Ask(t.Context(), token(t, text), "", false); err == nil || o.asked.Load() != 1 {
		t.Errorf("%v, asked %d times, want once", err, o.asked.Load())
	}
}

func TestAnswersAreRememberedAndRequestsAreShared(t *testing.T) {
	o := newOther(t)
	now := time.Unix(1_800_000_000, 0)
	s := open(t, o, func(options *upstream.Options) {
		options.Now, options.Prefix = func() time.Time { return now }, "a-token"
	})
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	for i, c := range []struct {
		pass  time.Duration
		text  string
		fresh bool
		asked int64
	}{
		{0, text, false, 1}, {299 * time.Second, text, false, 1}, {time.Second, text, false, 2}, {0, text, true, 3},
		{0, text + "2", false, 4}, {0, "another-token-that-is-not-theirs", false, 4},
	} {
		now = now.Add(c.pass)
		if _, err := s.Ask(t.Context(), token(t, c.text), "", c.fresh); err != nil {
			t.Fatal(err)
		}
		if got := o.asked.Load(); got != c.asked {
			t.Errorf("step %d: asked %d times, want %d", i, got, c.asked)
		}
	}

	// Every refusal is remembered for a second.
	before := o.asked.Load()
	for i, c := range []struct {
		pass   time.Duration
		answer string
		want   apikey.Code
		asked  int64
	}{
		{0, `{"valid":false,"code":"rate_limited","retryAfter":7}`, apikey.CodeRateLimited, 1},
		{999 * time.Millisecond, `{"valid":true,"userId":"u1"}`, apikey.CodeRateLimited, 1},
		{time.Millisecond, `{"valid":false}`, apikey.CodeUnknown, 2},
		{time.Second, `{"valid":true,"userId":"u1"}`, apikey.CodeValid, 3},
		{299 * time.Second, `{"valid":false}`, apikey.CodeValid, 3},
		{time.Second, `{"valid":false}`, apikey.CodeUnknown, 4},
		{999 * time.Millisecond, `{"valid":true,"userId":"u1"}`, apikey.CodeUnknown, 4},
	} {
		o.answer.Store(c.answer)
		now = now.Add(c.pass)
		v, err := s.Ask(t.Context(), token(t, text+"3"), "", false)
		if err != nil || v.Code != c.want || o.asked.Load()-before != c.asked {
			t.Errorf("step %d: %s, %v, asked %d times; want %s, %d", i, v.Code, err, o.asked.Load()-before, c.want, c.asked)
		}
	}

	// A clock that is set back does not prolong the memory.
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	before = o.asked.Load()
	for _, pass := range []time.Duration{0, -time.Hour, 0} {
		now = now.Add(pass)
		if _, err := s.Ask(t.Context(), token(t, text+"6"), "", false); err != nil {
			t.Error(err)
		}
	}
	if got := o.asked.Load() - before; got != 2 {
		t.Errorf("asked %d times while the clock was set back, want 2", got)
	}

	// An error is not remembered.
	o.answer.Store("503!")
	for range 2 {
		if _, err := s.Ask(t.Context(), token(t, text+"4"), "", false); err == nil {
			t.Error("status 503 is no error")
		}
	}
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	if _, err := s.Ask(t.Context(), token(t, text+"4"), "", false); err != nil {
		t.Error(err)
	}

	o.hold = make(chan struct{})
	before = o.asked.Load()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Ask(t.Context(), token(t, text+"5"), "", false); err != nil {
				t.Error(err)
			}
		})
	}
	for o.asked.Load() == before {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // until the others wait
	close(o.hold)
	wg.Wait()
	if got := o.asked.Load() - before; got != 1 {
		t.Errorf("20 at once asked %d times", got)
	}
}

// A key that is refused later is no longer remembered as valid.
func TestRefusalsPushOutNoKeys(t *testing.T) {
	o := newOther(t)
	s := open(t, o, nil)
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	ask := func(text string, fresh bool) apikey.Code {
		v, err := s.Ask(t.Context(), token(t, text), "", fresh)
		if err != nil {
			t.Fatal(err)
		}
		return v.Code
	}
	ask(text, false)
	o.answer.Store(`{"valid":false}`)
	for i := range 300 { // the memory holds 100
		ask(fmt.Sprintf("garbage-%08d", i), false)
	}
	before := o.asked.Load()
	if code := ask(text, false); code != apikey.CodeValid || o.asked.Load() != before {
		t.Errorf("%s, asked %d times", code, o.asked.Load()-before)
	}
	for _, fresh := range []bool{true, false} {
		if code := ask(text, fresh); code != apikey.CodeUnknown {
			t.Errorf("refused when it was asked anew, fresh %v: %s", fresh, code)
		}
	}
}

func TestLimitsOfTheServiceArePassedOn(t *testing.T) {
	o := newOther(t)
	now := time.Unix(1_800_000_000, 5e8)
	for _, c := range []struct {
		answer      string // the members after valid
		code        apikey.Code
		id          string
		limit, left int64
		// reset and after are in seconds. reset counts from the second of the request.
		reset, after int64
	}{
		{`"code":"rate_limited","keyId":"k7","userId":"u1","error":"Wait \"a\" while","retryAfter":4,
			"rateLimit":{"requests":5,"window":10,"remaining":0,"reset":1800000009}`,
			apikey.CodeRateLimited, "upstream-k7", 5, 0, 9, 4},
		{`"code":"rate_limited","userId":"u1","rateLimit":{"requests":5,"window":10,"reset":1800000009}`,
			apikey.CodeRateLimited, "upstream-u1", 5, 0, 9, 9},
		{`"code":"rate_limited","userId":"u1","unlimited":true`, apikey.CodeRateLimited, "upstream-u1", 60, 0, 2, 2},
		{`"code":"rate_limited"`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 2, 2},
		{`"code":"rate_limited","retryAfter":0.2`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 2, 1},
		{`"code":"rate_limit_exceeded","retryAfter":30`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 31, 30},
		{`"code":"quota_exceeded","userId":"u1","retryAfter":864000`,
			apikey.CodeQuotaExceeded, "upstream-u1", 60, 0, 864001, 864000},
		{`"code":"insufficient_quota","retryAfter":1`, apikey.CodeQuotaExceeded, "upstream-unnamed", 60, 0, 2, 1},
		// A wait is at most 31 days, also if it is longer than a time.Duration can be.
		{`"code":"quota_exceeded","retryAfter":1e10`, apikey.CodeQuotaExceeded, "upstream-unnamed", 60, 0, 2678401, 2678400},
		{`"code":"quota_exceeded","retryAfter":1e11,"rateLimit":{"requests":1,"window":1,"reset":1e12}`,
			apikey.CodeQuotaExceeded, "upstream-unnamed", 60, 0, 2678401, 2678400},
		// Values that cannot be used count as missing.
		{`"code":"rate_limited","retryAfter":-5,"userId":"u1",
			"rateLimit":{"requests":7,"window":1,"remaining":99,"reset":1}`,
			apikey.CodeRateLimited, "upstream-u1", 7, 7, 2, 2},
		{`"code":"rate_limited","retryAfter":"soon",
			"rateLimit":{"requests":7,"window":1,"reset":"2031-01-31T12:00:00Z"}`,
			apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 2, 2},
	} {
		o.answer.Store(`{"valid":false,` + c.answer + `}`)
		s := open(t, o, func(options *upstream.Options) { options.Now = func() time.Time { return now } })
		v, err := s.Ask(t.Context(), token(t, text), "", false)
		if err != nil || v.Code != c.code || v.Key == nil || v.Key.ID != c.id || v.Key.Unlimited {
			t.Errorf("%s: %s, %+v, %v; want %s of %s", c.answer, v.Code, v.Key, err, c.code, c.id)
			continue
		}
		limit, left, reset := v.Status.Limit, v.Status.Remaining, v.Status.Reset.Unix()-now.Unix()
		after := time.Duration(c.after) * time.Second
		if limit != c.limit || left != c.left || reset != c.reset || v.RetryAfter != after {
			t.Errorf("%s: %d of %d left, reset after %d s, retry after %v; want %d of %d, %d s, %v",
				c.answer, left, limit, reset, v.RetryAfter, c.left, c.limit, c.reset, after)
		}
		// API Gateway writes the message into JSON unescaped.
		if strings.ContainsAny(v.Message(), "\"\\") || !strings.Contains(v.Message(), "Try again in") {
			t.Errorf("%s: message %q", c.answer, v.Message())
		}
	}
}

// panicking is a transport that panics.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a bug") }

// The process must survive, and later callers must not wait for the panicked request.
func TestPanicIsAnError(t *testing.T) {
	o := newOther(t)
	s := open(t, o, func(options *upstream.Options) { options.Transport = panicking{} })
	for range 2 {
		if v, err := s.Ask(t.Context(), token(t, text), "", false); err == nil {
			t.Errorf("%s", v.Code)
		}
	}
}

// A token with a public key, with another public key and without one are three questions.
func TestAnswersAreForATokenAndItsPublicKey(t *testing.T) {
	o := newOther(t)
	s := open(t, o, nil)
	for _, c := range []struct{ public, answer, want string }{
		{"pk_theirs", `{"valid":true,"userId":"u1"}`, "valid"},
		{"pk_another", `{"valid":false}`, "unknown_key"},
		{"", `{"valid":false,"code":"revoked_key"}`, "revoked_key"},
		// From memory:
		{"pk_theirs", "", "valid"},
		{"pk_another", "", "unknown_key"},
		{"", "", "revoked_key"},
	} {
		o.answer.Store(c.answer)
		if v, err := s.Ask(t.Context(), token(t, text), c.public, false); err != nil || string(v.Code) != c.want {
			t.Errorf("%q: %s, %v; want %s", c.public, v.Code, err, c.want)
		}
	}
}

func TestFirstCallerMayGoAway(t *testing.T) {
	o := newOther(t)
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	o.hold = make(chan struct{})
	s := open(t, o, func(options *upstream.Options) { options.Timeout = time.Minute })
	first, hangUp := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	ask := func(ctx context.Context) {
		_, err := s.Ask(ctx, token(t, text), "", false)
		answers <- err
	}
	go ask(first)
	for o.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	go ask(t.Context())
	time.Sleep(50 * time.Millisecond) // until the second caller waits
	hangUp()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller who went away: %v", err)
	}
	close(o.hold)
	if err := <-answers; err != nil || o.asked.Load() != 1 {
		t.Errorf("the caller who waited: %v, asked %d times", err, o.asked.Load())
	}
}

// Instances remember answers of different age. A meter takes the limit of the newest one.
func TestNewerAnswersHaveHigherRevisions(t *testing.T) {
	o := newOther(t)
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	now := time.Unix(1_800_000_000, 0)
	s := open(t, o, func(options *upstream.Options) { options.Now = func() time.Time { return now } })
	before := int64(-1)
	for range 3 {
		v, err := s.Ask(t.Context(), token(t, text), "", true)
		if err != nil || v.Key.Terms().Rev <= before {
			t.Fatalf("%+v after revision %d, %v", v.Key, before, err)
		}
		before, now = v.Key.Terms().Rev, now.Add(time.Second)
	}
}

// Errors of net/http quote malformed answers. Such an answer could repeat the token.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	for _, answer := range []string{
		text + "\r\n\r\n",
		"HTTP/1.1 " + text + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + text + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + text + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + text + "\r\n\r\n",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(connection, answer)
			_ = connection.Close()
		}))
		s := open(t, &other{url: server.URL}, nil)
		if v, err := s.Ask(t.Context(), token(t, text), "", false); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%q: %s, %v", answer, v.Code, err)
		}
		server.Close()
	}
}

func TestTimeoutIsAnError(t *testing.T) {
	o := newOther(t)
	o.answer.Store(`{"valid":true,"userId":"u1"}`)
	o.hold = make(chan struct{})
	defer close(o.hold)
	s := open(t, o, func(options *upstream.Options) { options.Timeout = 50 * time.Millisecond })
	if v, err := s.Ask(t.Context(), token(t, text), "", false); err == nil {
		t.Errorf("%s", v.Code)
	}
	gone := open(t, o, func(options *upstream.Options) { options.URL = "http://127.0.0.1:1" })
	if v, err := gone.Ask(t.Context(), token(t, text), "", false); err == nil || strings.Contains(err.Error(), text) {
		t.Errorf("%s, %v", v.Code, err)
	}
}
