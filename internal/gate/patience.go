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

// patience returns a patience for one check.
func (m *memory) patience(parent context.Context, limit time.Duration) *patience {
	p, _ := m.patiences.Get().(*patience)
	if p == nil {
		p = new(patience)
	}
	p.parent, p.limit = parent, limit
	return p
}

// end ends p, and keeps it for another check if it was never used. No goroutine can still have it then,
// because deriving a context from another one asks that for its deadline.
func (m *memory) end(p *patience) {
	if p.begun.Load() != nil {
		p.end()
		return
	}
	p.parent = nil
	m.patiences.Put(p)
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
