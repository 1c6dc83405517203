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

	"latchkey/internal/apikey"
	"latchkey/internal/upstream"
)

// other is a key service of somebody else's.
type other struct {
	url    string
	asked  atomic.Int64
	answer atomic.Value // of string: the body; a status before it where it is not 200
	last   atomic.Value // of string: what was asked
	path   atomic.Value
	hold   chan struct{}
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

func TestWhatTheOtherServiceSays(t *testing.T) {
	o := newOther(t)
	for _, c := range []struct {
		name, answer string
		want         string // code, id, user, scopes, limit; or "error"
	}{
		{"all there is", `{"valid":true,"code":"valid","keyId":"k7","userId":"u1","name":"n","scopes":["tts","keys:admin","keys:read","BAD SCOPE"],"rateLimit":{"requests":5,"window":10,"remaining":4}}`,
			"valid upstream-k7 u1 [tts] 5/10s"},
		{"the least", `{"valid":true,"userId":42}`, "valid upstream-42 42 [] 60/1m0s"},
		{"nulls", `{"valid":true,"keyId":null,"name":"n","scopes":null,"rateLimit":null,"expiresAt":null}`, "valid upstream-n n [] 60/1m0s"},
		{"unlimited", `{"valid":true,"keyId":"k","rateLimit":{"requests":999999,"window":60},"unlimited":true}`, "valid upstream-k k [] unlimited"},
		{"refused", `{"valid":false,"code":"expired_key","error":"Your key ended\nyesterday"}`, "expired_key Your key endedyesterday"},
		{"refused in words of its own", `{"valid":false,"code":"nope","error":"Nope"}`, "unknown_key Nope"},
		{"refused for a scope", `{"valid":false,"code":"insufficient_scope","error":"Not yours"}`, "insufficient_scope Not yours"},
		{"refused in capitals", `{"valid":false,"code":"DISABLED_KEY"}`, "disabled_key Invalid or revoked API key"},
		{"refused without a key", `{"valid":false,"code":"missing_key"}`, "unknown_key Invalid or revoked API key"},
		{"refused, with text that runs backwards", `{"valid":false,"error":"No\u202e\u2028\u200b."}`, "unknown_key No."},
		{"not decided", `{"valid":false,"code":"unavailable"}`, "error"},
		{"a contradiction", `{"valid":true,"code":"revoked_key","userId":"u1"}`, "error"},
		{"the other contradiction", `{"valid":false,"code":"valid","userId":"u1"}`, "error"},
		{"valid in capitals", `{"valid":true,"code":"VALID","userId":"u1"}`, "valid upstream-u1 u1 [] 60/1m0s"},
		{"an id that would forge a log", `{"valid":true,"keyId":"k | GET /admin | 200 \"x\"\\","userId":"u1"}`,
			"valid upstream-k%20%7C%20GET%20/admin%20%7C%20200%20%22x%22%5C u1 [] 60/1m0s"},
		{"an id of other letters", `{"valid":true,"name":"Zoë 100%"}`, "valid upstream-Zo%C3%AB%20100%25 Zoë 100% [] 60/1m0s"},
		{"an id with a new line", `{"valid":true,"keyId":"k\nx","userId":"u1"}`, "error"},
		{"a name that hides", `{"valid":true,"userId":"u1","name":"a\u200bb"}`, "error"},
		{"numbers that are texts", `{"valid":true,"userId":"u1","rateLimit":{"requests":5,"window":10,"remaining":"many","reset":"2031-01-31T12:00:00Z"},"retryAfter":"soon"}`,
			"valid upstream-u1 u1 [] 5/10s"},
		{"refused without a word", `{"valid":false}`, "unknown_key Invalid or revoked API key"},
		{"a long sentence", `{"valid":false,"error":"` + strings.Repeat("ä", 300) + `"}`, "unknown_key " + strings.Repeat("ä", 200)},
		{"another status", `500!{"valid":true,"userId":"u1"}`, "error"},
		{"a redirect", `307!`, "error"},
		{"no JSON", `<html>`, "error"},
		{"no verdict", `{"userId":"u1"}`, "error"},
		{"nobody's", `{"valid":true}`, "error"},
		{"a limit of nothing", `{"valid":true,"userId":"u1","rateLimit":{"requests":0,"window":60}}`, "error"},
		{"a window of years", `{"valid":true,"userId":"u1","rateLimit":{"requests":1,"window":99999999999999}}`, "error"},
		{"a control character", `{"valid":true,"userId":"u\u00001"}`, "error"},
		{"a user that reads backwards", `{"valid":true,"userId":"u\u202e1"}`, "error"},
		{"a user who needs no key", `{"valid":true,"userId":"Anonymous"}`, "error"},
		{"another deployment's own user", `{"valid":true,"userId":"latchkey:admin"}`, "valid upstream-latchkey:admin latchkey:admin [] 60/1m0s"},
		{"as many scopes as a key may have", `{"valid":true,"userId":"u1","scopes":["keys:read","` + strings.Repeat(`s","`, 49) + `s"]}`,
			"valid upstream-u1 u1 [" + strings.TrimSpace(strings.Repeat("s ", 50)) + "] 60/1m0s"},
		{"more scopes than a key may have", `{"valid":true,"userId":"u1","scopes":["` + strings.Repeat(`s","`, 50) + `s"]}`, "error"},
		{"a name without end", `{"valid":true,"userId":"` + strings.Repeat("u", 300) + `"}`, "error"},
		{"an expiry that is none", `{"valid":true,"userId":"u1","expiresAt":"soon"}`, "error"},
	} {
		o.answer.Store(c.answer)
		v, err := open(t, o, nil).Ask(t.Context(), token(t, text), "", false)
		got := string(v.Code) + " " + v.Message()
		if err != nil {
			got = "error"
			if strings.Contains(err.Error(), text) {
				t.Errorf("%s: the error tells the token: %v", c.name, err)
			}
		} else if k := v.Key; k != nil {
			limit := fmt.Sprintf("%d/%v", k.Limit.Requests, k.Limit.Window)
			if k.Unlimited {
				limit = "unlimited"
			}
			got = fmt.Sprintf("%s %s %s %v %s", v.Code, k.ID, k.UserID, k.Scopes, limit)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestATimeWithoutAZoneIsUTC(t *testing.T) {
	o := newOther(t)
	for _, text := range []string{"2031-01-31T12:00:00.250", "2031-01-31T12:00:00.25Z", "2031-01-31T14:00:00.25+02:00"} {
		o.answer.Store(`{"valid":true,"userId":"u1","expiresAt":"` + text + `"}`)
		v, err := open(t, o, nil).Ask(t.Context(), token(t, "a-token-of-the-other-service"), "", false)
		if err != nil || !v.Key.ExpiresAt.Equal(time.Date(2031, 1, 31, 12, 0, 0, 250e6, time.UTC)) {
			t.Errorf("%s: %v, %v", text, v.Key, err)
		}
	}
}

func TestItIsAskedOnTheValidateRoute(t *testing.T) {
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
	if err := json.Unmarshal([]byte(o.last.Load().(string)), &asked); err != nil || len(asked) != 2 || asked["apiKey"] != text || asked["publicKey"] != "pk_x" {
		t.Errorf("asked %v, %v", asked, err)
	}
}

func TestAnswersAreRememberedAndQuestionsAskedOnce(t *testing.T) {
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

	// A refusal is remembered for a second, whatever it is about.
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
		if v, err := s.Ask(t.Context(), token(t, text+"3"), "", false); err != nil || v.Code != c.want || o.asked.Load()-before != c.asked {
			t.Errorf("step %d: %s, %v, asked %d times; want %s, %d", i, v.Code, err, o.asked.Load()-before, c.want, c.asked)
		}
	}

	// Nor is one remembered for longer because the clock is set back.
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

	// No answer is not remembered.
	o.answer.Store("503!")
	for range 2 {
		if _, err := s.Ask(t.Context(), token(t, text+"4"), "", false); err == nil {
			t.Error("503 is an answer")
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
	time.Sleep(50 * time.Millisecond) // for the others to come
	close(o.hold)
	wg.Wait()
	if got := o.asked.Load() - before; got != 1 {
		t.Errorf("20 at once asked %d times", got)
	}
}

// Refusals do not push out keys, and a key that is refused is not remembered as one.
func TestGarbagePushesOutNoKey(t *testing.T) {
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
	for i := range 300 { // three times as many as are remembered
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

func TestALimitThereIsALimitHere(t *testing.T) {
	o := newOther(t)
	now := time.Unix(1_800_000_000, 5e8)
	for _, c := range []struct {
		name, answer string
		code         apikey.Code
		id           string
		limit, left  int64
		reset, after time.Duration // from the second in which it is asked
	}{
		{"all there is", `{"valid":false,"code":"rate_limited","keyId":"k7","userId":"u1","error":"Wait \"a\" while","rateLimit":{"requests":5,"window":10,"remaining":0,"reset":1800000009},"retryAfter":4}`,
			apikey.CodeRateLimited, "upstream-k7", 5, 0, 9, 4},
		{"nothing else", `{"valid":false,"code":"rate_limited"}`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 2, 2},
		{"when to come back", `{"valid":false,"code":"rate_limit_exceeded","retryAfter":30}`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 31, 30},
		{"when it ends", `{"valid":false,"code":"rate_limited","userId":"u1","rateLimit":{"requests":5,"window":10,"reset":1800000009}}`, apikey.CodeRateLimited, "upstream-u1", 5, 0, 9, 9},
		{"a part of a second", `{"valid":false,"code":"rate_limited","retryAfter":0.2}`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 2, 1},
		{"a quota", `{"valid":false,"code":"quota_exceeded","userId":"u1","retryAfter":864000}`, apikey.CodeQuotaExceeded, "upstream-u1", 60, 0, 864001, 864000},
		{"a quota by its public name", `{"valid":false,"code":"insufficient_quota","retryAfter":1}`, apikey.CodeQuotaExceeded, "upstream-unnamed", 60, 0, 2, 1},
		{"for ever", `{"valid":false,"code":"quota_exceeded","retryAfter":1e11,"rateLimit":{"requests":1,"window":1,"reset":1e12}}`, apikey.CodeQuotaExceeded, "upstream-unnamed", 60, 0, 2678401, 2678400},
		{"longer than a duration can be", `{"valid":false,"code":"quota_exceeded","retryAfter":1e10}`, apikey.CodeQuotaExceeded, "upstream-unnamed", 60, 0, 2678401, 2678400},
		{"a time that is over", `{"valid":false,"code":"rate_limited","retryAfter":-5,"userId":"u1","rateLimit":{"requests":7,"window":1,"remaining":99,"reset":1}}`, apikey.CodeRateLimited, "upstream-u1", 7, 7, 2, 2},
		{"texts", `{"valid":false,"code":"rate_limited","retryAfter":"soon","rateLimit":{"requests":7,"window":1,"reset":"2031-01-31T12:00:00Z"}}`, apikey.CodeRateLimited, "upstream-unnamed", 60, 0, 2, 2},
		{"an unlimited one", `{"valid":false,"code":"rate_limited","userId":"u1","unlimited":true}`, apikey.CodeRateLimited, "upstream-u1", 60, 0, 2, 2},
	} {
		o.answer.Store(c.answer)
		s := open(t, o, func(options *upstream.Options) { options.Now = func() time.Time { return now } })
		v, err := s.Ask(t.Context(), token(t, text), "", false)
		if err != nil || v.Code != c.code || v.Key == nil || v.Key.ID != c.id || v.Key.Unlimited {
			t.Errorf("%s: %s, %+v, %v; want %s of %s", c.name, v.Code, v.Key, err, c.code, c.id)
			continue
		}
		reset := time.Duration(v.Status.Reset.Unix() - now.Unix())
		if v.Status.Limit != c.limit || v.Status.Remaining != c.left || reset != c.reset || v.RetryAfter != c.after*time.Second {
			t.Errorf("%s: %d of %d left until %d, retry after %v; want %d of %d, %d, %d s", c.name, v.Status.Remaining, v.Status.Limit, reset, v.RetryAfter, c.left, c.limit, c.reset, c.after)
		}
		if strings.ContainsAny(v.Message(), "\"\\") || !strings.Contains(v.Message(), "Try again in") {
			t.Errorf("%s: %q would not stay JSON", c.name, v.Message())
		}
	}
}

// panicking is a network that panics.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a bug") }

// The process goes on, and so does the service.
func TestAPanicIsNoAnswer(t *testing.T) {
	o := newOther(t)
	s := open(t, o, func(options *upstream.Options) { options.Transport = panicking{} })
	for range 2 {
		if v, err := s.Ask(t.Context(), token(t, text), "", false); err == nil {
			t.Errorf("%s", v.Code)
		}
	}
}

// A pair is one question, and whichever half was asked about alone is another.
func TestAnAnswerIsAboutThePairThatWasAskedAbout(t *testing.T) {
	o := newOther(t)
	s := open(t, o, nil)
	for _, c := range []struct{ public, answer, want string }{
		{"pk_theirs", `{"valid":true,"userId":"u1"}`, "valid"}, {"pk_another", `{"valid":false}`, "unknown_key"}, {"", `{"valid":false,"code":"revoked_key"}`, "revoked_key"},
		{"pk_theirs", "", "valid"}, {"pk_another", "", "unknown_key"}, {"", "", "revoked_key"}, // from memory
	} {
		o.answer.Store(c.answer)
		if v, err := s.Ask(t.Context(), token(t, text), c.public, false); err != nil || string(v.Code) != c.want {
			t.Errorf("%q: %s, %v; want %s", c.public, v.Code, err, c.want)
		}
	}
}

func TestWhoeverAskedFirstMayHangUp(t *testing.T) {
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
	time.Sleep(50 * time.Millisecond) // for the other to come
	hangUp()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Errorf("who hung up: %v", err)
	}
	close(o.hold)
	if err := <-answers; err != nil || o.asked.Load() != 1 {
		t.Errorf("who waited: %v, asked %d times", err, o.asked.Load())
	}
}

// Environments remember answers of different age. A meter goes by the newest.
func TestTermsThatWereHeardOfLaterCount(t *testing.T) {
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

// What an answer that is not HTTP holds is quoted by Go's own errors.
func TestWhatIsNoAnswerAtAllIsNotQuoted(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 " + text + "\r\n\r\n", "HTTP/1.1 200 OK\r\n" + text + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: " + text + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + text + "\r\n\r\n", text + "\r\n\r\n",
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

func TestNoAnswerInTimeIsNoVerdict(t *testing.T) {
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
