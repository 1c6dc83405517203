package ratelimit

import (
	"context"
	"time"
)

// turn is the place of one request among those of the same instance that need a write of one meter.
// Only one of them writes, and asks for the tokens of all that wait. If each wrote, they would lease
// many times as much as they need, and lose to one another. On Lambda an instance has one request at a
// time, so that none waits.
//
// A request waits for one write for 250 ms at most. It then writes itself, and the others wait for
// that write: a packet that was lost must not delay all.
type turn struct {
	tokens int64
	waits  bool          // its tokens are among those that wait
	late   chan struct{} // the write that it has waited for long enough, or nil
}

// begin returns the write for which the request should wait, or nil if it should write itself. Tokens
// that cannot be leased cannot be shared. The caller must hold the limiter's lock.
func (t *turn) begin(e *entry, leases bool) chan struct{} {
	if e.writing == nil || !leases || e.writing == t.late {
		return nil
	}
	select {
	case <-e.writing:
		return nil
	default:
	}
	t.waits = true
	e.waiting += t.tokens
	return e.writing
}

// end ends the wait of the request. The caller must hold the limiter's lock.
func (t *turn) end(e *entry) {
	if t.waits {
		e.waiting = max(0, e.waiting-t.tokens) // the entry may be a new one
		t.waits = false
	}
}

// wait waits for a write. It returns an error if ctx ends first.
func (t *turn) wait(ctx context.Context, busy chan struct{}) error {
	patience := time.NewTimer(minorWrite)
	defer patience.Stop()
	select {
	case <-busy:
	case <-patience.C:
		t.late = busy
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// leave takes a request out that waits no longer.
func (l *Limiter) leave(id string, t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.end(l.entry(id))
}

// end lets the requests go on that wait for a write. Its answer must be taken in before.
func (l *Limiter) end(id string, w *write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(w.done)
	if e := l.entry(id); e.writing == w.done {
		e.writing = nil
	}
}
