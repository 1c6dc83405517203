package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/local/engine"
	"latchkey/internal/redact"
	"latchkey/internal/smoke"
)

// smokes runs the smoke test. It returns, for the name of each check, whether it was as expected.
func smokes(ctx context.Context, t testing.TB, s *stack, at *url.URL, change func(*smoke.Options)) (map[string]bool, error) {
	t.Helper()
	checks := make(map[string]bool)
	o := smoke.Options{URL: at, Key: redact.New(s.root), QueryAPIKey: true, Console: true, DenyStatus: 429, Now: time.Now}
	o.Report = func(row smoke.Row) {
		line := row.String()
		if row.Assumption == "" || row.Assumes == "" || !strings.Contains(line, "  ["+row.Assumption) {
			t.Errorf("the row names no assumption: %s", line)
		}
		if strings.Contains(line, s.root) || regexp.MustCompile(`sk_live_[0-9A-Za-z]{32}`).MatchString(line) {
			t.Error("a key is in the report")
		}
		if row.Verdict == smoke.Differs {
			t.Log(line)
		}
		if row.Verdict != smoke.Skipped {
			checks[row.Check] = row.Verdict == smoke.OK
		}
	}
	if change != nil {
		change(&o)
	}
	return checks, smoke.Run(ctx, o)
}

// differing returns the sorted names of the checks that differ.
func differing(checks map[string]bool) []string {
	var names []string
	for name, ok := range checks {
		if !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Each change of a gateway fails exactly its checks. Together, the changes fail every check.
func TestTheSmokeTestCatchesEachDifference(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	s := start(t, t.TempDir(), "FRESHNESS=0", "LOG_LEVEL=ERROR")
	clean, err := smokes(t.Context(), t, s, gateway{}.start(t, s), nil)
	if err != nil || len(differing(clean)) > 0 || len(clean) < 100 {
		t.Fatalf("%d checks of the local stack, %v, differ: %q\n%s", len(clean), err, differing(clean), s.log)
	}

	var (
		mu     sync.Mutex
		caught = make(map[string]bool)
	)
	t.Run("changes", func(t *testing.T) {
		for name, c := range gatewayChanges(s.root) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				checks, err := smokes(t.Context(), t, s, c.make().start(t, s), nil)
				if err != nil {
					t.Error(err)
				}
				found, expected := differing(checks), regexp.MustCompile("^("+c.fails+")$")
				if len(found) == 0 {
					t.Error("nothing differs")
				}
				mu.Lock()
				defer mu.Unlock()
				for _, check := range found {
					caught[check] = true
					if !expected.MatchString(check) {
						t.Errorf("differs as well: %s", check)
					}
				}
			})
		}
	})
	for _, check := range slices.Sorted(maps.Keys(clean)) {
		if !caught[check] {
			t.Errorf("no change fails the check %q", check)
		}
	}
	s.hasNoSmokeKeys(t)
}

func (s *stack) hasNoSmokeKeys(t testing.TB) {
	t.Helper()
	a := s.send(t, "GET", "/api/v1/api-keys?limit=100", "", s.admin())
	if a.status != 200 || strings.Contains(a.text, "latchkey smoke test") {
		t.Errorf("keys are left behind: %d %s", a.status, a.text)
	}
}

func TestTheSmokeTestFollowsTheStacksParameters(t *testing.T) {
	dynamotest.Once(t)
	s := start(t, t.TempDir(), "FRESHNESS=0", "QUERY_API_KEY=false", "PROTECT_VALIDATE=true", "BACKEND_URL=http://127.0.0.1:9")
	forbidding := gateway{answer: func(r *http.Response) {
		if r.StatusCode == 429 {
			r.StatusCode = 403
		}
	}}.start(t, s)
	told := func(o *smoke.Options) {
		o.QueryAPIKey, o.ProtectValidate, o.DenyStatus, o.Backend = false, true, 403, true
	}
	if checks, err := smokes(t.Context(), t, s, forbidding, told); err != nil || len(differing(checks)) > 0 {
		t.Errorf("%v, differ: %q", err, differing(checks))
	}
	if checks, err := smokes(t.Context(), t, s, forbidding, nil); err != nil || len(differing(checks)) == 0 {
		t.Errorf("%v, and a wrong parameter is not found", err)
	}
}

