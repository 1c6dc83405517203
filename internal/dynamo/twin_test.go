package dynamo_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
)

// twins is a meter in a table and the same meter in memory. It sends each spend to both, and fails
// where their decisions or the meters that they store differ.
type twins struct {
	table  *dynamo.Table
	memory *ratelimit.Memory
	mutate func(*ratelimit.Spend) // edits each spend before memory gets it, unless it is nil
	sent   []ratelimit.Spend
	meter  ratelimit.Meter // as the table stores it

	applied, stale, restarts int // spends, by their outcome
}

// errSilence means that an engine on a busy machine did not answer in time, so it is not known
// whether it has applied the spend. The history ends there.
var errSilence = errors.New("the engine is silent")

// unrepeated returns options of a table whose requests are sent once. A spend that is repeated may be
// applied twice.
func unrepeated(t *testing.T) dynamo.Options {
	t.Helper()
	options, _ := dynamotest.Faulty(t)
	options.AWS.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return options
}

// errTwins says how the table and memory differ.
type errTwins struct{ difference string }

func (e errTwins) Error() string { return e.difference }

func (w *twins) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	w.sent = append(w.sent, s)
	stored, err := w.table.Spend(ctx, id, s)
	var silence net.Error
	switch {
	case errors.As(err, &silence) && silence.Timeout():
		return stored, errSilence
	case err != nil && !errors.Is(err, ratelimit.ErrStale):
		return stored, err
	}
	w.meter = stored
	w.count(s, err)
	simulated := s
	if w.mutate != nil {
		w.mutate(&simulated)
	}
	simulation, simulationErr := w.memory.Spend(ctx, id, simulated)
	if !errors.Is(simulationErr, err) || !errors.Is(err, simulationErr) {
		return stored, errTwins{fmt.Sprintf("the table says %v, memory says %v", err, simulationErr)}
	}
	if diff := gocmp.Diff(stored, simulation, cmpopts.EquateEmpty()); diff != "" {
		return stored, errTwins{"the stored meters differ (-table +memory):\n" + diff}
	}
	return stored, err
}

// count adds a spend that the table applied, or that it refused with err.
func (w *twins) count(s ratelimit.Spend, err error) {
	if err != nil {
		w.stale++
		return
	}
	w.applied++
	if s.Restart {
		w.restarts++
	}
}

func (w *twins) Meter(context.Context, string) (ratelimit.Meter, error) { return w.meter, nil }

func (w *twins) RecordUsage(context.Context, string, []ratelimit.DayUsage) error { return nil }
func (w *twins) Touch(context.Context, string, time.Time) error                  { return nil }

// history is a random life of one meter. Up to three instances spend from it, with clocks up to
// 50 ms from the true time. Its terms change, and an instance may learn of a change late.
type history struct {
	*rapid.T
	id        string
	twins     *twins
	now       time.Time
	instances []*ratelimit.Limiter
	terms     []ratelimit.Terms // every revision, oldest first
	fence     int64
}

func newHistory(t *rapid.T, id string, w *twins) *history {
	h := &history{T: t, id: id, twins: w, now: time.Date(2028, 2, 27, 0, 0, 0, 0, time.UTC)}
	h.pass(48 * time.Hour)
	for range rapid.IntRange(1, 3).Draw(t, "instances") {
		skew := time.Duration(rapid.Int64Range(-50, 50).Draw(t, "skew")) * time.Millisecond
		h.instances = append(h.instances, ratelimit.New(w, func() time.Time { return h.now.Add(skew) }, 1))
	}
	h.changeTerms()
	return h
}

// run plays the history and returns how the table and memory differ, or "".
func (h *history) run() string {
	for range rapid.IntRange(20, 80).Draw(h.T, "steps") {
		h.pass(rapid.SampledFrom([]time.Duration{
			time.Millisecond, time.Second, time.Second, time.Minute, time.Hour,
			24 * time.Hour, 40 * 24 * time.Hour, 500 * 24 * time.Hour,
		}).Draw(h.T, "scale"))
		var err error
		switch rapid.IntRange(0, 9).Draw(h.T, "step") {
		case 0, 1:
			h.changeTerms()
		case 2:
			err = h.repeat()
		case 3, 4:
			err = h.probe()
		default:
			err = h.take()
		}
		var differ errTwins
		switch {
		case errors.As(err, &differ):
			return differ.difference
		case errors.Is(err, errSilence):
			return ""
		case err != nil && !errors.Is(err, ratelimit.ErrStale) && !errors.Is(err, ratelimit.ErrOldTerms) &&
			!errors.Is(err, ratelimit.ErrFenced):
			h.Fatal(err)
		}
	}
	return ""
}

