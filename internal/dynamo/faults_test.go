package dynamo_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"

	"latchkey/internal/apikey"
)

// faults is a transport that loses requests before the engine sees them and
// replies after it has done what was asked: the two look the same from here.
type faults struct {
	mu       sync.Mutex
	random   *rand.Rand
	requests float64 // share of requests lost
	replies  float64 // share of replies lost
	next     int     // replies to lose first
}

func newFaults(seed uint64) *faults { return &faults{random: rand.New(rand.NewPCG(seed, seed))} }

func (f *faults) loseReplies(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = n
}

func (f *faults) draw() (request, reply bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next > 0 {
		f.next--
		return false, true
	}
	return f.random.Float64() < f.requests, f.random.Float64() < f.replies
}

var errLost = errors.New("connection reset by peer")

func (f *faults) Do(r *http.Request) (*http.Response, error) {
	request, reply := f.draw()
	if request {
		return nil, errLost
	}
	response, err := http.DefaultClient.Do(r)
	if err == nil && reply {
		response.Body.Close()
		return nil, errLost
	}
	return response, err
}

func isCallersMistake(err error) bool {
	for _, mistake := range []error{apikey.ErrNotFound, apikey.ErrConflict, apikey.ErrTooManyKeys, apikey.ErrInvalid, apikey.ErrForbidden} {
		if errors.Is(err, mistake) {
			return true
		}
	}
	return false
}