// A stage that throttles says so with a code of its own.
func TestTheSmokeTestOfThrottling(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	s := start(t, t.TempDir(), "FRESHNESS=0", "LOG_LEVEL=ERROR")
	const stage = `"code":"too_many_requests"`
	for name, c := range map[string]struct {
		requests int
		change   func(r *http.Response, body string)
		differs  int
	}{
		"throttled":        {requests: 100},
		"too few requests": {requests: 1, differs: 7},
		"the code of a key": {100, func(r *http.Response, body string) {
			setBody(r, strings.Replace(body, "too_many_requests", "rate_limit_exceeded", 1))
		}, 1},
		"no Retry-After":    {100, func(r *http.Response, body string) { r.Header.Del("Retry-After") }, 1},
		"API Gateway's own": {100, func(r *http.Response, body string) { setBody(r, `{"message":"Too Many Requests"}`) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			at := gateway{answer: func(r *http.Response) {
				if c.change == nil || r.StatusCode != http.StatusTooManyRequests {
					return
				}
				text, _ := io.ReadAll(r.Body)
				setBody(r, string(text))
				if strings.Contains(string(text), stage) {
					c.change(r, string(text))
				}
			}}.start(t, s)
			checks, err := smokes(t.Context(), t, s, at, func(o *smoke.Options) { o.Throttle = c.requests })
			found := differing(checks)
			if err != nil || len(found) != c.differs || slices.ContainsFunc(found, func(check string) bool { return !strings.HasPrefix(check, "more than the stage allows: ") }) {
				t.Errorf("%v, %d differ: %q", err, len(found), found)
			}
		})
	}
}

func TestAStoppedSmokeTestDeletesItsKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	s := start(t, t.TempDir(), "FRESHNESS=0")
	for _, at := range []string{"/api/v1/api-keys/validate", "/revoke"} {
		ctx, cancel := context.WithCancel(t.Context())
		checks, err := smokes(ctx, t, s, gateway{answer: func(r *http.Response) {
			if strings.HasSuffix(r.Request.URL.Path, at) {
				cancel()
			}
		}}.start(t, s), nil)
		if !errors.Is(err, context.Canceled) || len(checks) == 0 || len(differing(checks)) > 0 {
			t.Errorf("stopped at %s: %v after %d checks, differ: %q", at, err, len(checks), differing(checks))
		}
		s.hasNoSmokeKeys(t)
	}
	_, err := smokes(t.Context(), t, s, gateway{answer: func(r *http.Response) {
		if r.Request.Method == "DELETE" {
			r.StatusCode = 500
		}
	}}.start(t, s), nil)
	if err == nil || !strings.Contains(err.Error(), "could not be deleted") {
		t.Errorf("keys that cannot be deleted: %v", err)
	}
}

func TestTheSmokeTestOfAnOutage(t *testing.T) {
	o := dynamotest.Engine()
	e, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Stop() }()
	s := start(t, t.TempDir(), "DYNAMODB_ENDPOINT="+e.Endpoint(), "LOG_LEVEL=ERROR")
	outage := func(o *smoke.Options) { o.Outage = true }
	if checks, err := smokes(t.Context(), t, s, gateway{}.start(t, s), outage); err != nil || len(differing(checks)) < 3 {
		t.Errorf("without an outage: %v, differ: %q", err, differing(checks))
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second) // health caches its answer for this time
	clean, err := smokes(t.Context(), t, s, gateway{}.start(t, s), outage)
	if err != nil || len(differing(clean)) > 0 {
		t.Errorf("%v, differ: %q", err, differing(clean))
	}
	caught := make(map[string]bool)
	for _, change := range []func(*http.Response){
		func(r *http.Response) { r.StatusCode = 500 },
		func(r *http.Response) { setBody(r, `{"error":{"code":"x"}}`) },
		func(r *http.Response) { clear(r.Header) },
	} {
		checks, err := smokes(t.Context(), t, s, gateway{answer: change}.start(t, s), outage)
		if err != nil {
			t.Error(err)
		}
		for _, check := range differing(checks) {
			caught[check] = true
		}
	}
	if len(caught) != len(clean) {
		t.Errorf("%d of %d checks were failed", len(caught), len(clean))
	}
}

func TestTheSmokeCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	s := start(t, t.TempDir(), "FRESHNESS=0")
	forgery := gateway{answer: func(r *http.Response) { r.Header.Del("WWW-Authenticate") }}.start(t, s)
	for _, c := range []struct {
		name        string
		environment []string
		args        []string
		code        int
		says        string
	}{
		{"as expected", []string{"LATCHKEY_KEY=" + s.root}, []string{gateway{}.start(t, s).String()}, 0, "checks, all as expected"},
		{"the URL in a variable", []string{"LATCHKEY_KEY=" + s.root, "LATCHKEY_URL=" + s.url + "/"}, nil, 0, "checks, all as expected"},
		{"an argument replaces the variable", []string{"LATCHKEY_KEY=" + s.root, "LATCHKEY_URL=https://nowhere.invalid"}, []string{s.url}, 0, "as expected"},
		{"a difference", []string{"LATCHKEY_KEY=" + s.root}, []string{forgery.String()}, 1, "DIFFERS  no key: header WWW-Authenticate: expected Bearer"},
		{"another key", []string{"LATCHKEY_KEY=sk_live_another-one-than-that"}, []string{s.url}, 1, "skipped  all checks that need a key: none"},
		{"nothing answers", []string{"LATCHKEY_KEY=" + s.root}, []string{"http://127.0.0.1:1"}, 1, "the stack does not answer: GET http://127.0.0.1:1/latchkey/health: connection refused"},
		{"another service", []string{"LATCHKEY_KEY=" + s.root}, []string{s.url + "/other"}, 1, "with status 404, is not the health of latchkey"},
		{"JSON", []string{"LATCHKEY_KEY=" + s.root}, []string{s.url, "-o", "json"}, 0, `"differences":0`},
		{"no URL", []string{"LATCHKEY_KEY=" + s.root}, nil, 2, "URL"},
		{"no key", nil, []string{s.url}, 2, "LATCHKEY_KEY"},
		{"a key in the clear", []string{"LATCHKEY_KEY=" + s.root}, []string{"http://example.com/prod"}, 2, "https://"},
		{"no URL at all", []string{"LATCHKEY_KEY=" + s.root}, []string{"%zz" + s.root}, 2, "cannot be read"},
		{"a query", []string{"LATCHKEY_KEY=" + s.root}, []string{s.url + "?api_key=x"}, 2, "query"},
		{"two URLs", nil, []string{s.url, s.url}, 2, "one URL"},
		{"another status", []string{"LATCHKEY_KEY=" + s.root}, []string{s.url, "--deny-status", "200"}, 2, "429 or 403"},
		{"a negative freshness", []string{"LATCHKEY_KEY=" + s.root}, []string{s.url, "--freshness", "-1s"}, 2, "freshness"},
	} {
		run := command(t, append([]string{"LATCHKEY_KEY=", "LATCHKEY_URL="}, c.environment...), append([]string{"smoke", "--freshness", "0"}, c.args...)...)
		text, err := run.CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code || !strings.Contains(string(text), c.says) || strings.Contains(string(text), s.root) {
			t.Errorf("%s: exit code %d, want %d with %q:\n%s", c.name, code, c.code, c.says, text)
		}
	}
	s.hasNoSmokeKeys(t)
}
