package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi"
	"latchkey/internal/registry"
)

// bothWays are two handlers with the same options: one with shortcuts, and one that has huma answer
// every request.
type bothWays struct {
	short, general       http.Handler
	shortLog, generalLog bytes.Buffer
	judged               []gate.Request // by the gate that stands before the real one
}

func newBothWays(o httpapi.Options) *bothWays {
	b := new(bothWays)
	o.Gate = &watched{o.Gate, &b.judged}
	o.Logger = logTo(&b.shortLog)
	b.short = httpapi.New(o)
	o.Logger = logTo(&b.generalLog)
	b.general = httpapi.NewWithoutShortcuts(o)
	return b
}

// logTo returns a logger whose lines have no time.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// watched notes what a gate is asked.
type watched struct {
	httpapi.Checker
	asked *[]gate.Request
}

func (w *watched) Check(ctx context.Context, r gate.Request) (apikey.Verdict, error) {
	*w.asked = append(*w.asked, r)
	return w.Checker.Check(ctx, r)
}

// same sends a request both ways. It fails unless status, headers, body, log and what the gate is
// asked are equal. make is called once for each way.
func (b *bothWays) same(t rapid.TB, what string, make func() *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	var answers [2]*httptest.ResponseRecorder
	var asked [2][]gate.Request
	b.shortLog.Reset()
	b.generalLog.Reset()
	for i, h := range []http.Handler{b.short, b.general} {
		b.judged = nil
		answers[i] = httptest.NewRecorder()
		h.ServeHTTP(answers[i], make())
		asked[i] = b.judged
	}
	short, general := answers[0], answers[1]
	if short.Code != general.Code || short.Body.String() != general.Body.String() ||
		!reflect.DeepEqual(short.Header(), general.Header()) {
		t.Errorf("%s: the shortcut answers\n%d %v\n%s\nand huma\n%d %v\n%s", what, short.Code, short.Header(), short.Body,
			general.Code, general.Header(), general.Body)
	}
	if !cmp.Equal(asked[0], asked[1], cmp.Exporter(func(reflect.Type) bool { return true })) {
		t.Errorf("%s: the gate is asked %d and %d times, or otherwise", what, len(asked[0]), len(asked[1]))
	}
	if b.shortLog.String() != b.generalLog.String() {
		t.Errorf("%s: the shortcut logs\n%sand huma\n%s", what, &b.shortLog, &b.generalLog)
	}
	return general
}

// tokenOf makes a key and returns its token.
func (s *service) tokenOf(fields string) string {
	s.t.Helper()
	a := s.send(s.caller("root", apikey.ScopeAdmin), "POST", keys, fields)
	if a.status != 201 {
		s.t.Fatalf("create %s: %d %s", fields, a.status, a.text)
	}
	return a.json["key"].(string)
}

// validateOf makes a validate request of a body and headers.
func validateOf(body string, headers ...string) func() *http.Request {
	return func() *http.Request {
		r := httptest.NewRequest("POST", keys+"/validate", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			if value == "none" {
				r.Header.Del(name)
				continue
			}
			r.Header.Add(name, value)
			if name == "Content-Type" {
				r.Header[name] = []string{value}
			}
		}
		return arriving(r, httpapi.Principal{})
	}
}

func arriving(r *http.Request, p httpapi.Principal) *http.Request {
	return r.WithContext(httpapi.WithArrival(r.Context(), &httpapi.Arrival{
		Caller: p, Method: r.Method, Resource: r.URL.Path, Path: r.URL.Path, Peer: "203.0.113.7",
		RequestID: "r1", ID: slog.String("requestId", "r1"), Time: noon,
	}))
}

