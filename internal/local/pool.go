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

	mu   sync.Mutex
	idle []instance // the one that was used last is last
}

// instance delivers requests to the goroutine of an instance. Each instance has one goroutine, and
// not one for each request, because the stack that a handler needs takes long to grow.
type instance chan call

// call is a request to an instance.
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
// a handler with a memory of its own.
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
		p.giveBack(i)
		return true
	}
	idle := time.NewTimer(idleLimit)
	for {
		select {
		case c := <-i:
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

func (p *Pool) giveBack(i instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, i)
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
