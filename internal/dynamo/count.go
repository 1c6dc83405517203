package dynamo

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sent counts the requests that were sent. refused is set if a write fails for a reason other than
// the write itself.
type sent struct {
	reads, writes atomic.Int64
	refused       atomic.Bool
}

// counted is a client that counts its requests. Each attempt counts, because each that arrives is
// paid for.
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

// Reads and Writes return how many requests of a kind were sent to the table. They include retries
// and failures. A request for many items counts as one.
func (t *Table) Reads() int64  { return t.sent.reads.Load() }
func (t *Table) Writes() int64 { return t.sent.writes.Load() }
