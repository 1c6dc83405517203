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

	"latchkey/internal/apikey"
)

// Namespace is the CloudWatch namespace of the metrics.
const Namespace = "Latchkey"

// The metrics. The alarms and the dashboard in template.yaml use these names.
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

// every is the least time between two lines, apart from the line of the cold start.
const every = 10 * time.Second

// Extent says which metrics an instance writes.
type Extent string

// The extents. The parameter Monitoring in template.yaml has the same values.
const (
	// ForAll writes all metrics.
	ForAll Extent = "full"
	// ForAlarms writes Verdicts and Failures, which alarms watch. It writes no other code than valid
	// and unavailable, because CloudWatch charges for each.
	ForAlarms Extent = "alarms"
	// ForNone writes nothing.
	ForNone Extent = "off"
)

// Counter is a count that another package keeps. It must only grow.
type Counter struct {
	Metric string
	// Read returns the count. It must be safe for concurrent use.
	Read func() int64
}

// Options are the options of a recorder. All except Service and Extent are required.
type Options struct {
	Now func() time.Time
	// Service is the name of the service. If empty, it is the name that [Recorder.Watch] gets.
	Service string
	// Extent is what is written. If empty, it is ForAll.
	Extent Extent
	// Function is the Lambda function's name.
	Function string
	// Level is the lowest level of lines that Lambda is set to keep. The recorder's lines have this
	// level, because Lambda drops lines without one if it is set above INFO.
	Level string
	// Counters are read for each line, which reports by how much they have grown.
	Counters []Counter
}

// Recorder adds up what one instance does. It is safe for concurrent use.
type Recorder struct {
	options Options

	mu       sync.Mutex
	invoked  bool
	written  time.Time // when the last line was written
	verdicts map[string]int64
	latency  spread
	took     time.Duration // the sum of latency
	failures int64
	read     []int64 // the counters at the last line
}

// New returns a recorder that has counted nothing.
func New(o Options) *Recorder {
	return &Recorder{options: o, verdicts: make(map[string]int64), read: make([]int64, len(o.Counters))}
}

// Handler is a Lambda function's handler; see package lambda of aws-lambda-go.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Watch returns a handler that counts how h fares, and writes the lines to out. An error of h
// counts as a failure, unless it is one of answers: API Gateway learns of a refused key by an
// error.
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
	cold := r.begin()
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

// begin notes an invocation, and reports whether it is the instance's first.
func (r *Recorder) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	cold := !r.invoked
	r.invoked = true
	return cold
}

// finish notes how an invocation ended, and returns the lines to write.
func (r *Recorder) finish(service string, cold, failed bool) (lines []byte) {
	now := r.options.Now().Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.options.Extent == ForNone {
		return nil
	}
	if failed {
		r.failures++
	}
	all := r.options.Extent != ForAlarms
	if cold && all {
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
	verdicts := r.verdicts
	if all {
		r.describe(d, by)
	} else {
		verdicts = watchedByAlarms(verdicts)
	}
	// A document has one code. The first document also has the other metrics, because there is
	// rarely a second one.
	for _, code := range slices.Sorted(maps.Keys(verdicts)) {
		dimensions := [][]string{by}
		if code != "" {
			d["code"] = code
			dimensions = append(dimensions, []string{"service", "code"})
		}
		d.count(Verdicts, verdicts[code], dimensions...)
		lines = r.append(lines, d, now)
		d = document{"service": service}
	}
	lines = r.append(lines, d, now)
	r.failures, r.latency, r.took = 0, spread{}, 0
	clear(r.verdicts)
	return lines
}

// describe adds the metrics that no alarm watches.
func (r *Recorder) describe(d document, by []string) {
	for i, c := range r.options.Counters {
		n := c.Read()
		d.count(c.Metric, n-r.read[i], by)
		r.read[i] = n
	}
	d.values(Latency, r.latency.sample(), by)
}

// watchedByAlarms returns verdicts with the codes that an alarm watches. All others are counted
// together, without a code.
func watchedByAlarms(verdicts map[string]int64) map[string]int64 {
	watched := make(map[string]int64)
	for code, n := range verdicts {
		if code != string(apikey.CodeValid) && code != string(apikey.CodeUnavailable) {
			code = ""
		}
		watched[code] += n
	}
	return watched
}
