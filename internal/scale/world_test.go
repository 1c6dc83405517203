package scale_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// world is a table in virtual time, with a partition for each partition key.
type world struct {
	capacity float64 // of each partition, as a share of what DynamoDB promises

	mu         sync.Mutex
	keys       map[string]*apikey.Key
	meters     map[string]*ratelimit.Meter
	partitions map[string]*partition
	slow       string    // the partition that is slow
	slowUntil  time.Time // and until when
	counts     counts
	end        time.Time // writes of partitions are not counted from then on
}

// counts are the units that the table has served, and the requests that it has throttled.
type counts struct{ reads, writes, throttled int }

func newWorld(capacity float64) *world {
	return &world{
		capacity: capacity, keys: make(map[string]*apikey.Key), meters: make(map[string]*ratelimit.Meter),
		partitions: make(map[string]*partition),
	}
}

// partition returns the partition of a name. The caller must hold the lock.
func (w *world) partition(name string) *partition {
	p := w.partitions[name]
	if p == nil {
		p = newPartition(w.capacity)
		w.partitions[name] = p
	}
	return p
}

// meter returns the meter of an id. The caller must hold the lock.
func (w *world) meter(id string) *ratelimit.Meter {
	if w.meters[id] == nil {
		w.meters[id] = &ratelimit.Meter{}
	}
	return w.meters[id]
}

// The time that a request and its reply take together is at least leastLatency, and meanLatency on average.
// Those to a slow partition take slowLatency more.
const (
	leastLatency = time.Millisecond
	meanLatency  = 4 * time.Millisecond
	slowLatency  = 300 * time.Millisecond
)

// longestPause bounds the pause before the SDK sends a throttled request again. Each shorter pause is as
// likely.
const longestPause = 100 * time.Millisecond

var errThrottled = errors.New("throughput exceeded")

// link is the connection of one instance to the table. Reads of users may run beside one other request.
type link struct {
	*world
	attempts      int
	random, users *rand.Rand // of the times that requests take
	written       time.Time  // when the last write began

	mutex  sync.Mutex
	pauses *rand.Rand
}

func newLink(w *world, seed uint64) *link {
	return &link{
		world: w, attempts: amazon.Local().Retryer().MaxAttempts(),
		random: rand.New(rand.NewPCG(seed, 1)), users: rand.New(rand.NewPCG(seed, 2)),
		pauses: rand.New(rand.NewPCG(seed, 3)),
	}
}

// unit is what a request takes of a partition.
type unit bool

const (
	read  unit = false
	write unit = true
)

// send carries do to the table, and sends it again if it is throttled or takes too long.
func (l *link) send(ctx context.Context, random *rand.Rand, name string, u unit, do func()) error {
	deadline, bounded := ctx.Deadline()
	// wait reports whether the caller still waits after d.
	wait := func(d time.Duration) bool {
		if bounded && time.Until(deadline) < d {
			time.Sleep(time.Until(deadline))
			return false
		}
		time.Sleep(d)
		return true
	}
	for attempt := 1; ; attempt++ {
		there, back := l.travel(random, name)
		lost := there+back > amazon.AttemptTimeout
		if lost {
			back = max(amazon.AttemptTimeout-there, 0)
		}
		if !wait(there) {
			return context.DeadlineExceeded
		}
		done := l.serve(name, u, do)
		switch {
		case !wait(back):
			return context.DeadlineExceeded
		case done && !lost:
			return nil
		case attempt == l.attempts && lost:
			return context.DeadlineExceeded
		case attempt == l.attempts:
			return errThrottled
		case !wait(l.pause()):
			return context.DeadlineExceeded
		}
	}
}

// pause returns how long the SDK waits before it sends a request again.
func (l *link) pause() time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return time.Duration(l.pauses.Float64() * float64(longestPause))
}

