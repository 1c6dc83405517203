package dynamo

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// resolution is how much later than it says the time in a Date header may be.
const resolution = time.Second

// dated is a client that compares the clock with the Date of each reply. One that
// is far ahead would keep the meter from refilling for everybody, until the true
// time has caught up, and by one that is far behind a lease would end too late.
type dated struct {
	aws.HTTPClient
	now func() time.Time
	off *atomic.Int64 // nanoseconds that the clock is behind, at least; negative: ahead
}

// Do sends a request. The true time was the Date, or up to a second later, between
// then and now: how long the answer took is not known to be the clock's fault.
func (d dated) Do(r *http.Request) (*http.Response, error) {
	sent := d.now()
	response, err := d.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		behind, ahead := date.Sub(d.now()), sent.Sub(date.Add(resolution))
		d.off.Store(int64(max(0, behind) - max(0, ahead)))
	}
	return response, nil
}

// Now is the time by the clock in the options, unless it is further off the table's
// than the table can tell: then it is as near as that.
func (t *Table) Now() time.Time { return t.now().Add(time.Duration(t.off.Load())) }
