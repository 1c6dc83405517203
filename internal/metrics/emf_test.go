package metrics_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// line is a document as CloudWatch reads it.
type line struct {
	at   time.Time
	root map[string]any
	// metrics by name, with the dimensions of each.
	metrics map[string][][]string
}

// parse reads a document. It checks the rules of the format's specification, and our own: the
// namespace, the names of dimensions and the units.
func parse(t *testing.T, text []byte) line {
	t.Helper()
	var meta struct {
		AWS *struct {
			Timestamp         *int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	l := line{metrics: make(map[string][][]string)}
	if err := strict.Decode(&meta); err != nil || json.Unmarshal(text, &l.root) != nil {
		t.Fatalf("%s: %v", text, err)
	}
	bad := func(format string, args ...any) { t.Errorf("%s: %s", fmt.Sprintf(format, args...), text) }
	if meta.AWS == nil || meta.AWS.Timestamp == nil || len(meta.AWS.CloudWatchMetrics) == 0 {
		t.Fatalf("no metadata: %s", text)
	}
	l.at = time.UnixMilli(*meta.AWS.Timestamp).UTC()
	if members := l.root["_aws"].(map[string]any); len(members) != 2 {
		bad("_aws has other members")
	}
	if len(text) > 256<<10 {
		bad("%d bytes", len(text))
	}
	for i, d := range meta.AWS.CloudWatchMetrics {
		if members := l.root["_aws"].(map[string]any)["CloudWatchMetrics"].([]any)[i].(map[string]any); len(members) != 3 {
			bad("directive %d has other members", i)
		}
		if d.Namespace != "Latchkey" || len(d.Dimensions) == 0 || len(d.Metrics) == 0 || len(d.Metrics) > 100 {
			bad("directive %d", i)
		}
		for _, set := range d.Dimensions {
			if len(set) == 0 || len(set) > 30 || !slices.Contains(set, "service") {
				bad("dimensions %v", set)
			}
			for _, name := range set {
				if value, ok := l.root[name].(string); !ok || value == "" || len(value) > 1024 {
					bad("dimension %s has no value", name)
				}
				if !slices.Contains([]string{"service", "code", "function_name"}, name) {
					bad("dimension %s", name)
				}
			}
		}
		for _, m := range d.Metrics {
			if m.Name == "" || !slices.Contains([]string{"Count", "Milliseconds"}, m.Unit) {
				bad("metric %+v", m)
			}
			if _, twice := l.metrics[m.Name]; twice {
				bad("metric %s is there twice", m.Name)
			}
			l.metrics[m.Name] = d.Dimensions
			values, many := l.root[m.Name].([]any)
			if !many {
				values = []any{l.root[m.Name]}
			}
			if len(values) == 0 || len(values) > 100 {
				bad("metric %s has %d values", m.Name, len(values))
			}
			for _, v := range values {
				if n, ok := v.(float64); !ok || n <= 0 {
					bad("metric %s has the value %v", m.Name, v)
				}
			}
		}
	}
	// If Lambda is set to log less than INFO, it drops lines without a level or a time.
	if stamp, err := time.Parse(time.RFC3339, fmt.Sprint(l.root["timestamp"])); err != nil || stamp.Sub(l.at).Abs() > time.Millisecond {
		bad("timestamp is %v", l.root["timestamp"])
	}
	if l.root["level"] != "WARN" {
		bad("level is %v", l.root["level"])
	}
	for name := range l.root {
		_, metric := l.metrics[name]
		if !metric && !slices.Contains([]string{"_aws", "service", "code", "function_name", "level", "timestamp"}, name) {
			bad("member %s is unknown", name)
		}
	}
	return l
}