// The answers to validate must not depend on the shortcut. The table has well-formed bodies, ill-formed ones, and
// each length at which one becomes the other.
func TestTheShortcutOfValidateAnswersAsHuma(t *testing.T) {
	s := newService(t)
	b := newBothWays(s.api)
	valid := s.tokenOf(`{}`)
	tokens := []string{"not-a-token", "sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"}
	for _, fields := range []string{
		`{"unlimited":true}`, `{"quota":{"requests":5,"period":"lifetime"},"scopes":["tts"]}`, `{"quota":{"requests":5,"period":"month"}}`,
		`{"limits":[{"amount":5,"window":60}],"rateLimit":{"requests":1,"window":1}}`, `{"allowedCidrs":["10.0.0.0/8"]}`, `{"enabled":false}`,
		`{"name":"<é> & \"ü\" \u2028","metadata":{"z":"<\u2028>","a":"b"},"expiresAt":"2026-12-01T00:00:00Z"}`, `{"notBefore":"2027-01-01T00:00:00Z"}`,
	} {
		tokens = append(tokens, s.tokenOf(fields))
	}
	spent := s.tokenOf(`{"rateLimit":{"requests":1,"window":60}}`)
	s.validate(spent)
	for _, token := range append(tokens, valid, spent) {
		if a := b.same(t, token, validateOf(`{"apiKey":"`+token+`","cost":0}`)); a.Code != 200 {
			t.Errorf("%s: %d %s", token, a.Code, a.Body)
		}
	}
	b.same(t, "a spent key", validateOf(`{"apiKey":"`+spent+`","cost":1}`))
	s.api.Gate = unknowing{} // or else each request reads the table
	b = newBothWays(s.api)
	for _, body := range validateBodies {
		if strings.Contains(body, "%") {
			body = fmt.Sprintf(body, valid)
		}
		b.same(t, body, validateOf(body))
	}
	for n := range 140 {
		for _, field := range []string{"scope", "sourceIp", "publicKey", "apiKey"} {
			body := fmt.Sprintf(`{"apiKey":"%s","%s":"%s"}`, valid, field, strings.Repeat("a", n))
			if field == "apiKey" {
				body = fmt.Sprintf(`{"apiKey":"%s"}`, strings.Repeat("a", n))
			}
			b.same(t, body, validateOf(body))
		}
	}
	for _, n := range []int{4000, 4096, 4097, 5000, 65535, 65536, 65537, 100_000} {
		body := `{"apiKey":"` + valid + `"}`
		for _, long := range []string{body + strings.Repeat(" ", n-len(body)), `{"apiKey":"` + strings.Repeat("a", n-13) + `"}`} {
			b.same(t, fmt.Sprint(n, " bytes"), validateOf(long))
		}
	}
	for _, headers := range [][]string{
		{"Content-Type: none"}, {"Content-Type: text/plain"}, {"Content-Type: Application/JSON; charset=utf-8"},
		{"Content-Type: application/problem+json"}, {"Content-Type: application/merge-patch+json"}, {"Content-Type: ;"},
		{"Accept: text/html"}, {"Accept: application/cbor, */*;q=0.1"}, {"Accept: *;q=0"}, {"Idempotency-Key: a"}, {"Idempotency-Key: "},
		{"Idempotency-Key: a", "Idempotency-Key: b"}, {"If-Match: x"}, {"If-None-Match: *"}, {"X-Forwarded-For: 192.0.2.9"},
		{"Content-Encoding: gzip"}, {"Origin: https://example.com"}, {"X-HTTP-Method-Override: DELETE"}, {"Range: bytes=0-1"},
	} {
		for _, body := range []string{`{"apiKey":"` + valid + `"}`, `{"apiKey":1}`, ``} {
			b.same(t, fmt.Sprint(headers, body), validateOf(body, headers...))
		}
	}
}

// Requests whose target is not plain, or whose body ends early or has no length, are answered as by huma.
func TestUnusualRequestsAreAnsweredAsByHuma(t *testing.T) {
	s := newService(t)
	b := newBothWays(s.api)
	token := s.tokenOf(`{}`)
	body := `{"apiKey":"` + token + `"}`
	for _, target := range []string{
		"POST " + keys + "/validate?", "POST " + keys + "/validate?a=b", "POST " + keys + "/validate?api_key=x", "POST " + keys + "/validate?%zz",
		"POST " + keys + "/validate/", "POST " + keys + "//validate", "POST /api/v1/api-keys/%76alidate", "POST /api/v1/./api-keys/validate",
		"GET " + keys + "/validate", "HEAD " + keys + "/validate", "PUT " + keys + "/validate", "OPTIONS " + keys + "/validate", "post " + keys + "/validate",
		"GET /api/v1/whoami", "HEAD /api/v1/whoami", "POST /api/v1/whoami", "GET /api/v1/whoami/", "GET /api/v1/WHOAMI", "GET /api/v1/whoami?",
		"GET /api/v1/whoami?include=grants", "GET /api/v1/whoami?include=", "GET /api/v1/whoami?include=x", "GET /api/v1/whoami?a", "GET /api/v1/who%61mi",
	} {
		method, path, _ := strings.Cut(target, " ")
		for _, p := range []httpapi.Principal{{}, {KeyID: "k1", UserID: "u1"}} {
			b.same(t, target, func() *http.Request {
				r := httptest.NewRequest("POST", path, strings.NewReader(body))
				r.Method = method
				r.Header.Set("Content-Type", "application/json")
				return arriving(r, p)
			})
		}
	}
	for what, change := range map[string]func(*http.Request){
		"no length":             func(r *http.Request) { r.ContentLength = -1 },
		"no body":               func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 },
		"a body without length": func(r *http.Request) { r.ContentLength = 0 },
		"a length beyond":       func(r *http.Request) { r.ContentLength++ },
		"an error":              func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(errors.New("canary"))) },
		"an error in the body": func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:9]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		},
		"an error that is told once": func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(&once{Reader: strings.NewReader(body), err: io.ErrUnexpectedEOF}), r.ContentLength+1
		},
		"an error with the last byte": func(r *http.Request) {
			r.Body = io.NopCloser(iotest.DataErrReader(&once{Reader: strings.NewReader(body), err: io.ErrUnexpectedEOF}))
		},
		"a timeout":    func(r *http.Request) { r.Body = io.NopCloser(&once{Reader: strings.NewReader(body[:5]), err: slow{}}) },
		"byte by byte": func(r *http.Request) { r.Body = io.NopCloser(iotest.OneByteReader(strings.NewReader(body))) },
		"data with the end": func(r *http.Request) {
			r.Body = io.NopCloser(iotest.DataErrReader(strings.NewReader(body)))
		},
	} {
		a := b.same(t, what, func() *http.Request {
			r := validateOf(body)()
			change(r)
			return r
		})
		if good := !strings.Contains(what, "error") && what != "a timeout" && what != "no body"; good != (a.Code == 200) {
			t.Errorf("%s: %d %s", what, a.Code, a.Body)
		}
	}
}

