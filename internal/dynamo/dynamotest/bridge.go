package dynamotest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// Bridge is a transport from a bubble of testing/synctest to the engine, which is outside of it. The
// bubble's time stands still while the engine works, so a request takes no virtual time. Bridge is
// safe for concurrent use.
type Bridge struct {
	calls chan call
	free  chan chan crossed
}

// call is a request that crosses the bridge, and where its answer goes.
type call struct {
	request *http.Request
	answer  chan<- crossed
}

// crossed is an answer with its whole body.
type crossed struct {
	response *http.Response
	err      error
}

// lanes is how many requests cross a bridge at once.
const lanes = 16

// NewBridge returns a bridge that is open until the test ends. It must be called outside of the
// bubble: a bubble sees a wait for an outer channel as work, and not as time that may pass.
func NewBridge(t testing.TB) *Bridge {
	t.Helper()
	b := &Bridge{calls: make(chan call), free: make(chan chan crossed, lanes)}
	next := &http.Transport{MaxIdleConnsPerHost: lanes}
	for range lanes {
		b.free <- make(chan crossed, 1)
		go func() {
			for c := range b.calls {
				response, err := fetch(next, c.request)
				c.answer <- crossed{response, err}
			}
		}()
	}
	t.Cleanup(func() {
		close(b.calls)
		next.CloseIdleConnections()
	})
	return b
}

// fetch is RoundTrip, and reads the body of the answer.
func fetch(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// RoundTrip implements [http.RoundTripper]. It does not watch the context of r: a request that was
// sent is carried out.
func (b *Bridge) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read a request for the bridge: %w", err)
	}
	// A goroutine outside of the bubble must not wait for a context of the bubble.
	outer, err := http.NewRequestWithContext(context.Background(), r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	outer.Header, outer.Host = r.Header.Clone(), r.Host
	answer := <-b.free
	b.calls <- call{outer, answer}
	c := <-answer
	b.free <- answer
	if c.err != nil {
		return nil, c.err
	}
	c.response.Request = r
	return c.response, nil
}
