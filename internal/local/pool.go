package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Pool runs one function as Lambda does: in instances that handle one request at a time. A request
// goes to the free instance that was used last. If none is free, the pool starts one. An instance
// ends after ten minutes without a request. A Pool is safe for concurrent use.
type Pool struct {
	newHandler func() lambda.Handler
	slots      chan struct{} // holds one element for each request that runs

	mu     sync.Mutex
	idle   []instance // the one that was used last is last
	closed bool
}

// instance delivers requests to the goroutine of an instance. Each instance has one goroutine, and
// not one for each request, because the stack that a handler needs takes long to grow.
type instance chan call

// call is a request to an instance. Without a context, it asks the instance to end.
type call struct {
	ctx     context.Context
	payload []byte
	done    chan<- outcome
}

type outcome struct {
	answer []byte
	err    error
}

// idleLimit is how long an instance waits for its next request before it ends.
const idleLimit = 10 * time.Minute

// NewPool returns a pool of at most max instances. newHandler is called when a request needs a new
// instance, as part of that request, and possibly by several requests at once. Each call must return
// a handler with a memory of its own. If a handler has a method Close, it is called when its instance
// ends.
func NewPool(newHandler func() lambda.Handler, max int) *Pool {
	return &Pool{newHandler: newHandler, slots: make(chan struct{}, max)}
}

// Invoke passes payload to an instance and waits for its answer. While all instances are busy, it
// waits for one. An instance that panics, or has not answered when ctx ends, is abandoned. A panic
// becomes an error with its stack.
func (p *Pool) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free instance: %w", ctx.Err())
	}
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: newUUID()})
	done := make(chan outcome, 1)
	p.take() <- call{ctx, payload, done}
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the function did not answer in time: %w", ctx.Err())
	}
}

// Close ends the instances that wait for a request, and waits until they have ended. An instance that is
// busy ends after its request. The pool may still be used, and then starts an instance for each request.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	ended := make(chan outcome, len(idle))
	for _, i := range idle {
		i <- call{done: ended}
	}
	for range idle {
		<-ended
	}
}

// end ends an instance, whose handler is nil if it had no request. A panic is no one's business any
// more.
func end(handler lambda.Handler) {
	defer func() { _ = recover() }()
	if h, ok := handler.(interface{ Close() }); ok {
		h.Close()
	}
}

// run is the goroutine of an instance.
func (p *Pool) run(i instance) {
	var handler lambda.Handler
	handle := func(c call) (again bool) {
		// This outcome stays if the handler ends its goroutine.
		o := outcome{err: errors.New("the function exited without an answer")}
		defer func() {
			if cause := recover(); cause != nil {
				o = outcome{err: fmt.Errorf("the function panicked: %v\n%s", cause, debug.Stack())}
			}
			c.done <- o
		}()
		if handler == nil {
			handler = p.newHandler()
		}
		answer, err := handler.Invoke(c.ctx, c.payload)
		// The handler may reuse the answer's memory for its next answer.
		o = outcome{bytes.Clone(answer), err}
		if c.ctx.Err() != nil {
			return false
		}
		return p.giveBack(i)
	}
	defer func() { end(handler) }()
	idle := time.NewTimer(idleLimit)
	for {
		select {
		case c := <-i:
			if c.ctx == nil {
				end(handler)
				handler = nil
				c.done <- outcome{}
				return
			}
			if !handle(c) {
				return
			}
			idle.Reset(idleLimit)
		case <-idle.C:
			if p.remove(i) {
				return
			}
		}
	}
}

func (p *Pool) take() instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		i := make(instance, 1)
		go p.run(i)
		return i
	}
	last := len(p.idle) - 1
	i := p.idle[last]
	p.idle = p.idle[:last]
	return i
}

// giveBack makes an instance wait for its next request. It reports false if the pool is closed.
func (p *Pool) giveBack(i instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.idle = append(p.idle, i)
	}
	return !p.closed
}

// remove reports false if a request has just taken the instance.
func (p *Pool) remove(i instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.idle, i)
	if at >= 0 {
		p.idle = slices.Delete(p.idle, at, at+1)
	}
	return at >= 0
}

// newUUID returns a random UUID. The request IDs of API Gateway and Lambda have this form.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
