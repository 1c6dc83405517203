package bill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/docs/bill"
	"latchkey/internal/metrics"
)

func read(t *testing.T) bill.Prices {
	t.Helper()
	p, err := bill.Read()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The amounts are worked out by hand from the lists of prices.
func TestAMonthIsWhatThePricesMakeOfIt(t *testing.T) {
	p := read(t)
	full := bill.Monitoring{Metrics: 27, Alarms: 26, Dashboards: 1}
	const dollar = 1_000_000
	for _, c := range []struct {
		name string
		got  int64
		want float64 // dollars
	}{
		{"a million requests to a REST API", p.Month(bill.Load{Requests: 1_000_000}, full).REST, 3.5},
		{"a billion, in two tiers", p.Month(bill.Load{Requests: 1_000_000_000}, full).REST, 333*3.5 + 667*2.8},
		{"two billion, in three tiers", p.Month(bill.Load{Requests: 2_000_000_000}, full).REST, 333*3.5 + 667*2.8 + 1000*2.38},
		{"a billion to an HTTP API", p.Month(bill.Load{Requests: 1_000_000_000}, full).HTTP, 300*1.0 + 700*0.9},
		{"a billion invocations of 5 ms", p.Month(bill.Load{Requests: 1_000_000_000}, full).Lambda, 1000*0.2 + 1e9*0.005*0.25*0.0000133334},
		{"a million requests of quiet keys", p.Month(bill.Load{Requests: 1_000_000}, full).Quiet, 2*0.125 + 0.625},
		{"a million requests of busy keys", p.Month(bill.Load{Requests: 1_000_000}, full).Busy, 0.18*0.125 + 0.24*0.625},
		{"refusals", p.Month(bill.Load{Requests: 100_000_000}, full).Refusals, 1e6 * 450 / 1e9 * 0.5},
		{"monitoring, and its lines of two instances", p.Month(bill.Load{Instances: 2}, full).Monitoring,
			27*0.3 + 26*0.1 + 3 + 2*259_200*2800/1e9*0.5},
		{"alarms alone", p.CloudWatch(bill.Monitoring{Metrics: 4, Alarms: 26}), 4*0.3 + 26*0.1},
		{"no monitoring", p.Month(bill.Load{Instances: 2}, bill.Monitoring{}).Monitoring, 0},
		{"a secret that one instance reads", p.Month(bill.Load{Instances: 1}, full).Secret, 0.4 + 8640.0/10_000*0.05},
	} {
		if diff := math.Abs(float64(c.got)/dollar - c.want); diff > 0.000_002 {
			t.Errorf("%s: $%.6f, want $%.6f", c.name, float64(c.got)/dollar, c.want)
		}
	}
	m := bill.Month{REST: 1, Lambda: 2, Busy: 4, Quiet: 8, Refusals: 16, Monitoring: 32, Secret: 64, HTTP: 128}
	if got := m.Total(m.Busy); got != 119 {
		t.Errorf("the total of all lines with busy keys is %d", got)
	}
}

// The page Limits has the reads and writes of a check. It and the page Costs use the same prices, and
// the page Costs uses its numbers.
func TestTheCostsOfAKeyAreThoseOfThePageLimits(t *testing.T) {
	p := read(t)
	text, err := os.ReadFile("../limits.md")
	if err != nil {
		t.Fatal(err)
	}
	cell := regexp.MustCompile(`\| ([0-9.]+), ([0-9.]+), [0-9.]+, \$([0-9.]+) `)
	found := cell.FindAllStringSubmatch(string(text), -1)
	if len(found) < 20 {
		t.Fatalf("only %d costs were found", len(found))
	}
	thousandths := func(text string) int64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int64(math.Round(n * 1e6)) // for 1,000 requests of a thousand each
	}
	for _, m := range found {
		cost := bill.Cost{Reads: thousandths(m[1]), Writes: thousandths(m[2])}
		// A million requests with a thousandth of these costs each.
		got := float64(p.Table(cost, 1000)) / 1e6
		want, _ := strconv.ParseFloat(m[3], 64)
		if math.Abs(got-want) > 0.006 {
			t.Errorf("%s: $%.4f", m[0], got)
		}
	}
	busy := p.Month(bill.Load{Requests: 1_000_000}, bill.Monitoring{}).Busy
	row := regexp.MustCompile(`(?m)^\| 10, 1 ` + cell.String()).FindStringSubmatch(string(text))
	if row == nil || p.Table(bill.Cost{Reads: thousandths(row[1]), Writes: thousandths(row[2])}, 1000) != busy {
		t.Errorf("a million requests of a busy key cost %d, and the page Limits has %q", busy, row)
	}
}

