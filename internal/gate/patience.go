package gate

import (
	"context"
	"sync/atomic"
	"time"
)

// patience is a context that ends some time after its first use. Most checks are answered from
// memory and never use it: a timer for each would cost more than the check. It is safe for
// concurrent use, because goroutines of the HTTP client use it too.
type patience struct {
	parent context.Context
	limit  time.Duration
	begun  atomic.Pointer[deadline]
}

type deadline struct {
	context.Context
	cancel context.CancelFunc
}

func (p *patience) context() context.Context {
	if d := p.begun.Load(); d != nil {
		return d
	}
	ctx, cancel := context.WithTimeout(p.parent, p.limit)
	if !p.begun.CompareAndSwap(nil, &deadline{ctx, cancel}) {
		cancel()
	}
	return p.begun.Load()
}

// over reports whether the patience has ended, and not its parent.
func (p *patience) over() bool {
	d := p.begun.Load()
	return d != nil && d.Err() != nil && p.parent.Err() == nil
}

// end releases the timer.
func (p *patience) end() {
	if d := p.begun.Load(); d != nil {
		d.cancel()
	}
}

func (p *patience) Deadline() (time.Time, bool) { return p.context().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.context().Done() }
func (p *patience) Err() error                  { return p.context().Err() }
func (p *patience) Value(key any) any           { return p.context().Value(key) }
