package instance_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/instance"
	"latchkey/internal/metrics"
)

// The variable METRICS reaches the recorder. An instance without monitoring writes nothing.
func TestAnInstanceWritesTheMetricsOfItsConfiguration(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	for _, c := range []struct {
		metrics  string
		cold     bool // it writes that it has started
		verdicts bool
	}{{"full", true, true}, {"alarms", false, true}, {"off", false, false}} {
		e, err := instance.New(t.Context(), config.Config{
			TableName: options.Name, Endpoint: options.Endpoint, Local: true, Metrics: c.metrics,
			Secret:    config.NewSensitive(`{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`),
			KeyPrefix: "sk", AuditDays: 365, Freshness: config.Duration(time.Second), Environments: []apikey.Environment{apikey.Live},
			Function: "f", LogLevel: "INFO",
		}, options.AWS, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := e.Metrics.Watch("authorizer", checks{gate: e.Gate, times: 1}, &out).Invoke(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		cold, verdicts := strings.Contains(out.String(), metrics.ColdStart), strings.Contains(out.String(), metrics.Verdicts)
		if cold != c.cold || verdicts != c.verdicts || !c.verdicts && out.Len() > 0 {
			t.Errorf("%s: %s", c.metrics, out.String())
		}
	}
}
