package metrics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/metrics"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// instance is an instance of a function. The test sets its clock, and the verdicts of its gate.
type instance struct {
	t        *testing.T
	now      time.Time
	out      writes
	odometer int64
	recorder *metrics.Recorder
	handler  metrics.Handler
	// The gate returns verdict and err after took. The handler then returns fails.
	verdict apikey.Verdict
	err     error
	took    time.Duration
	fails   error
}

// writes are the texts that Write was called with.
type writes [][]byte

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, bytes.Clone(b))
	return len(b), nil
}

// check is one check of a gate, which is observed.
func (e *instance) check() {
	e.now = e.now.Add(e.took)
	e.recorder.Observe(e.verdict, e.err, e.took)
}

// Invoke checks one request.
func (e *instance) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	e.check()
	return payload, e.fails
}

func start(t *testing.T) *instance {
	e := &instance{t: t, now: noon, took: time.Millisecond, verdict: apikey.Verdict{Code: apikey.CodeValid}}
	e.recorder = metrics.New(metrics.Options{
		Now: func() time.Time { return e.now }, Function: "stack-AuthorizerFunction-1", Level: "WARN",
		Counters: []metrics.Counter{{Metric: metrics.Reads, Read: func() int64 { return e.odometer }}},
	})
	e.handler = e.recorder.Watch("authorizer", e, &e.out, authorizer.ErrUnauthorized)
	return e
}

// invoke returns the lines that an invocation has written. It must have written them at once.
func (e *instance) invoke() []line {
	e.t.Helper()
	e.out = nil
	answer, err := e.handler.Invoke(e.t.Context(), []byte("payload"))
	if string(answer) != "payload" || err != e.fails {
		e.t.Fatalf("answered %q, %v", answer, err)
	}
	if len(e.out) > 1 {
		e.t.Fatalf("wrote %d times", len(e.out))
	}
	var lines []line
	for text := range bytes.Lines(bytes.Join(e.out, nil)) {
		if !bytes.HasSuffix(text, []byte("\n")) {
			e.t.Errorf("no end of line: %s", text)
		}
		lines = append(lines, parse(e.t, text))
	}
	return lines
}

func TestAnInstanceReportsItsStartOnce(t *testing.T) {
	e := start(t)
	lines := e.invoke()
	if len(lines) != 2 {
		t.Fatalf("the first invocation wrote %d lines, want one for its start and one for its counts", len(lines))
	}
	want := map[string][][]string{metrics.ColdStart: {{"service", "function_name"}}}
	if diff := cmp.Diff(want, lines[0].metrics); diff != "" || lines[0].root["function_name"] != "stack-AuthorizerFunction-1" {
		t.Errorf("%v %s", lines[0].root, diff)
	}
	for range 30 {
		e.now = e.now.Add(time.Second)
		for _, l := range e.invoke() {
			if _, again := l.metrics[metrics.ColdStart]; again {
				t.Error("it reports its start again")
			}
		}
	}
}

func TestOneLineInTenSecondsAddsUp(t *testing.T) {
	e := start(t)
	e.invoke()
	e.verdict.Key = &apikey.Key{ID: "canary-key", UserID: "canary-user", Name: "canary-name"}
	last := e.now
	written := 0
	for range 1000 {
		e.now = e.now.Add(99 * time.Millisecond) // and 1 ms for the check
		e.odometer += 2
		lines := e.invoke()
		if len(lines) == 0 {
			continue
		}
		written++
		if len(lines) != 1 || e.now.Sub(last) < 10*time.Second || !lines[0].at.Equal(e.now) {
			t.Fatalf("%d lines after %v, of %v at %v", len(lines), e.now.Sub(last), lines[0].at, e.now)
		}
		last = e.now
		got := lines[0].root
		if got[metrics.Verdicts] != 100.0 || got["code"] != "valid" || got["service"] != "authorizer" || got[metrics.Reads] != 200.0 {
			t.Errorf("%v; want 100 checks and 200 reads", got)
		}
		if bytes.Contains(e.out[0], []byte("canary")) {
			t.Errorf("it tells of a key: %s", e.out[0])
		}
		want := map[string][][]string{
			metrics.Verdicts: {{"service"}, {"service", "code"}}, metrics.Latency: {{"service"}}, metrics.Reads: {{"service"}},
		}
		if diff := cmp.Diff(want, lines[0].metrics); diff != "" {
			t.Error(diff)
		}
	}
	if written != 10 {
		t.Errorf("%d lines in 100 s", written)
	}
}

