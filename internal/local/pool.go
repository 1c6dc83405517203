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

// Pool runs one function as Lambda does: in environments that handle one request at a time. The most recently used one
// that is free comes first, another is started when none is, and one that nobody has needed for a while ends. It is safe
// for concurrent use.
type Pool struct {
	newEnvironment func() lambda.Handler
	slots          chan struct{} // one for each request that runs

	mu   sync.Mutex
	idle []environment // the most recently used one is last
}

// environment is where a goroutine takes its requests from. It has one of its own, and not each request, since the
// stack that a handler needs takes long to grow.
type environment chan call

// call is a request for an environment.
type call struct {
	ctx     context.Context
	payload []byte
	done    chan<- outcome
}

type outcome struct {
	answer []byte
	err    error
}

// unused is how long an environment waits for its next request.
const unused = 10 * time.Minute

// NewPool returns a pool of at most max environments. newEnvironment is called on demand, as part of the request that
// needs one, possibly by several requests at once; each handler it returns is an environment with a memory of its own.
func NewPool(newEnvironment func() lambda.Handler, max int) *Pool {
	return &Pool{newEnvironment: newEnvironment, slots: make(chan struct{}, max)}
}

// Invoke hands payload to an environment and waits for its answer. While all are busy, it waits for one. An environment
// that panics, or has not answered when ctx ends, is thrown away; the panic comes back as an error with its stack.
func (p *Pool) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free environment: %w", ctx.Err())
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

// live is an environment's life.
func (p *Pool) live(e environment) {
	var handler lambda.Handler
	handle := func(c call) (again bool) {
		// This is what remains when the handler ends its goroutine.
		o := outcome{err: errors.New("the function exited without an answer")}
		defer func() {
			if cause := recover(); cause != nil {
				o = outcome{err: fmt.Errorf("the function panicked: %v\n%s", cause, debug.Stack())}
			}
			c.done <- o
		}()
		if handler == nil {
			handler = p.newEnvironment()
		}
		answer, err := handler.Invoke(c.ctx, c.payload)
		// The handler may keep the answer's memory for its next one.
		o = outcome{bytes.Clone(answer), err}
		if c.ctx.Err() != nil {
			return false
		}
		p.giveBack(e)
		return true
	}
	idle := time.NewTimer(unused)
	for {
		select {
		case c := <-e:
			if !handle(c) {
				return
			}
			idle.Reset(unused)
		case <-idle.C:
			if p.remove(e) {
				return
			}
		}
	}
}

func (p *Pool) take() environment {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		e := make(environment, 1)
		go p.live(e)
		return e
	}
	last := len(p.idle) - 1
	e := p.idle[last]
	p.idle = p.idle[:last]
	return e
}

func (p *Pool) giveBack(e environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, e)
}

// remove reports false if somebody has just taken it.
func (p *Pool) remove(e environment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, e)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	return i >= 0
}

// newUUID returns a random UUID, the form of API Gateway's and Lambda's request IDs.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