func (h *history) pass(most time.Duration) {
	h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(most)).Draw(h.T, "pass")))
}

func (h *history) changeTerms() {
	seconds := rapid.SampledFrom([]int64{1, 9, 10, 60, 3600, 86_400}).Draw(h.T, "window")
	terms := ratelimit.Terms{
		Limit: ratelimit.Limit{
			Requests: rapid.Int64Range(1, 50).Draw(h.T, "requests"),
			Window:   time.Duration(seconds) * time.Second,
		},
		Rev: int64(len(h.terms)),
	}
	period := rapid.SampledFrom(append(ratelimit.Periods(), "")).Draw(h.T, "period")
	if period != "" {
		terms.Quota = ratelimit.Quota{Requests: rapid.Int64Range(1, 100).Draw(h.T, "quota"), Period: period}
	}
	if period == ratelimit.Lifetime && rapid.Bool().Draw(h.T, "credits alone") {
		terms.Limit = ratelimit.NoLimit()
	}
	h.terms = append(h.terms, terms)
}

// take lets one instance spend several times, by the newest terms or by the ones before them.
func (h *history) take() error {
	limiter := rapid.SampledFrom(h.instances).Draw(h.T, "instance")
	terms := rapid.SampledFrom(h.terms[max(0, len(h.terms)-2):]).Draw(h.T, "terms")
	n := rapid.Int64Range(1, min(max(1, terms.Limit.Requests/8), 10)).Draw(h.T, "n")
	p := ratelimit.Part{ID: h.id, Terms: terms, Fence: h.drawFence()}
	for range rapid.IntRange(1, 6).Draw(h.T, "times") {
		if d, err := limiter.TakePart(h.Context(), &p, n, time.Time{}); err != nil || !d.Admitted {
			return err
		}
	}
	return nil
}

// drawFence returns no fence, or the one before, the present or the next one.
func (h *history) drawFence() int64 {
	if rapid.Bool().Draw(h.T, "no fence") {
		return 0
	}
	step := rapid.Int64Range(-1, 1).Draw(h.T, "fence")
	h.fence = max(h.fence, h.fence+step)
	return max(h.fence+min(step, 0), 0)
}

// repeat sends an earlier spend again, as a network does that repeats a lost request.
func (h *history) repeat() error {
	if len(h.twins.sent) == 0 {
		return nil
	}
	recent := h.twins.sent[max(0, len(h.twins.sent)-3):]
	_, err := h.twins.Spend(h.Context(), h.id, rapid.SampledFrom(recent).Draw(h.T, "spend"))
	return err
}

// probe sends the last spend again with a condition that holds for the stored meter, except for one
// part of it that just holds or just fails. A spend that is in the slices of another window than the
// meter is not sent, because no limiter would plan it.
func (h *history) probe() error {
	if len(h.twins.sent) == 0 {
		return nil
	}
	m, s := h.twins.meter, h.twins.sent[len(h.twins.sent)-1]
	if !s.Restart && s.Window != m.Window {
		return nil
	}
	s.Fresh = false
	s.Day = max(s.Day, m.Day)
	s.SeenWindow, s.Rev = m.Window, cmp.Or(m.Rev, s.Rev)
	s.MaxNewest, s.MinUsed, s.MaxUsed, s.MaxNet = m.Newest, m.Used, m.Used, m.Net
	off := rapid.Int64Range(-1, 1).Draw(h.T, "off")
	switch rapid.IntRange(0, 8).Draw(h.T, "part") {
	case 0:
		s.MaxNewest += off
	case 1:
		s.MinUsed += off
		s.MaxUsed = max(s.MaxUsed, s.MinUsed)
	case 2:
		s.MaxUsed += off
		s.MinUsed = min(s.MinUsed, s.MaxUsed)
	case 3:
		s.MaxNet += off
	case 4:
		s.SeenWindow += time.Duration(off) * time.Second
	case 5:
		s.Rev += off
	case 6:
		s.Fresh, s.Base = true, 0
	case 7: // by a clock that is behind, just after midnight
		s.Day, s.ForgetDays, s.ForgetMonth = before(m.Day), nil, 0
	case 8:
		s.Fence = max(m.Fence+off, 0)
	}
	_, err := h.twins.Spend(h.Context(), h.id, s)
	return err
}