// once is a reader that returns an error at its end, and then no more.
type once struct {
	io.Reader
	err error
}

func (o *once) Read(b []byte) (int, error) {
	n, err := o.Reader.Read(b)
	if err == io.EOF {
		if o.err != nil {
			err, o.err = o.err, nil
		}
	}
	return n, err
}

// slow is the error of a client that sends too slowly.
type slow struct{}

func (slow) Error() string   { return "canary" }
func (slow) Timeout() bool   { return true }
func (slow) Temporary() bool { return true }

// A gate that fails, or panics, has the same answer and the same line of the log both ways.
func TestAFailingGateIsAnsweredAsByHuma(t *testing.T) {
	for what, g := range map[string]httpapi.Checker{
		"fails": failingGate{errors.New("canary")}, "is a caller's mistake": failingGate{apikey.ErrForbidden}, "panics": panics{},
	} {
		b := newBothWays(httpapi.Options{Gate: g, Registry: &registry.Registry{}, Now: func() time.Time { return noon }})
		b.general = withoutStack(b.general, &b.generalLog)
		b.short = withoutStack(b.short, &b.shortLog)
		if a := b.same(t, what, validateOf(`{"apiKey":"a-foreign-token-of-ours"}`)); a.Code < 400 {
			t.Errorf("a gate that %s: %d %s", what, a.Code, a.Body)
		}
	}
}

// withoutStack removes the stack of a panic from a log.
func withoutStack(h http.Handler, log *bytes.Buffer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if line, stack, ok := strings.Cut(log.String(), "goroutine "); ok {
			_, end, _ := strings.Cut(stack, `" `)
			log.Reset()
			log.WriteString(line + end)
		}
	})
}

type failingGate struct{ error }

func (g failingGate) Check(context.Context, gate.Request) (apikey.Verdict, error) {
	return apikey.Verdict{}, g.error
}

// The answers to whoami must not depend on the shortcut, for every caller.
func TestTheShortcutOfWhoamiAnswersAsHuma(t *testing.T) {
	for _, edit := range []func(*service){func(*service) {}, func(s *service) { s.numbers = true }} {
		s := newService(t, edit)
		b := newBothWays(s.api)
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.SampledFrom([]string{"", "k1", `<é> & "ü"`, "a\u2028\xff\x00\\", "alice"})
			count := rapid.SampledFrom([]int64{0, 1, 59, 1795521660, -1})
			p := httpapi.Principal{
				KeyID: text.Draw(t, "key"), UserID: text.Draw(t, "user"), Name: text.Draw(t, "name"),
				Scopes: rapid.SampledFrom([]apikey.Scopes{nil, {}, {"tts"}, {"a:*", "b"}}).Draw(t, "scopes"), Environment: apikey.Live,
				Internal: rapid.Bool().Draw(t, "internal"), Unlimited: rapid.Bool().Draw(t, "unlimited"), Subject: text.Draw(t, "subject"),
				Groups: rapid.SampledFrom([][]string{nil, {"ops", "é"}}).Draw(t, "groups"),
			}
			if rapid.Bool().Draw(t, "limited") {
				p.Window = &httpapi.Window{Limit: count.Draw(t, "limit"), Remaining: count.Draw(t, "remaining"), Reset: count.Draw(t, "reset")}
				p.RateLimit = admission.RateLimit{Policy: text.Draw(t, "policy"), State: text.Draw(t, "state")}
			}
			b.same(t, fmt.Sprint(p.KeyID), func() *http.Request {
				return arriving(httptest.NewRequest("GET", "/api/v1/whoami", nil), p)
			})
		})
	}
}

// A page above the path of a shortcut answers by itself, without the headers of the API.
func TestAPageComesBeforeAShortcut(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	b := newBothWays(httpapi.Options{
		Gate: unknowing{}, Registry: &registry.Registry{}, Now: func() time.Time { return noon }, Pages: map[string]http.Handler{keys: page},
	})
	if a := b.same(t, "a page", validateOf(`{"apiKey":"t"}`)); a.Code != http.StatusTeapot || len(a.Header()) > 0 {
		t.Errorf("%d %v", a.Code, a.Header())
	}
}
