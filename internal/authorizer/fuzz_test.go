package authorizer_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/gate"
)

var discard = slog.New(slog.DiscardHandler)

// oneToken is a gate that knows one token, whose key has no scope.
type oneToken struct{}

func (oneToken) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	switch c := r.Credential; {
	case c.Missing():
		return apikey.Verdict{Code: apikey.CodeMissing}, nil
	case c.Code() != "" || c.Token().Reveal() != token:
		return apikey.Verdict{Code: apikey.CodeUnknown}, nil
	case r.Scope != "":
		return apikey.Verdict{Code: apikey.CodeInsufficientScope}, nil
	}
	return apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{ID: "k", UserID: "u", Unlimited: true}}, nil
}

// panics is a log that remembers whether the authorizer caught a panic.
type panics struct {
	slog.Handler
	seen *bool
}

func (panics) Enabled(context.Context, slog.Level) bool { return true }

func (p panics) Handle(_ context.Context, r slog.Record) error {
	*p.seen = *p.seen || r.Message == "panic"
	return nil
}

// anyEvent is an event of any shape, as encoding/json reads it. A member that comes twice has its last
// value.
type anyEvent struct {
	Version, Type, MethodArn, RouteArn, AuthorizationToken string

	Path, RawPath                   string
	RequestContext                  struct{ Stage string }
	Headers, QueryStringParameters  map[string]any
	MultiValueHeaders               map[string]any
	MultiValueQueryStringParameters map[string]any
}

// A mutated event of any shape never makes a panic, and is never allowed what its request would not get: without the token
// only a public path, and no path that needs a scope in the eyes of the most lenient backend.
func FuzzShapes(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "..", "events", "authorizer-*.json"))
	if err != nil || len(files) < 7 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		event := strings.ReplaceAll(string(read(f, filepath.Base(file))), "sk_live_REPLACE_ME", token)
		f.Add([]byte(event))
		f.Add([]byte(strings.ReplaceAll(event, "v1/models", "docs/%2e%2e/closed")))
		f.Add([]byte(strings.ReplaceAll(event, token, "")))
	}
	panicked := false
	a := authorizer.New(authorizer.Options{Door: admission.New(admission.Options{
		Gate: oneToken{}, Format: newFormat(f), Logger: slog.New(panics{slog.DiscardHandler, &panicked}), QueryAPIKey: true,
		Routes: rules(f, "/closed=admin;/closed/*=admin;*="), Public: paths(f, "/docs/*"),
	})})
	f.Fuzz(func(t *testing.T, event []byte) {
		answer, err := a.Invoke(t.Context(), event)
		if panicked {
			t.Fatalf("a panic: %s", event)
		}
		if err != nil {
			if answer != nil {
				t.Errorf("%s: both %s and %v", event, answer, err)
			}
			return
		}
		var e anyEvent
		if json.Unmarshal(event, &e) != nil {
			return // a value of another type in a member that is not used
		}
		at := e.path()
		for _, open := range []string{at, unescapedTwice(at)} {
			if clean := path.Clean("/" + strings.ToLower(open)); clean == "/closed" || strings.HasPrefix(clean, "/closed/") {
				t.Errorf("%q is allowed: %s", at, event)
			}
		}
		anonymous := strings.Contains(string(answer), `"userId":"anonymous"`)
		if anonymous && !strings.Contains(at, "/docs/") { // a mapping of a domain may come before it
			t.Errorf("%q is public: %s", at, event)
		}
		if !anonymous && !strings.Contains(unquoted(event), token) {
			t.Errorf("it is allowed without the token: %s", event)
		}
		for _, all := range []map[string]any{e.Headers, e.MultiValueHeaders} {
			for name := range all {
				if strings.EqualFold(name, "X-User-Id") && e.Type != "TOKEN" {
					t.Errorf("it is allowed with %s: %s", name, event)
				}
			}
		}
	})
}

// path returns the path that a backend gets: decoded in HTTP APIs, and without a stage.
func (e *anyEvent) path() string {
	switch e.Version {
	case "1.0":
		return strings.TrimPrefix(e.Path, "/"+e.RequestContext.Stage)
	case "2.0":
		return strings.TrimPrefix(e.RawPath, "/"+e.RequestContext.Stage)
	}
	parts := strings.SplitN(e.MethodArn, "/", 4)
	if len(parts) < 4 {
		return "/"
	}
	if plain, err := url.PathUnescape("/" + parts[3]); err == nil {
		return plain
	}
	return "/" + parts[3]
}

func unescapedTwice(text string) string {
	for range 2 {
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
	}
	return text
}

// unquoted returns all strings of a JSON text.
func unquoted(event []byte) string {
	var all strings.Builder
	decoder := json.NewDecoder(strings.NewReader(string(event)))
	for {
		part, err := decoder.Token()
		if err != nil {
			return all.String()
		}
		if text, ok := part.(string); ok {
			all.WriteString(text + "\n")
		}
	}
}
