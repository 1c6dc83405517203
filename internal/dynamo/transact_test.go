package dynamo_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// canceling is a transport that cancels transactions, with one reason for each write.
type canceling struct {
	next http.RoundTripper

	mu      sync.Mutex
	planned []cancellation
	sent    int
}

type cancellation struct {
	reasons string
	late    bool // the canceled transaction arrives later
}

func (c *canceling) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".TransactWriteItems") {
		return c.next.RoundTrip(r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if len(c.planned) == 0 {
		return c.next.RoundTrip(r)
	}
	now := c.planned[0]
	c.planned = c.planned[1:]
	if now.late {
		done, err := c.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		done.Body.Close()
	}
	var reasons []string
	for _, code := range strings.Fields(now.reasons) {
		reasons = append(reasons, fmt.Sprintf(`{"Code":%q}`, code))
	}
	body := fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"injected","CancellationReasons":[%s]}`,
		strings.Join(reasons, ","))
	return &http.Response{
		StatusCode: 400, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

var errUndecided = errors.New("undecided")

// A transaction that met another one, or a busy table, is tried again; a condition
// that did not hold is an answer, whatever else there was; all else is none.
func TestWhyATransactionWasCanceledSaysWhetherItIsTriedAgain(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	network := &canceling{next: options.Transport}
	options.Transport = network
	table := dynamo.Open(options)
	// The writes are those of a key, its alias, and its user's count.
	for n, c := range []struct {
		planned []cancellation
		want    error
		sent    int
	}{
		{nil, nil, 1},
		{[]cancellation{{reasons: "None None TransactionConflict"}}, nil, 2},
		{[]cancellation{{reasons: "ThrottlingError None None"}}, nil, 2},
		{[]cancellation{{reasons: "None None ProvisionedThroughputExceeded"}, {reasons: "TransactionConflict None ThrottlingError"}}, nil, 3},
		{[]cancellation{{reasons: "ConditionalCheckFailed None None"}}, apikey.ErrConflict, 1},
		{[]cancellation{{reasons: "None None ConditionalCheckFailed"}}, apikey.ErrTooManyKeys, 1},
		{[]cancellation{{reasons: "ThrottlingError None ConditionalCheckFailed"}}, apikey.ErrTooManyKeys, 1},
		{[]cancellation{{reasons: "TransactionConflict ConditionalCheckFailed None"}}, apikey.ErrConflict, 1},
		{[]cancellation{{reasons: "ValidationError None None"}}, errUndecided, 1},
		{[]cancellation{{reasons: "ValidationError None TransactionConflict"}}, errUndecided, 1},
		{[]cancellation{{reasons: "SomethingNew None None"}}, errUndecided, 1},
		{[]cancellation{{reasons: ""}}, errUndecided, 1},
		{slices.Repeat([]cancellation{{reasons: "ThrottlingError None None"}}, 9), errUndecided, 6},
		// The one that was done is the one that was asked for.
		{[]cancellation{{reasons: "None None TransactionConflict", late: true}}, nil, 2},
		{[]cancellation{{reasons: "None None ThrottlingError"}, {reasons: "None None TransactionConflict", late: true}}, nil, 3},
	} {
		network.planned, network.sent = c.planned, 0
		k := registrytest.NewKey(n, fmt.Sprintf("user %d", n))
		err := table.Write(t.Context(), registry.Write{To: k, Most: 1})
		if c.want == errUndecided {
			if err == nil || isCallersMistake(err) {
				t.Errorf("%v: %v; want an error that is nobody's mistake", c.planned, err)
			}
		} else if !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.planned, err, c.want)
		}
		if network.sent != c.sent {
			t.Errorf("%v: sent %d times, want %d", c.planned, network.sent, c.sent)
		}
		network.planned = nil
		if _, err := table.Find(t.Context(), k.ID); (err == nil) != (c.want == nil) {
			t.Errorf("%v: then %v", c.planned, err)
		}
	}
}
