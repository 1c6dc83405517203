package metrics

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Namespace is where CloudWatch keeps the metrics.
const Namespace = "Latchkey"

// What is counted. The alarms and the dashboard in template.yaml use these names.
const (
	Verdicts   = "Verdicts"
	Latency    = "Latency"
	Reads      = "Reads"
	Writes     = "Writes"
	LeaseHits  = "LeaseHits"
	MemoryHits = "MemoryHits"
	Failures   = "Failures"
	ColdStart  = "ColdStart"
)

// every is how old the last line must be before another is written.
const every = 10 * time.Second

// Odometer is a count that is kept where it arises, and only grows.
type Odometer struct {
	Metric string
	Read   func() int64
}

// Options say what a recorder writes of itself. All but Service are required.
type Options struct {
	Now func() time.Time
	// Service is what it is called; empty: what [Recorder.Watch] is told.
	Service string
	// Function is the Lambda function's name.
	Function string
	// Level is the least that Lambda lets pass of what the function writes. A line
	// without a level would be dropped above INFO.
	Level string
	// Odometers are read for each line.
	Odometers []Odometer
}

// Recorder adds up what one environment does. It is safe for concurrent use.
type Recorder struct {
	options Options

	mu       sync.Mutex
	invoked  bool
	written  time.Time // the last line
	verdicts map[string]int64
	latency  spread
	failures int64
	read     []int64 // of the odometers, at the last line
}

// New returns a recorder that has counted nothing.
func New(o Options) *Recorder {
	return &Recorder{options: o, verdicts: make(map[string]int64), read: make([]int64, len(o.Odometers))}
}

// Handler is Lambda's.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Watch returns a handler that counts how h fares, and writes the lines to out. An error of h counts
// as a failure, unless it is one of answers: API Gateway learns of a refused key by an error.
func (r *Recorder) Watch(service string, h Handler, out io.Writer, answers ...error) Handler {
	return &watched{r, cmp.Or(r.options.Service, service), h, out, answers}
}

type watched struct {
	recorder *Recorder
	service  string
	handler  Handler
	out      io.Writer
	answers  []error // errors of the handler that are no failures
}

func (w *watched) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	r := w.recorder
	r.mu.Lock()
	cold := !r.invoked
	r.invoked = true
	r.mu.Unlock()
	if cold {
		ctx = context.WithValue(ctx, coldStart{}, true)
	}
	answer, err := w.handler.Invoke(ctx, payload)
	failed := err != nil && !slices.ContainsFunc(w.answers, func(answer error) bool { return errors.Is(err, answer) })
	if lines := r.finish(w.service, cold, failed); lines != nil {
		_, _ = w.out.Write(lines) // a lost line is not worth a lost answer
	}
	return answer, err
}

// finish notes how an invocation ended, and returns what is to be written.
func (r *Recorder) finish(service string, cold, failed bool) (lines []byte) {
	now := r.options.Now().Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if failed {
		r.failures++
	}
	if cold {
		d := document{"service": service, "function_name": r.options.Function}
		d.count(ColdStart, 1, []string{"service", "function_name"})
		lines = r.append(lines, d, now)
	}
	if now.Sub(r.written).Abs() < every {
		return lines
	}
	r.written = now
	d := document{"service": service}
	by := []string{"service"}
	d.count(Failures, r.failures, by)
	for i, o := range r.options.Odometers {
		n := o.Read()
		d.count(o.Metric, n-r.read[i], by)
		r.read[i] = n
	}
	d.values(Latency, r.latency.sample(), by)
	// A document has one code. The first takes the rest along: as a rule there is
	// no other.
	for _, code := range slices.Sorted(maps.Keys(r.verdicts)) {
		d["code"] = code
		d.count(Verdicts, r.verdicts[code], by, []string{"service", "code"})
		lines = r.append(lines, d, now)
		d = document{"service": service}
	}
	lines = r.append(lines, d, now)
	r.failures, r.latency = 0, spread{}
	clear(r.verdicts)
	return lines
}
