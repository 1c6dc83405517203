package dynamotest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Fault is one way in which a network or a table fails a request.
type Fault string

const (
	LostRequest Fault = "lost request"     // the request does not reach the engine
	LostReply   Fault = "lost reply"       // the engine carries out the request
	Delay       Fault = "delay"            // the request arrives up to 20 ms later
	Reset       Fault = "reset"            // the connection ends in the middle of the reply
	Throttled   Fault = "throttled"        // 400 ProvisionedThroughputExceededException
	Limited     Fault = "request limit"    // 400 RequestLimitExceeded
	Internal    Fault = "internal error"   // 500; the engine does not see the request
	Unavailable Fault = "unavailable"      // 503; the engine does not see the request
	Committed   Fault = "500 after commit" // 500; the engine carries out the request
)

// Before returns the faults that happen before the table carries out a request.
func Before() []Fault {
	return []Fault{LostRequest, Delay, Throttled, Limited, Internal, Unavailable}
}

// After returns the faults that happen after the table has carried out a request. The client cannot
// tell whether it has.
func After() []Fault { return []Fault{LostReply, Reset, Committed} }

// Faults is a transport for the SDK that fails some requests. It is safe for concurrent use. The name
// of the test is the seed of its choices. When the test ends, it logs how many faults it made.
type Faults struct {
	next http.RoundTripper

	mu               sync.Mutex
	random           *rand.Rand
	share            map[Fault]float64
	planned          []Fault
	all              Fault
	spareLastAttempt bool // see lastAttempt
	done             map[Fault]int
	total            int
}

// NewFaults returns a transport that makes no faults until Set, Next or All is called.
func NewFaults(t testing.TB) *Faults {
	t.Helper()
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.Name()))
	f := &Faults{
		next:   &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
		random: rand.New(rand.NewPCG(h.Sum64(), 1)), share: make(map[Fault]float64), done: make(map[Fault]int),
	}
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		t.Logf("%d requests to the table, seed %d, faults %v", f.total, h.Sum64(), f.done)
		f.next.(*http.Transport).CloseIdleConnections()
	})
	return f
}

// Set makes each of the faults in the given share of all requests, from 0 to 1. It replaces the shares
// of an earlier call.
func (f *Faults) Set(share float64, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.share)
	for _, fault := range faults {
		f.share[fault] = share
	}
}

// Next makes one fault in each of the next requests, in this order. An empty fault is none.
func (f *Faults) Next(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned = append(f.planned, faults...)
}

// Clear removes the faults that Next has planned.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned = nil
}

// All makes the fault in every request, until All is called again with an empty fault.
func (f *Faults) All(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = fault
}

func (f *Faults) draw(r *http.Request) (Fault, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	chosen := f.choose(r)
	if chosen != "" {
		f.done[chosen]++
	}
	return chosen, time.Duration(f.random.Int64N(int64(20 * time.Millisecond)))
}

func (f *Faults) choose(r *http.Request) Fault {
	switch {
	case f.all != "":
		return f.all
	case len(f.planned) > 0:
		next := f.planned[0]
		f.planned = f.planned[1:]
		return next
	case f.spareLastAttempt && lastAttempt(r):
		return ""
	}
	p := f.random.Float64()
	for _, fault := range append(Before(), After()...) { // always in the same order, so that a seed repeats
		if p -= f.share[fault]; p < 0 {
			return fault
		}
	}
	return ""
}

// lastAttempt reports whether the SDK will not retry the request. The SDK's header says so, as in
// "attempt=3; max=3".
func lastAttempt(r *http.Request) bool {
	var attempt, most int
	_, err := fmt.Sscanf(r.Header.Get("Amz-Sdk-Request"), "attempt=%d; max=%d", &attempt, &most)
	return err == nil && attempt >= most
}

var errLost = errors.New("the network has lost the request or its reply")

// RoundTrip implements [http.RoundTripper].
func (f *Faults) RoundTrip(r *http.Request) (*http.Response, error) {
	fault, delay := f.draw(r)
	switch fault {
	case LostRequest:
		return nil, errLost
	case Throttled:
		return answer(r, 400, "ProvisionedThroughputExceededException"), nil
	case Limited:
		return answer(r, 400, "RequestLimitExceeded"), nil
	case Internal:
		return answer(r, 500, "InternalServerError"), nil
	case Unavailable:
		return answer(r, 503, "ServiceUnavailable"), nil
	case Delay:
		time.Sleep(delay)
	}
	response, err := f.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch fault {
	case LostReply:
		response.Body.Close()
		return nil, errLost
	case Committed:
		response.Body.Close()
		return answer(r, 500, "InternalServerError"), nil
	case Reset:
		response.Body = &resetBody{response.Body}
	}
	return response, nil
}

// resetBody ends with an error after at most seven bytes.
type resetBody struct{ io.ReadCloser }

func (b *resetBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), 7)])
	if err == nil {
		err = syscall.ECONNRESET
	}
	return n, err
}

func answer(r *http.Request, status int, code string) *http.Response {
	body := fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"injected"}`, code)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader([]byte(body))),
	}
}
