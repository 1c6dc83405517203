package tally

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Store stores the counts. It must be safe for concurrent use.
type Store interface {
	// AddRefused adds counts of one month to those that are stored of a life of a key, which began at
	// life. An error means that it is not known whether they were added. It must not send the counts
	// a second time by itself.
	AddRefused(ctx context.Context, id string, life time.Time, counts apikey.Refusals) error
	// SetOlderUse stores when a token of a key was used that a rotation had replaced.
	SetOlderUse(ctx context.Context, id string, at time.Time) error
}

const (
	// every is the least time between two writes about one key.
	every = time.Minute
	// remembered is how many keys a Tally remembers. The oldest is forgotten first.
	remembered = 1000
	// atOnce is how many counts one request writes at most.
	atOnce = 25
	// patience bounds how long a request waits for its writes.
	patience = 300 * time.Millisecond
)

// Tally counts for one instance. It is safe for concurrent use.
type Tally struct {
	store Store
	now   func() time.Time
	// due is when the oldest count must be written, in nanoseconds of the epoch, or 0 if there is
	// none. It is outside the mutex, because each request reads it.
	due atomic.Int64

	mu sync.Mutex
	// counts are the counts that are not written, the oldest first.
	counts *simplelru.LRU[place, *count]
	// older are the times at which the use of an older token was written, by the id of the key.
	older *simplelru.LRU[string, time.Time]
}

// place is where a count is stored: one month of one life of a key.
type place struct {
	id    string
	life  int64 // when it began, in milliseconds of the epoch
	month int64
}

// count is a count that began at a time.
type count struct {
	begun   time.Time
	refused apikey.Refusals
}

// New returns a Tally that writes to store. now is the wall clock.
func New(store Store, now func() time.Time) *Tally {
	counts, _ := simplelru.NewLRU[place, *count](remembered, nil) // fails for no size alone
	older, _ := simplelru.NewLRU[string, time.Time](remembered, nil)
	return &Tally{store: store, now: now, counts: counts, older: older}
}

// Note counts v, the verdict on a key of the table, if it refuses. If the token of v was replaced, Note
// writes that it was used, unless it has done so in the last minute.
func (t *Tally) Note(ctx context.Context, v *apikey.Verdict) {
	if !v.Valid() {
		t.refuse(v.Key, v.Code)
	}
	if v.Replaced {
		t.useOlder(ctx, v.Key.ID)
	}
}

// WriteDue writes the counts that are due, but at most 25. It never fails: what cannot be written is
// lost. It waits for the store for 0.3 seconds at most, and costs nothing while there is no count.
func (t *Tally) WriteDue(ctx context.Context) {
	if due := t.due.Load(); due != 0 && over(t.now(), time.Unix(0, due).Add(-every)) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		t.send(ctx, t.take(false))
	}
}

// Flush writes all counts. It waits for the store until ctx ends.
func (t *Tally) Flush(ctx context.Context) {
	for all := t.take(true); len(all) > 0; all = t.take(true) {
		t.send(ctx, all)
	}
}

// over reports whether a count that was written, or begun, at a time must be written now. A clock that
// was set back does not make it wait.
func over(now, begun time.Time) bool {
	age := now.Sub(begun)
	return age < 0 || age >= every
}

// refuse counts a refusal.
func (t *Tally) refuse(k *apikey.Key, code apikey.Code) {
	now := t.now()
	day := ratelimit.DateOf(now)
	p := place{k.ID, k.CreatedAt.UnixMilli(), day.Month()}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.counts.Peek(p) // and not Get: the oldest must stay the oldest
	if !ok {
		c = &count{begun: now, refused: make(apikey.Refusals)}
		t.counts.Add(p, c)
		t.setDue()
	}
	c.refused.Add(day, code, 1)
}

// setDue sets when the oldest count is due. The caller must hold the mutex.
func (t *Tally) setDue() {
	due := int64(0)
	if _, oldest, ok := t.counts.GetOldest(); ok {
		due = oldest.begun.Add(every).UnixNano()
	}
	t.due.Store(due)
}

// useOlder writes that a replaced token was used, unless that was tried in the last minute.
func (t *Tally) useOlder(ctx context.Context, id string) {
	now := t.now()
	t.mu.Lock()
	last, ok := t.older.Get(id)
	again := !ok || over(now, last)
	if again {
		t.older.Add(id, now)
	}
	t.mu.Unlock()
	if again {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		safely(func() { _ = t.store.SetOlderUse(ctx, id, now) })
	}
}

// entry is a count with its place.
type entry struct {
	place
	refused apikey.Refusals
}

// take removes some counts, the oldest first: those that are due, or any.
func (t *Tally) take(any bool) (taken []entry) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(taken) < atOnce {
		p, oldest, ok := t.counts.GetOldest()
		if !ok || !any && !over(now, oldest.begun) {
			break
		}
		t.counts.Remove(p)
		taken = append(taken, entry{p, oldest.refused})
	}
	t.setDue()
	return taken
}

// send writes counts, all at the same time. Each is written once, whatever the outcome, because it may
// have been stored although the write failed.
func (t *Tally) send(ctx context.Context, counts []entry) {
	var writes sync.WaitGroup
	for _, e := range counts {
		writes.Go(func() {
			safely(func() { _ = t.store.AddRefused(ctx, e.id, time.UnixMilli(e.life), e.refused) })
		})
	}
	writes.Wait()
}

// safely recovers from a panic. No request depends on what the Tally writes.
func safely(write func()) {
	defer func() { _ = recover() }()
	write()
}
