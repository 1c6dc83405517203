package instance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/instance"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// checks is a function that asks the gate many times.
type checks struct {
	gate    *gate.Gate
	request gate.Request
	times   int
}

func (c checks) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	for range c.times {
		if v, err := c.gate.Check(ctx, c.request); err != nil || !v.Valid() {
			return nil, err
		}
	}
	return nil, nil
}

func TestAnInstanceCountsItsRequestsToTheTable(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	e, err := instance.New(t.Context(), config.Config{
		TableName: options.Name, Endpoint: options.Endpoint, Local: true,
		Secret:    config.NewSensitive(`{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`),
		KeyPrefix: "sk", AuditDays: 365, Freshness: config.Duration(time.Second), Environments: []apikey.Environment{apikey.Live},
		Function: "f", LogLevel: "INFO",
		// The clock must be right. A wrong one is corrected by the table's a second at a time, and a
		// lease could end before it is used.
	}, options.AWS, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	token, err := e.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Registry.Build(
		t.Context(),
		token,
		"u1",
		apikey.Live,
		apikey.Change{Limit: &ratelimit.Limit{Requests: 10_000, Window: time.Minute}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Table.Write(t.Context(), registry.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	const times = 200
	c := checks{e.Gate, gate.Request{Credential: e.Format.Credential(token.Reveal()), Cost: 1}, times}
	if _, err := e.Metrics.Watch("authorizer", c, &out).Invoke(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, text, _ := bytes.Cut(out.Bytes(), []byte("\n")) // after the line of its start
	var got struct {
		Service, Code                                  string
		Verdicts, Reads, Writes, LeaseHits, MemoryHits int64
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	// The key was written once. It and its user were read once. A write pays for a few requests.
	if got.Service != "authorizer" || got.Code != "valid" || got.Verdicts != times || got.Reads != 2 || got.MemoryHits != times-1 ||
		got.Writes < 2 || got.Writes > times/4 ||
		got.LeaseHits != times-(got.Writes-1) {
		t.Errorf("%+v of %s", got, out.Bytes())
	}
	if bytes.Contains(out.Bytes(), []byte(token.ID())) {
		t.Error("it tells of a key")
	}
}
