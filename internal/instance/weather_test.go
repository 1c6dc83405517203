package instance_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// weather is the network between instances and the table, in virtual time.
type weather struct {
	bridge *dynamotest.Bridge

	mu     sync.Mutex
	random *rand.Rand
	now    func(ask) fate // the present weather
	sent   map[string]int // requests by their outcome
}

// ask is a request to the table.
type ask struct{ operation, body string }

// spends reports whether a request writes the meter of a key.
func (a ask) spends(id string) bool {
	return a.operation == "UpdateItem" && a.about(id) && strings.Contains(a.body, `"meter"`)
}

// about reports whether a request is about items of a key.
func (a ask) about(id string) bool { return strings.Contains(a.body, `"key#`+id+`"`) }

// fate is what becomes of a request. The zero fate is a healthy one.
type fate struct {
	there, back time.Duration // more than the usual time, to the table and of the answer
	lost        bool          // it never arrives
	again       time.Duration // if not zero, it arrives a second time, so much later
	err         error         // instead of an answer
	code        string        // of an error instead of the table's answer
	status      int           // of that error; zero: 400
	after       string        // its X-Amz-Retry-After, in milliseconds
	reasons     string        // why a transaction was canceled, one for each write
}

func fair(ask) fate { return fate{} }

// set changes the weather.
func (w *weather) set(now func(ask) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

// forecast returns the fate of a request, and the usual time of one way.
func (w *weather) forecast(a ask) (fate, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.now(a)
	outcome := f.code
	if f.err != nil {
		outcome = f.err.Error()
	}
	w.sent[strings.TrimSpace(a.operation+" "+outcome)]++
	return f, time.Millisecond + time.Duration(w.random.Int64N(int64(3*time.Millisecond)))
}

// draw returns a random number from 0 to 1. Only the function of set may call it.
func (w *weather) draw() float64 { return w.random.Float64() }

// RoundTrip carries a request. A request that is on its way arrives, also if its caller gives up.
func (w *weather) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f, usual := w.forecast(ask{operation, string(body)})
	arrived := make(chan *http.Response, 1)
	go func() {
		time.Sleep(usual + f.there)
		answer := f.answer(r)
		if !f.lost {
			real, err := w.carry(r, body)
			f.err = cmp.Or(f.err, err)
			answer = cmp.Or(answer, real)
		}
		time.Sleep(usual + f.back)
		arrived <- answer
		if f.again > 0 {
			time.Sleep(f.again)
			_, _ = w.carry(r, body)
		}
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case answer := <-arrived:
		switch {
		case f.err != nil:
			return nil, f.err
		case answer == nil:
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		// The Date is the true time: the engine's own is outside of the bubble.
		answer.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		return answer, nil
	}
}

// carry sends a request to the engine.
func (w *weather) carry(r *http.Request, body []byte) (*http.Response, error) {
	copied := r.Clone(context.Background())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return w.bridge.RoundTrip(copied)
}

// answer returns the answer that takes the place of the table's, or nil.
func (f fate) answer(r *http.Request) *http.Response {
	if f.code == "" {
		return nil
	}
	var reasons []string
	for code := range strings.FieldsSeq(f.reasons) {
		reasons = append(reasons, fmt.Sprintf(`{"Code":%q}`, code))
	}
	body := fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"injected","CancellationReasons":[%s]}`,
		f.code, strings.Join(reasons, ","))
	response := &http.Response{
		StatusCode: max(f.status, 400), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
	if f.after != "" {
		response.Header.Set("X-Amz-Retry-After", f.after)
	}
	return response
}
