package metrics

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
)

// Checker is what judges; see [gate.Gate].
type Checker interface {
	Check(ctx context.Context, r gate.Request) (apikey.Verdict, error)
}

// unavailable is the code of what could not be decided.
const unavailable = "unavailable"

// Gate judges as another one does, and counts the verdicts.
type Gate struct {
	Checker  Checker
	Recorder *Recorder
}

// Check judges a request. A question that cannot be answered because it is wrong
// has no verdict.
func (g Gate) Check(ctx context.Context, r gate.Request) (apikey.Verdict, error) {
	begun := g.Recorder.options.Now()
	v, err := g.Checker.Check(ctx, r)
	code := string(v.Code)
	if err != nil {
		code = unavailable
	}
	if !errors.Is(err, apikey.ErrInvalid) {
		took := g.Recorder.options.Now().Sub(begun)
		g.Recorder.count(code, took)
	}
	return v, err
}

// count adds one verdict.
func (r *Recorder) count(code string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdicts[code]++
	r.latency.add(took)
}
