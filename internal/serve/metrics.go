package serve

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"latchkey/internal/metrics"
)

// register adds the metrics of the server, of the present App and of the Go runtime.
func (s *Server) register(r *prometheus.Registry) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(s.meter.requests, s.meter, checks{s})
}

// meter counts the requests of clients. It is safe for concurrent use.
type meter struct {
	requests *prometheus.CounterVec
	running  atomic.Int64
	inFlight *prometheus.Desc
}

func newMeter() *meter {
	return &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "latchkey_http_requests_total",
			Help: "Requests by route and status. Requests without a route have none.",
		}, []string{"method", "route", "code"}),
		inFlight: prometheus.NewDesc("latchkey_http_requests_in_flight", "Requests that are being answered.", nil, nil),
	}
}

// watch returns a handler that counts the requests of h.
func (m *meter) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.running.Add(1)
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			m.running.Add(-1)
			m.requests.WithLabelValues(answer.method, answer.route, strconv.Itoa(answer.status)).Inc()
		}()
		h.ServeHTTP(answer, r)
	})
}

// Describe and Collect implement [prometheus.Collector].
func (m *meter) Describe(to chan<- *prometheus.Desc) { to <- m.inFlight }
func (m *meter) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(m.inFlight, prometheus.GaugeValue, float64(m.running.Load()))
}

// answer records the route and the final status of a response.
type answer struct {
	http.ResponseWriter
	method, route string // empty if there is no route
	status        int
	written       bool
}

// NoteRoute implements [local.RouteNoter]. Both texts are of the template, so that a client cannot make
// many series.
func (a *answer) NoteRoute(method, path string) { a.method, a.route = method, path }

func (a *answer) WriteHeader(status int) {
	if !a.written && status >= http.StatusOK { // not informational
		a.status, a.written = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.written = true
	return a.ResponseWriter.Write(b)
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// checks has the metrics of the App's gate: those that the functions write to their log, see package
// metrics.
type checks struct{ server *Server }

func (checks) names() (verdicts, seconds *prometheus.Desc, counters map[string]*prometheus.Desc) {
	verdicts = prometheus.NewDesc("latchkey_verdicts_total",
		"Checks by verdict. unavailable: it could not be decided.", []string{"code"}, nil)
	seconds = prometheus.NewDesc("latchkey_check_duration_seconds", "How long a check took, its I/O included.", nil, nil)
	counters = make(map[string]*prometheus.Desc)
	for _, c := range [...]struct{ metric, name, help string }{
		{metrics.Reads, "latchkey_table_reads_total", "Requests to the table that read, repeated ones included."},
		{metrics.Writes, "latchkey_table_writes_total", "Requests to the table that write, repeated ones included."},
		{metrics.LeaseHits, "latchkey_lease_hits_total", "Checks that spent from a lease."},
		{metrics.MemoryHits, "latchkey_memory_hits_total", "Keys that were known without a read."},
	} {
		counters[c.metric] = prometheus.NewDesc(c.name, c.help, nil, nil)
	}
	return verdicts, seconds, counters
}

// Describe implements [prometheus.Collector].
func (c checks) Describe(to chan<- *prometheus.Desc) {
	verdicts, seconds, counters := c.names()
	to <- verdicts
	to <- seconds
	for _, d := range counters {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c checks) Collect(to chan<- prometheus.Metric) {
	verdicts, seconds, counters := c.names()
	t := c.server.current.Load().Instance.Metrics.Totals()
	for code, n := range t.Verdicts {
		to <- prometheus.MustNewConstMetric(verdicts, prometheus.CounterValue, float64(n), code)
	}
	buckets := make(map[float64]uint64)
	for d, n := range t.Within {
		buckets[d.Seconds()] = uint64(n)
	}
	to <- prometheus.MustNewConstHistogram(seconds, uint64(t.Checks), t.Took.Seconds(), buckets)
	for metric, n := range t.Counters {
		if d := counters[metric]; d != nil {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
		}
	}
}
