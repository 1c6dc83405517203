package devstack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Pool runs one function as Lambda does: in environments that handle one request at a time. The most recently used one
// that is free comes first, another is started when none is. It is safe for concurrent use.
type Pool struct {
	newEnvironment func() lambda.Handler
	slots          chan struct{} // one for each request that runs

	mu   sync.Mutex
	idle []lambda.Handler // the most recently used one is last
}

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

	type outcome struct {
		answer []byte
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		// This is what remains when the handler ends its goroutine.
		o := outcome{err: errors.New("the function exited without an answer")}
		defer func() {
			if cause := recover(); cause != nil {
				o = outcome{err: fmt.Errorf("the function panicked: %v\n%s", cause, debug.Stack())}
			}
			done <- o
		}()
		environment := p.take()
		if environment == nil {
			environment = p.newEnvironment()
		}
		answer, err := environment.Invoke(ctx, payload)
		// The handler may keep the answer's memory for its next one.
		o = outcome{bytes.Clone(answer), err}
		if ctx.Err() == nil {
			p.giveBack(environment)
		}
	}()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the function did not answer in time: %w", ctx.Err())
	}
}

func (p *Pool) take() lambda.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	last := len(p.idle) - 1
	environment := p.idle[last]
	p.idle = p.idle[:last]
	return environment
}

func (p *Pool) giveBack(environment lambda.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, environment)
}

// newUUID returns a random UUID, the form of API Gateway's and Lambda's request IDs.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, b[(len(text)-i)/2:end])
	}
	return string(text)
}
