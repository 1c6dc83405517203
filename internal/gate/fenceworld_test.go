package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

// rows is a table with one key and its meter, in the virtual time of synctest. Tests of package
// dynamo show that a real table fences and spends as this one does.
type rows struct {
	mutant *fenceMutant

	mu      sync.Mutex
	random  *rand.Rand
	lossy   float64       // share of requests, and of replies, that are lost
	delay   time.Duration // of a request and of a reply if all are alike, or 0
	key     *apikey.Key   // nil if it is deleted
	user    *apikey.User  // nil if there is no record
	users   []userState
	meter   ratelimit.Meter
	expires time.Time // of the meter; zero if it has none or is not stored
	states  []state
	counts  struct{ reads, users, writes, changes int }
}

// state is what the table holds of the key from a moment on, until the next state.
type state struct {
	from time.Time
	key  *apikey.Key
}

// userState is the record of the user from a moment on.
type userState struct {
	from      time.Time
	suspended bool
}

// errNoAnswer is of a request whose outcome is not known.
var errNoAnswer = errors.New("no answer")

// fenceMutant is a deployment that lacks one rule. The zero mutant has all of them.
type fenceMutant struct {
	name   string
	gate   gate.Mutant
	spend  func(s *ratelimit.Spend, seen int64) // seen is the fence that the instance saw last
	change func(c *changeRules)
	stops  bool    // clocks stop while an instance is frozen
	lossy  float64 // replaces the share of requests that are lost, unless it is 0
}

// changeRules are how a change is made.
type changeRules struct {
	unfenced     string // the kind of change that does not fence
	deletesMeter bool
	keepsTTL     bool
	fencesAfter  bool
	lowers       bool // the fence is set without a condition
}

func (r *rows) float() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.Float64()
}

func (r *rows) below(d time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.random.Int64N(int64(d)))
}

// expire deletes the meter as soon as its time has come. The caller must hold the lock.
func (r *rows) expire() {
	if !r.expires.IsZero() && !time.Now().Before(r.expires) {
		r.meter, r.expires = ratelimit.Meter{}, time.Time{}
	}
}

// put makes k the stored key. The caller must hold the lock.
func (r *rows) put(k *apikey.Key) {
	if k != nil {
		c := *k
		c.Name = fmt.Sprint(len(r.states)) // names the state in verdicts
		k = &c
	}
	r.key = k
	r.states = append(r.states, state{time.Now(), k})
	r.counts.changes++
}

const (
	longestDelay  = 20 * time.Millisecond
	sendAgain     = 400 * time.Millisecond
	sendAttempts  = 3
	lateDuplicate = 3 * time.Second
)

// send carries do to the table and its answer back, as the SDK would: a request without an answer is
// sent again. A lost request may arrive later, without an answer. freeze is called before an answer is
// read.
func (r *rows) send(do func(answer bool), freeze func()) error {
	for range sendAttempts {
		r.travel()
		if r.float() < r.lossy {
			if r.float() < 0.5 {
				late := r.below(lateDuplicate)
				go func() { time.Sleep(late); r.locked(func() { do(false) }) }()
			}
			time.Sleep(sendAgain)
			continue
		}
		r.locked(func() { do(true) })
		r.travel()
		if r.float() < r.lossy {
			time.Sleep(sendAgain)
			continue
		}
		freeze()
		return nil
	}
	return errNoAnswer
}

func (r *rows) travel() {
	if r.delay > 0 {
		time.Sleep(r.delay)
		return
	}
	time.Sleep(r.below(longestDelay))
}

func (r *rows) locked(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	do()
}

// raise writes a fence as dynamo.Table does.
func (r *rows) raise(fence int64, c changeRules) error {
	end := time.Now().Add(432 * 24 * time.Hour)
	return r.send(func(bool) {
		if r.meter.Fence <= fence || c.lowers {
			r.meter.Fence = fence
		}
		if !c.keepsTTL || r.expires.IsZero() {
			r.expires = end
		}
	}, func() {})
}

// link is the connection of one instance to the table.
type link struct {
	*rows
	freeze   func()
	requests int
	read     time.Time // when the last read began
	seen     int64     // the fence that was seen last
}

// Find reads the key and then its meter, or the other way round. Others may write in between.
func (l *link) Find(context.Context, string) (apikey.Record, error) {
	l.requests++
	l.read = time.Now()
	var record apikey.Record
	key := func() { record.Key = l.key }
	meter := func() { record.Meter = l.copied() }
	first, second, torn := key, meter, l.float()
	if torn < 0.1 && l.delay == 0 {
		first, second = meter, key
	}
	err := l.send(func(answer bool) {
		if l.counts.reads++; answer {
			first()
		}
	}, func() {
		if torn < 0.2 && l.delay == 0 {
			time.Sleep(l.below(5 * time.Millisecond))
		}
		l.locked(second)
		l.freeze()
	})
	switch {
	case err != nil:
		return apikey.Record{}, err
	case record.Key == nil:
		return apikey.Record{}, apikey.ErrNotFound
	}
	l.seen = record.Meter.Fence
	return record, nil
}

func (l *link) Spend(_ context.Context, _ string, s ratelimit.Spend) (m ratelimit.Meter, err error) {
	l.requests++
	if l.mutant.spend != nil {
		l.mutant.spend(&s, l.seen)
	}
	lost := l.send(func(answer bool) {
		l.counts.writes++
		outcome := l.meter.Apply(s)
		if outcome == nil {
			l.expires = s.Expires
		}
		if answer {
			m, err = l.copied(), outcome
		}
	}, l.freeze)
	if lost != nil {
		return ratelimit.Meter{}, lost
	}
	l.seen = m.Fence
	return m, err
}

func (l *link) copied() ratelimit.Meter {
	m := l.meter
	m.Marks = append([]ratelimit.Mark(nil), m.Marks...)
	m.Past = append([]ratelimit.DayMark(nil), m.Past...)
	m.Earlier = append([]ratelimit.Point(nil), m.Earlier...)
	return m
}

func (l *link) RecordUsage(context.Context, string, []ratelimit.DayUsage) error { return nil }
func (l *link) Touch(context.Context, string, time.Time) error                  { return nil }

func (l *link) User(context.Context, string) (apikey.UserRecord, error) {
	var record apikey.UserRecord
	err := l.send(func(answer bool) {
		if l.counts.users++; answer {
			record.User = l.user
		}
	}, l.freeze)
	return record, err
}

func (l *link) Plan(context.Context, string) (*apikey.Plan, error) { return nil, apikey.ErrNotFound }
func (l *link) Resolve(context.Context, string) (string, error)    { return "", apikey.ErrNotFound }

func (l *link) Meter(context.Context, string) (ratelimit.Meter, error) {
	return ratelimit.Meter{}, errNoAnswer
}

func (l *link) Rehash(context.Context, *apikey.Key, *apikey.Key, int) error { return nil }
func (l *link) Text(*apikey.Key, int64) ([]byte, error)                     { return nil, nil }
