package dynamo

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// resolution is how much later than the Date header the true time may be.
const resolution = time.Second

// dated is a client that compares the clock with the Date of each reply. A clock that is far ahead
// would stop the refill of a meter for all instances, until the true time has caught up. By a clock
// that is far behind, a lease would end too late.
type dated struct {
	aws.HTTPClient
	now func() time.Time
	off *atomic.Int64 // how many nanoseconds the clock is at least behind; negative if it is ahead
}

// Do sends a request. The true time was the Date, or up to a second later, at some moment between
// sending and now. The duration of the request is therefore not taken for an error of the clock.
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

// Now returns the time of the clock in the options. If that is certainly wrong by the table's time,
// Now returns the nearest time that may be right.
func (t *Table) Now() time.Time { return t.Corrected(t.now()) }

// Corrected returns what Now returns when the clock in the options shows wall.
func (t *Table) Corrected(wall time.Time) time.Time { return wall.Add(time.Duration(t.off.Load())) }
