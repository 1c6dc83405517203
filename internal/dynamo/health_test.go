package dynamo_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
)

// fullDisk is an engine that answers reads and, while it is full, no write.
type fullDisk struct {
	full   atomic.Bool
	writes atomic.Int64
}

func (d *fullDisk) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if operation != "GetItem" && operation != "Query" {
		d.writes.Add(1)
		if d.full.Load() {
			return &http.Response{
				StatusCode: 500, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Request: r,
				Body: io.NopCloser(bytes.NewReader([]byte(`{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"disk full"}`))),
			}, nil
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestHealthKnowsWhetherTheTableTakesWrites(t *testing.T) {
	options := dynamotest.Options(t)
	disk := &fullDisk{}
	now := time.Now()
	options.Transport, options.Now = disk, func() time.Time { return now }
	table := dynamo.Open(options)
	step := func(name string, pass time.Duration, healthy bool, writes int64) {
		t.Helper()
		now = now.Add(pass)
		disk.writes.Store(0)
		err := table.Health(t.Context())
		if healthy != (err == nil) {
			t.Errorf("%s: %v, want healthy: %v", name, err, healthy)
		}
		if got := disk.writes.Load(); healthy && got != writes || !healthy && got == 0 {
			t.Errorf("%s: %d writes, want %d", name, got, writes)
		}
	}
	step("at first", 0, true, 1)
	for range 100 {
		step("soon after", 100*time.Millisecond, true, 0)
	}
	step("before long", 19*time.Second, true, 0)
	step("after 30 s", time.Second, true, 1)
	step("a clock that is set back", -time.Hour, true, 1)

	disk.full.Store(true)
	step("full, and nobody has written", time.Second, true, 0)
	if _, err := table.Spend(t.Context(), meterID, ratelimit.Spend{Tokens: 1, Window: time.Second, Day: 20261124, At: morning, Fresh: true}); err == nil {
		t.Fatal("a full disk takes a write")
	}
	step("full, and somebody has written", 0, false, 0)
	step("still full", time.Second, false, 0)
	disk.full.Store(false)
	step("room again", time.Second, true, 1)
	step("and soon after", time.Second, true, 0)
	disk.full.Store(true)
	step("full, 30 s later", 30*time.Second, false, 0)
}
