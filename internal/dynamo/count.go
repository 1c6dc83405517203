package dynamo

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sent is how many requests went out: it only grows. A write that failed for no fault of its own
// sets refused.
type sent struct {
	reads, writes atomic.Int64
	refused       atomic.Bool
}

// counted is a client that counts what it sends. Each attempt counts, since each
// that arrives is paid for.
type counted struct {
	aws.HTTPClient
	sent *sent
}

// Do sends a request.
func (c counted) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch operation {
	case "GetItem", "BatchGetItem", "Query":
		c.sent.reads.Add(1)
	case "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems":
		c.sent.writes.Add(1)
		response, err := c.HTTPClient.Do(r)
		if err != nil || response.StatusCode >= http.StatusInternalServerError {
			c.sent.refused.Store(true)
		}
		return response, err
	}
	return c.HTTPClient.Do(r)
}

// Reads and Writes are how many requests of a kind the table was sent, those that
// were tried again or failed included. A request of many items is one.
func (t *Table) Reads() int64  { return t.sent.reads.Load() }
func (t *Table) Writes() int64 { return t.sent.writes.Load() }