// travel returns how long a request and its reply take.
func (l *link) travel(random *rand.Rand, name string) (there, back time.Duration) {
	d := leastLatency + time.Duration(random.ExpFloat64()*float64(meanLatency-leastLatency))
	l.mu.Lock()
	defer l.mu.Unlock()
	if name == l.slow && time.Now().Before(l.slowUntil) {
		d += time.Duration(random.ExpFloat64() * float64(slowLatency))
	}
	return d / 2, d / 2
}

// serve carries out a request, unless its partition has no capacity for it.
func (l *link) serve(name string, u unit, do func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, now := l.partition(name), time.Now()
	switch {
	case u == write && p.writes.take(now):
		l.counts.writes++
		if now.Before(l.end) {
			p.written[now.Unix()]++
		}
	case u == read && p.reads.take(now):
		l.counts.reads++
	default:
		l.counts.throttled++
		return false
	}
	do()
	return true
}

var _ gate.Finder = (*link)(nil)

func (l *link) Find(ctx context.Context, id string) (record apikey.Record, err error) {
	err = l.send(ctx, l.random, keyPartition(id), read, func() {
		record.Key = l.keys[id]
		if m := l.meters[id]; m != nil {
			record.Meter = copied(m)
		}
	})
	if err == nil && record.Key == nil {
		err = apikey.ErrNotFound
	}
	return record, err
}

func (l *link) Spend(ctx context.Context, id string, s ratelimit.Spend) (m ratelimit.Meter, err error) {
	var outcome error
	l.written = time.Now()
	err = l.send(ctx, l.random, keyPartition(id), write, func() {
		outcome = l.meter(id).Apply(s)
		m = copied(l.meter(id))
	})
	switch {
	case errors.Is(err, errThrottled):
		return ratelimit.Meter{}, ratelimit.ErrThrottled
	case err != nil:
		return ratelimit.Meter{}, err
	}
	return m, outcome
}

// User reads a user that has no record.
func (l *link) User(ctx context.Context, id string) (apikey.UserRecord, error) {
	return apikey.UserRecord{}, l.send(ctx, l.users, "user#"+id, read, func() {})
}

func (l *link) Meter(ctx context.Context, id string) (m ratelimit.Meter, err error) {
	err = l.send(ctx, l.random, keyPartition(id), read, func() {
		if l.meters[id] != nil {
			m = copied(l.meters[id])
		}
	})
	return m, err
}

func (l *link) Touch(ctx context.Context, id string, at time.Time) error {
	return l.send(ctx, l.random, keyPartition(id), write, func() { l.meter(id).LastUsed = at.Truncate(time.Millisecond) })
}

func (*link) RecordUsage(context.Context, string, []ratelimit.DayUsage) error { return nil }
func (*link) Plan(context.Context, string) (*apikey.Plan, error)              { return nil, apikey.ErrNotFound }
func (*link) Resolve(context.Context, string) (string, error)                 { return "", apikey.ErrNotFound }
func (*link) Rehash(context.Context, *apikey.Key, *apikey.Key, int) error     { return nil }
func (*link) Text(*apikey.Key, int64) ([]byte, error)                         { return nil, nil }

// keyPartition returns the partition of a meter by the limiter's id.
func keyPartition(id string) string { return "key#" + id }

func copied(m *ratelimit.Meter) ratelimit.Meter {
	c := *m
	c.Marks, c.Past, c.Earlier = slices.Clone(m.Marks), slices.Clone(m.Past), slices.Clone(m.Earlier)
	return c
}

// countUntil begins to count anew, and counts the writes of partitions until end.
func (w *world) countUntil(end time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = end
	w.counts = counts{}
	for _, p := range w.partitions {
		clear(p.written)
	}
}

// slowDown makes the slow partition slow until a time.
func (w *world) slowDown(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slowUntil = until
}

// busiest returns the writes a second of the busiest partition, on average and at most.
func (w *world) busiest(lasts time.Duration) (mean, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.partitions {
		total, peak := 0, 0
		for _, n := range p.written {
			total, peak = total+n, max(peak, n)
		}
		mean, most = max(mean, int(float64(total)/lasts.Seconds())), max(most, peak)
	}
	return mean, most
}