// The access log is the dearest choice at many requests. Its entries are those of the template.
func TestAnEntryOfTheAccessLogIsAsLongAsTheBillCounts(t *testing.T) {
	text, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, format, _ := strings.Cut(string(text), "            - LogsAccessLines\n            - ")
	line, format, _ := strings.Cut(format, "\n")
	_, format, _ = strings.Cut(format, "            - >-\n")
	entry, _, found := strings.Cut(format, "\n        - !Ref")
	if !found {
		t.Fatal("the template has no format of an access log")
	}
	values := map[string]string{
		"requestTime": "24/Nov/2026:12:00:00 +0000", "requestId": "7c1a9f0e-5b1d-4c1e-9a53-2f6d8f0b7a11",
		"extendedRequestId": "UK1abcDEFghiJKL=", "authorizer.principalId": "0123456789abcdef", "httpMethod": "DELETE",
		"resourcePath": "/api/v1/api-keys/{id}/credits", "status": "200", "identity.sourceIp": "203.0.113.109",
		"error.responseType": "-", "authorizer.status": "200", "authorizer.latency": "12", "integration.status": "200",
		"integration.latency": "1234", "responseLatency": "1250",
	}
	size := func(format string) int64 {
		return int64(len(regexp.MustCompile(`\$context\.[A-Za-z.]+`).ReplaceAllStringFunc(format, func(name string) string {
			value, known := values[strings.TrimPrefix(name, "$context.")]
			if !known {
				t.Errorf("%s has no value here", name)
			}
			return value
		})))
	}
	entry = strings.Join(strings.Fields(strings.ReplaceAll(entry, "\n", " ")), " ")
	for _, a := range read(t).Additions(2) {
		// Half a micro-dollar a million is the price of a byte a million.
		counted := a.ByMillion / 500
		for choice, is := range map[string]int64{"`AccessLog=json`": size(entry) + 26, "`AccessLog=line`": size(line) + 26} {
			if a.Choice == choice && (is > counted || is < counted*9/10) {
				t.Errorf("%s: an entry has %d bytes, and the bill counts %d", choice, is, counted)
			}
		}
	}
}

// observing is a handler that observes verdicts of five codes.
type observing struct{ recorder *metrics.Recorder }

func (o observing) Invoke(context.Context, []byte) ([]byte, error) {
	for _, code := range apikey.Codes()[:5] {
		for i := range 1000 {
			o.recorder.Observe(apikey.Verdict{Code: code}, nil, time.Duration(i*10)*time.Microsecond)
		}
	}
	return nil, nil
}

// written returns the names of the metrics that a function writes, and the bytes of the lines that it
// writes every 10 s.
func written(t *testing.T, extent metrics.Extent, counters ...string) (series map[string]bool, size int) {
	t.Helper()
	var out bytes.Buffer
	o := metrics.Options{
		Now: func() time.Time { return time.Unix(1795521600, 0) }, Extent: extent, Function: "a-stack-AuthorizerFunction-0123456789ab", Level: "INFO",
	}
	for _, name := range counters {
		o.Counters = append(o.Counters, metrics.Counter{Metric: name, Read: func() int64 { return 12345 }})
	}
	r := metrics.New(o)
	var h metrics.Handler = observing{r}
	if len(counters) == 2 {
		h = nothing{} // the keys function judges no keys of callers
	}
	if _, err := r.Watch("a-stack-with-a-name-authorizer", h, &out).Invoke(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	series = map[string]bool{}
	for line := range bytes.Lines(out.Bytes()) {
		var document struct {
			AWS struct {
				CloudWatchMetrics []struct {
					Dimensions [][]string
					Metrics    []struct{ Name string }
				}
			} `json:"_aws"`
			Code string
		}
		if err := json.Unmarshal(line, &document); err != nil {
			t.Fatal(err)
		}
		for _, d := range document.AWS.CloudWatchMetrics {
			for _, m := range d.Metrics {
				for _, set := range d.Dimensions {
					name := fmt.Sprint(m.Name, set)
					if strings.Contains(name, "code") {
						name += document.Code
					}
					series[name] = true
				}
			}
		}
		if !bytes.Contains(line, []byte(metrics.ColdStart)) { // written once
			size += len(line)
		}
	}
	return series, size
}

type nothing struct{}

func (nothing) Invoke(context.Context, []byte) ([]byte, error) { return nil, nil }

// The page names the numbers with full monitoring and for alarms alone.
func TestTheFunctionsWriteAsManyMetricsAsTheBillCounts(t *testing.T) {
	all := []string{metrics.Reads, metrics.Writes, metrics.LeaseHits, metrics.MemoryHits}
	judge, size := written(t, metrics.ForAll, all...)
	if t.Logf("%d bytes every 10 s", size); size > bill.MetricBytes {
		t.Errorf("an instance writes %d bytes every 10 s, and the bill counts %d", size, bill.MetricBytes)
	}
	keys, _ := written(t, metrics.ForAll, all[:2]...)
	if n := 2*len(judge) + len(keys); n != bill.AllMetrics {
		t.Errorf("%d metrics: %v and %v", n, judge, keys)
	}
	// Of five codes, valid has a metric. The rest are counted without a code.
	alarmed, _ := written(t, metrics.ForAlarms, all...)
	if n := 2 * len(alarmed); n != bill.AlarmMetrics {
		t.Errorf("%d metrics for alarms: %v", n, alarmed)
	}
	if none, _ := written(t, metrics.ForNone, all...); len(none) > 0 {
		t.Errorf("without monitoring: %v", none)
	}
}