// before returns the day before d.
func before(d ratelimit.Date) ratelimit.Date {
	t := time.Date(int(d/10000), time.Month(d/100%100), int(d%100)-1, 0, 0, 0, 0, time.UTC)
	return ratelimit.DateOf(t)
}

// Every simulation of the limiter spends from a meter in memory. What a simulation shows holds for
// a deployment only if the table decides the same and stores the same.
func TestTheTableSpendsAsTheMeterInMemory(t *testing.T) {
	table, meters := dynamo.Open(unrepeated(t)), 0
	var applied, stale, restarts int
	rapid.Check(t, func(rt *rapid.T) {
		meters++
		w := &twins{table: table, memory: ratelimit.NewMemory(1)}
		if difference := newHistory(rt, fmt.Sprintf("%016d", meters), w).run(); difference != "" {
			rt.Fatalf("%s\nafter %+v", difference, w.sent)
		}
		applied, stale, restarts = applied+w.applied, stale+w.stale, restarts+w.restarts
	})
	t.Logf("%d meters: %d spends applied, %d of them to another window; %d refused", meters, applied, restarts, stale)
	if applied < 5*meters || stale < meters || restarts < meters/2 {
		t.Error("too little happened to compare")
	}
}

// The test above compares each part of a spend: a store that ignored a part, or applied it wrongly,
// would differ from the other in some history.
func TestEachPartOfASpendIsCompared(t *testing.T) {
	table, meters := dynamo.Open(unrepeated(t)), 0
	for mutant, edit := range map[string]func(*ratelimit.Spend){
		"counts a token more":                func(s *ratelimit.Spend) { s.Tokens++ },
		"takes nothing back":                 func(s *ratelimit.Spend) { s.Net = s.Tokens },
		"spends in the slice before":         func(s *ratelimit.Spend) { s.Slice-- },
		"spends on another day":              func(s *ratelimit.Spend) { s.Day = 20280301 },
		"takes the window of older terms":    func(s *ratelimit.Spend) { s.Rev = 1 << 50 },
		"notes a later use":                  func(s *ratelimit.Spend) { s.At = s.At.Add(time.Millisecond) },
		"never begins a meter":               func(s *ratelimit.Spend) { s.Fresh = false },
		"ignores the window that was seen":   func(s *ratelimit.Spend) { s.SeenWindow = s.Window },
		"writes into an older slice":         func(s *ratelimit.Spend) { s.MaxNewest = 1 << 60 },
		"ignores the least odometer":         func(s *ratelimit.Spend) { s.MinUsed = 0 },
		"ignores the most odometer":          func(s *ratelimit.Spend) { s.MaxUsed = 1 << 60 },
		"ignores the quota":                  func(s *ratelimit.Spend) { s.MaxNet = 1 << 60 },
		"keeps the old window":               func(s *ratelimit.Spend) { s.Restart = false },
		"begins a window with another base":  func(s *ratelimit.Spend) { s.Base++ },
		"stores no points":                   func(s *ratelimit.Spend) { s.Earlier = nil },
		"removes no points":                  func(s *ratelimit.Spend) { s.ForgetEarlier = nil },
		"removes no slices":                  func(s *ratelimit.Spend) { s.Forget = nil },
		"asks for no fence":                  func(s *ratelimit.Spend) { s.Fence = 0 },
		"removes no days that were recorded": func(s *ratelimit.Spend) { s.ForgetDays = nil },
	} {
		histories := rapid.Custom(func(rt *rapid.T) string {
			meters++
			w := &twins{table: table, memory: ratelimit.NewMemory(1), mutate: edit}
			return newHistory(rt, fmt.Sprintf("%016d", meters), w).run()
		})
		seed := 0
		for seed < 200 && histories.Example(seed) == "" {
			seed++
		}
		if seed == 200 {
			t.Errorf("no history shows that memory %s", mutant)
		}
		t.Logf("memory %s: history %d shows it", mutant, seed)
	}
}
