package metrics

import (
	"encoding/json"
	"slices"
	"time"
)

// document is one line of CloudWatch's embedded metric format. Values and dimensions are members of
// its root, and "_aws" says which member is which.
type document map[string]any

type metadata struct {
	Timestamp         int64 // milliseconds
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// count adds a count, unless it is 0.
func (d document) count(metric string, n int64, dimensions ...[]string) {
	if n != 0 {
		d.add(metric, n, "Count", dimensions)
	}
}

// values adds a metric with values in milliseconds, unless there are none.
func (d document) values(metric string, values []float64, dimensions ...[]string) {
	if len(values) > 0 {
		d.add(metric, values, "Milliseconds", dimensions)
	}
}

// add adds a metric under the dimensions. Metrics with the same dimensions share a directive.
func (d document) add(metric string, value any, unit string, dimensions [][]string) {
	d[metric] = value
	m, _ := d["_aws"].(metadata)
	same := func(other directive) bool { return slices.EqualFunc(other.Dimensions, dimensions, slices.Equal) }
	i := slices.IndexFunc(m.CloudWatchMetrics, same)
	if i < 0 {
		i = len(m.CloudWatchMetrics)
		m.CloudWatchMetrics = append(m.CloudWatchMetrics, directive{Namespace: Namespace, Dimensions: dimensions})
	}
	m.CloudWatchMetrics[i].Metrics = append(m.CloudWatchMetrics[i].Metrics, definition{metric, unit})
	d["_aws"] = m
}

// append returns lines with a document at the end, unless the document has no metrics.
func (r *Recorder) append(lines []byte, d document, now time.Time) []byte {
	m, ok := d["_aws"].(metadata)
	if !ok {
		return lines
	}
	m.Timestamp = now.UnixMilli()
	d["_aws"] = m
	d["level"], d["timestamp"] = r.options.Level, now.UTC().Format(time.RFC3339Nano)
	line, err := json.Marshal(d)
	if err != nil {
		panic(err) // a document has only texts and numbers, which can be encoded
	}
	return append(append(lines, line...), '\n')
}
