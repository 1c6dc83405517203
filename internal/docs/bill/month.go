package bill

// What one check needs. Tests of other packages measure these values, or bound them.
const (
	memoryMB     = 256 // of a function, by the template
	billedMillis = 5   // of a check with a write, an assumption
	// RefusalBytes is the largest usual size of the line of a refusal in the log.
	RefusalBytes = 450
	// refusedPerThousand is how many of a thousand requests are refused, an assumption.
	refusedPerThousand = 10
	// MetricBytes is the largest size of the lines in which an instance writes its metrics every 10 s,
	// with five codes and 100 latencies.
	MetricBytes = 2800
	// linesPerMonth is how often it writes them in 30 days, if it is always busy.
	linesPerMonth = 30 * 24 * 360
	// secretReads is how often an instance reads the secret in 30 days: every 5 minutes.
	secretReads = 30 * 24 * 12
	// entryBytes and lineBytes are the sizes of an entry in the access log, as JSON and as text, with the
	// 26 bytes that CloudWatch adds to each.
	entryBytes = 420
	lineBytes  = 175
)

// Metrics that the functions write, if five codes occur. The authorizer and validate have 12 each, and
// the keys function has three. For alarms alone they are all verdicts and the valid ones of the former
// two.
const (
	AllMetrics   = 27
	AlarmMetrics = 4
)

// Cost is the reads and writes of the table for 1,000 admitted requests.
type Cost struct{ Reads, Writes int64 }

// Most deployments cost between busy and quiet. Busy is the cost of keys with 10 requests a second
// that one instance judges. Quiet is the most that a key with one limit costs: an instance has
// not seen it lately.
func busy() Cost  { return Cost{Reads: 180, Writes: 240} }
func quiet() Cost { return Cost{Reads: 2000, Writes: 1000} }

// Load is the use of a month.
type Load struct {
	Requests int64
	// Instances is the number of instances that are busy all the time, an assumption.
	Instances int64
}

// Loads are the loads that the manual shows.
func Loads() []Load {
	return []Load{{1_000_000, 1}, {100_000_000, 2}, {1_000_000_000, 8}}
}

// Monitoring is what a deployment has in CloudWatch.
type Monitoring struct {
	// Metrics is the number of the functions' metrics. Alarms is the number of metrics that alarms watch.
	Metrics, Alarms int64
	Dashboards      int64
}

// Month is the bill of a month, in micro-dollars.
type Month struct {
	REST, Lambda, Busy, Quiet, Refusals, Monitoring, Secret int64
	// HTTP is what an HTTP API would cost in place of the REST API.
	HTTP int64
}

// Total is the sum, with the table's cost of busy keys or of quiet keys.
func (m Month) Total(table int64) int64 {
	return m.REST + m.Lambda + table + m.Refusals + m.Monitoring + m.Secret
}

// Month returns the bill of a load.
func (p Prices) Month(l Load, m Monitoring) Month {
	return Month{
		REST: p.of("restApi", l.Requests), HTTP: p.of("httpApi", l.Requests),
		Lambda: p.of("lambdaRequests", l.Requests) + p.functionTime(l.Requests, billedMillis),
		Busy:   p.Table(busy(), l.Requests), Quiet: p.Table(quiet(), l.Requests),
		Refusals:   p.of("logs", l.Requests/1000*refusedPerThousand*RefusalBytes),
		Monitoring: p.CloudWatch(m) + p.metricLines(l, m),
		Secret:     p.of("secret", 1) + p.of("secretReads", l.Instances*secretReads),
	}
}

// CloudWatch returns the fixed cost of a deployment's monitoring.
func (p Prices) CloudWatch(m Monitoring) int64 {
	return p.of("metric", m.Metrics) + p.of("alarm", m.Alarms) + p.of("dashboard", m.Dashboards)
}

// metricLines returns the cost of the lines from which CloudWatch makes the metrics.
func (p Prices) metricLines(l Load, m Monitoring) int64 {
	if m.Metrics == 0 {
		return 0
	}
	return p.of("logs", l.Instances*linesPerMonth*MetricBytes)
}

// Table returns the cost of the table's reads and writes.
func (p Prices) Table(c Cost, requests int64) int64 {
	return p.of("reads", requests*c.Reads/1000) + p.of("writes", requests*c.Writes/1000)
}

// functionTime returns the cost of n invocations of some milliseconds.
func (p Prices) functionTime(n, millis int64) int64 {
	return p.of("lambdaTime", n*millis*memoryMB/1024/1000)
}

// Addition is what a choice of parameters adds to the bill, in micro-dollars: a fixed amount a month,
// and one for each million requests.
type Addition struct {
	Choice, Why      string
	Month, ByMillion int64
}

// Additions returns what choices of parameters add. alarms is the number of metrics that alarms watch
// because of AccessLog.
func (p Prices) Additions(alarms int64) []Addition {
	const million = 1_000_000
	watched := p.of("metric", alarms) + p.of("alarm", alarms)
	return []Addition{
		{"`AccessLog=json`", "420 bytes a request, and two alarms on metrics of the log",
			watched, p.of("logs", million*entryBytes)},
		{"`AccessLog=line`", "175 bytes a request, and the same alarms", watched, p.of("logs", million*lineBytes)},
		{"`LogLevel=DEBUG`", "a line for each request", 0, p.of("logs", million*RefusalBytes)},
		{"`Freshness=0`", "two reads for each request", 0, p.of("reads", 2*million)},
		{"`UpstreamUrl`", "100 ms of waiting in each request that asks there", 0, p.functionTime(million, 100)},
		{"`Tracing=Active`", "for each million of traces; the sampling of X-Ray decides how many",
			0, p.of("traces", million)},
		{"`KmsKeyArn`", "the key, without its requests", p.of("kmsKey", 1), 0},
	}
}
