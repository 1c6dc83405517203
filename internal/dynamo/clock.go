package dynamo

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// resolution is how much later than it says the time in a Date header may be.
const resolution = time.Second

// dated is a client that compares the clock with the Date of each reply. A clock
// that is behind only makes the limiter deny; one that is far ahead would keep
// the meter from refilling for everybody, until the true time has caught up.
type dated struct {
	aws.HTTPClient
	now   func() time.Time
	ahead *atomic.Int64 // nanoseconds, at least
}

// Do sends a request. The clock is read before it is sent, since how long it
// took to be answered is not known to be the clock's fault.
func (d dated) Do(r *http.Request) (*http.Response, error) {
	sent := d.now()
	response, err := d.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		d.ahead.Store(max(0, int64(sent.Sub(date.Add(resolution)))))
	}
	return response, nil
}

// Now is the time by the clock in the options, less what it is ahead of the
// table's by more than the table can tell.
func (t *Table) Now() time.Time { return t.now().Add(-time.Duration(t.ahead.Load())) }