func TestEachCodeHasALineAndOtherMetricsHaveOne(t *testing.T) {
	e := start(t)
	e.invoke()
	for i, code := range []apikey.Code{apikey.CodeValid, apikey.CodeRateLimited, apikey.CodeRateLimited, apikey.CodeUnknown} {
		e.verdict.Code, e.odometer = code, e.odometer+1
		if i == 3 {
			e.now = e.now.Add(time.Minute)
		}
		lines := e.invoke()
		if i < 3 {
			if len(lines) > 0 {
				t.Errorf("written after %v", e.now.Sub(noon))
			}
			continue
		}
		said := map[string]float64{}
		for _, l := range lines {
			said[l.root["code"].(string)] = l.root[metrics.Verdicts].(float64)
			for name := range l.metrics {
				if name != metrics.Verdicts {
					said[name]++
				}
			}
		}
		if diff := cmp.Diff(map[string]float64{"valid": 1, "rate_limited": 2, "unknown_key": 1, metrics.Latency: 1, metrics.Reads: 1}, said); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAnInvocationFailsByItsError(t *testing.T) {
	unreachable := errors.New("find key: no answer")
	for _, c := range []struct {
		name       string
		code       apikey.Code
		gate, fail error
		verdict    string
		failures   any
	}{
		{"a valid key", apikey.CodeValid, nil, nil, "valid", nil},
		{"a refused key is returned as an error, and is no failure", apikey.CodeRevoked, nil, authorizer.ErrUnauthorized, "revoked_key", nil},
		{"a key that could not be checked", "", unreachable, errors.New("unavailable: the key could not be checked"), "unavailable", 1.0},
		{"a key that validate could not check is answered", "", unreachable, nil, "unavailable", nil},
		{"an invalid question has no verdict", "", &apikey.FieldError{Field: "cost", Kind: apikey.ErrInvalid}, nil, "", nil},
	} {
		e := start(t)
		e.invoke()
		e.now = e.now.Add(time.Minute)
		e.verdict.Code, e.err, e.fails = c.code, c.gate, c.fail
		lines := e.invoke()
		if c.verdict == "" {
			if len(lines) != 0 {
				t.Errorf("%s: %v", c.name, lines[0].root)
			}
			continue
		}
		if len(lines) != 1 || lines[0].root["code"] != c.verdict || lines[0].root[metrics.Failures] != c.failures {
			t.Errorf("%s: %v", c.name, lines)
		}
		e.now, e.fails = e.now.Add(time.Minute), nil
		if again := e.invoke(); again[0].root[metrics.Failures] != nil {
			t.Errorf("%s: reported twice", c.name)
		}
	}
}

// The metrics of two deployments in one account must not be added together.
func TestADeploymentMayNameItsServices(t *testing.T) {
	for named, want := range map[string]string{"": "keys", "prod-keys": "prod-keys"} {
		var out bytes.Buffer
		r := metrics.New(metrics.Options{Now: func() time.Time { return noon }, Service: named, Function: "f", Level: "WARN"})
		if _, err := r.Watch("keys", logging{slog.New(slog.DiscardHandler)}, &out).Invoke(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := parse(t, out.Bytes()).root["service"]; got != want {
			t.Errorf("SERVICE=%q: the service is %v, want %s", named, got, want)
		}
	}
}

// An instance whose clock is set back must still write.
func TestAClockSetBackStillWrites(t *testing.T) {
	e := start(t)
	e.invoke()
	e.now = e.now.Add(-time.Hour)
	if lines := e.invoke(); len(lines) != 1 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestLatenciesAreSampledEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 99, 100, 101, 1000, 4321} {
		e := start(t)
		e.invoke()
		var took []float64
		for i := range n {
			// The latencies go from a fraction of a microsecond to minutes, in mixed order.
			e.took = time.Duration(math.Exp(float64((i*7919)%n+1) / float64(n) * 25))
			took = append(took, e.took.Seconds()*1000)
			e.check()
		}
		e.took = 0 // the latency of the invocation itself
		took = append(took, 0)
		e.now = e.now.Add(time.Minute)
		values := e.invoke()[0].root[metrics.Latency].([]any)
		slices.Sort(took)
		if want := min(len(took), 100); len(values) != want {
			t.Fatalf("%d values of %d, want %d", len(values), len(took), want)
		}
		for i, v := range values {
			want := took[(2*i+1)*len(took)/(2*len(values))]
			if got := v.(float64); math.Abs(got-want) > max(want/16, 0.001) {
				t.Errorf("value %d of %d, of %d checks: %v ms, want %v", i, len(values), n, got, want)
			}
		}
	}
}

func TestALogLineNamesTheServiceAndTheColdStart(t *testing.T) {
	var out bytes.Buffer
	e := start(t)
	logger := metrics.Log(slog.NewJSONHandler(&out, nil), "authorizer").With("more", 1)
	e.handler = e.recorder.Watch("authorizer", logging{logger}, &e.out)
	for range 2 {
		if _, err := e.handler.Invoke(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	var cold []any
	for text := range strings.Lines(out.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil || l["service"] != "authorizer" || l["more"] != 1.0 {
			t.Errorf("%s: %v", text, err)
		}
		cold = append(cold, l["cold_start"])
	}
	if diff := cmp.Diff([]any{true, false}, cold); diff != "" {
		t.Error(diff)
	}
}

// logging is a handler that writes a line to the log.
type logging struct{ *slog.Logger }

func (l logging) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	l.InfoContext(ctx, "refused")
	return nil, nil
}

// A deployment with alarms alone pays for no metric that no alarm watches. One without monitoring
// pays for none.
func TestADeploymentChoosesWhichMetricsAreWritten(t *testing.T) {
	for extent, want := range map[metrics.Extent]map[string]float64{
		metrics.ForAlarms: {"valid": 1, "unavailable": 1, "": 2, metrics.Failures: 1},
		metrics.ForNone:   {},
	} {
		e := start(t)
		options := metrics.Options{
			Now: func() time.Time { return e.now }, Extent: extent, Function: "f", Level: "WARN",
			Counters: []metrics.Counter{{Metric: metrics.Reads, Read: func() int64 { return e.odometer }}},
		}
		e.recorder = metrics.New(options)
		e.handler = e.recorder.Watch("authorizer", e, &e.out)
		e.took, e.odometer, e.fails = 0, 7, errors.New("no answer")
		for _, code := range []apikey.Code{apikey.CodeValid, apikey.CodeRevoked, apikey.CodeUnknown} {
			e.recorder.Observe(apikey.Verdict{Code: code}, nil, time.Millisecond)
		}
		e.err = errors.New("no answer")
		got := map[string]float64{}
		for _, l := range e.invoke() {
			for name := range l.metrics {
				if name != metrics.Verdicts {
					got[name] = l.root[name].(float64)
					continue
				}
				code, _ := l.root["code"].(string)
				got[code] = l.root[metrics.Verdicts].(float64)
				if sets := l.metrics[name]; (code == "") != (len(sets) == 1) || !slices.Equal(sets[0], []string{"service"}) {
					t.Errorf("%s: %v of the code %q", extent, sets, code)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", extent, diff)
		}
		// Nothing is written twice, and nothing is forgotten.
		e.now, e.err, e.fails = e.now.Add(time.Minute), nil, nil
		if again := e.invoke(); extent == metrics.ForAlarms && (len(again) != 1 || again[0].root[metrics.Verdicts] != 1.0 || again[0].root["code"] != "valid") {
			t.Errorf("%s: then %v", extent, again)
		}
	}
}
