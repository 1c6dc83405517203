package tally_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/tally"
)

// store is a store in memory that counts its writes.
type store struct {
	mu      sync.Mutex
	writes  int
	refused map[string]apikey.Refusals
	older   map[string]time.Time
	olders  int
	fails   error // after storing
	hangs   bool
	panics  bool
}

func newStore() *store {
	return &store{refused: make(map[string]apikey.Refusals), older: make(map[string]time.Time)}
}

func (s *store) AddRefused(ctx context.Context, id string, life time.Time, counts apikey.Refusals) error {
	if s.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.panics {
		panic("no store")
	}
	at := id + " " + strconv.FormatInt(life.Unix(), 10)
	if s.refused[at] == nil {
		s.refused[at] = make(apikey.Refusals)
	}
	s.refused[at].AddAll(counts)
	return s.fails
}

func (s *store) SetOlderUse(_ context.Context, id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.olders++
	s.older[id] = at
	return s.fails
}

// bed is a tally with a clock that the test sets.
type bed struct {
	*store
	*tally.Tally
	t   *testing.T
	now time.Time
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func newBed(t *testing.T) *bed {
	b := &bed{store: newStore(), t: t, now: noon}
	b.Tally = tally.New(b.store, func() time.Time { return b.now })
	return b
}

func (b *bed) note(id string, code apikey.Code) {
	b.Note(b.t.Context(), &apikey.Verdict{Code: code, Key: &apikey.Key{ID: id, CreatedAt: time.Unix(1, 0)}})
	b.WriteDue(b.t.Context())
}

// admit is a request of another key, which is allowed.
func (b *bed) admit() { b.note("other", apikey.CodeValid) }

func (b *bed) has(what string, writes int, want map[string]apikey.Refusals) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.refused); diff != "" || b.writes != writes {
		b.t.Errorf("%s: %d writes, want %d; -want +got:\n%s", what, b.writes, writes, diff)
	}
}

func TestRefusalsAreWrittenOnceAMinute(t *testing.T) {
	b := newBed(t)
	none := map[string]apikey.Refusals{}
	for range 100 {
		b.note("k", apikey.CodeRateLimited)
		b.now = b.now.Add(599 * time.Millisecond)
	}
	b.note("k", apikey.CodeRevoked)
	b.has("in the first minute", 0, none)
	b.now = noon.Add(time.Minute)
	b.admit()
	first := apikey.Refusals{20261130: {apikey.CodeRateLimited: 100, apikey.CodeRevoked: 1}}
	b.has("after a minute", 1, map[string]apikey.Refusals{"k 1": first})
	for range 100 {
		b.admit()
		b.now = b.now.Add(time.Minute)
	}
	b.has("later", 1, map[string]apikey.Refusals{"k 1": first})
	for range 10 * 60 {
		b.note("k", apikey.CodeRateLimited)
		b.now = b.now.Add(time.Second)
	}
	if b.writes > 11 {
		t.Errorf("%d writes in ten minutes", b.writes)
	}
	b.Flush(t.Context())
	if got := b.refused["k 1"][20261130][apikey.CodeRateLimited]; got != 700 {
		t.Errorf("%d refusals, want 700", got)
	}
}

func TestWhatIsNotCounted(t *testing.T) {
	b := newBed(t)
	b.admit()
	b.Flush(t.Context())
	b.has("a valid key", 0, map[string]apikey.Refusals{})
}

func TestDaysAndMonthsAreApart(t *testing.T) {
	b := newBed(t)
	b.now = time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	b.note("k", apikey.CodeExpired)
	b.now = b.now.Add(time.Second)
	b.note("k", apikey.CodeExpired)
	b.Note(t.Context(), &apikey.Verdict{Code: apikey.CodeExpired, Key: &apikey.Key{ID: "k", CreatedAt: time.Unix(2, 0)}})
	b.Flush(t.Context())
	b.has("two months and two lives", 3, map[string]apikey.Refusals{
		"k 1": {20261130: {apikey.CodeExpired: 1}, 20261201: {apikey.CodeExpired: 1}},
		"k 2": {20261201: {apikey.CodeExpired: 1}},
	})
}

func TestARequestWritesFewCountsAndForgetsTheOldest(t *testing.T) {
	b := newBed(t)
	for n := range 1100 {
		b.note(fmt.Sprint(n), apikey.CodeDisabled)
		b.note(fmt.Sprint(max(0, n-50)), apikey.CodeDisabled) // which makes it no younger
	}
	b.now = b.now.Add(time.Minute)
	for n := range 50 {
		before := b.writes
		b.admit()
		if wrote := b.writes - before; wrote != 25 && (n < 40 || wrote != 0) {
			t.Fatalf("request %d wrote %d counts", n, wrote)
		}
	}
	for n := range 1100 {
		if _, ok := b.refused[fmt.Sprint(n, " 1")]; ok != (n >= 100) {
			t.Errorf("key %d is stored: %t", n, ok)
		}
	}
}

// A write that fails may have been stored, so its counts are not written again.
func TestALostWriteOnlyLosesCounts(t *testing.T) {
	for what, break_ := range map[string]func(*store){
		"an error after it was stored": func(s *store) { s.fails = errors.New("lost") },
		"a panic":                      func(s *store) { s.panics = true },
		"a store that hangs":           func(s *store) { s.hangs = true },
	} {
		b := newBed(t)
		break_(b.store)
		b.note("k", apikey.CodeRevoked)
		b.now = b.now.Add(time.Minute)
		begun := time.Now()
		b.admit()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s: a request waited for %s", what, took)
		}
		*b.store = store{refused: b.refused, older: b.older}
		b.note("k", apikey.CodeRevoked)
		b.Flush(t.Context())
		if got := b.refused["k 1"][20261130][apikey.CodeRevoked]; got < 1 || got > 2 {
			t.Errorf("%s: %d refusals of 2", what, got)
		}
	}
}

// Two instances count for themselves, and add to the stored counts.
func TestInstancesAddUp(t *testing.T) {
	a := newBed(t)
	other := &bed{store: a.store, t: t, now: noon}
	other.Tally = tally.New(a.store, func() time.Time { return other.now })
	var both sync.WaitGroup
	for _, b := range []*bed{a, other} {
		both.Go(func() {
			for range 600 {
				b.note("k", apikey.CodeRateLimited)
				b.now = b.now.Add(time.Second)
			}
			b.Flush(t.Context())
		})
	}
	both.Wait()
	if got := a.refused["k 1"][20261130][apikey.CodeRateLimited]; got != 1200 || a.writes > 24 {
		t.Errorf("%d refusals in %d writes", got, a.writes)
	}
}

func TestOneTallyServesManyRequests(t *testing.T) {
	s := newStore()
	var ms sync.Mutex
	now := noon
	counted := tally.New(s, func() time.Time {
		ms.Lock()
		defer ms.Unlock()
		now = now.Add(20 * time.Millisecond)
		return now
	})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for range 2000 {
				k := &apikey.Key{ID: strconv.Itoa(n % 3), CreatedAt: time.Unix(1, 0)}
				counted.Note(t.Context(), &apikey.Verdict{Code: apikey.CodeRateLimited, Key: k, Replaced: true})
				counted.WriteDue(t.Context())
			}
		})
	}
	all.Wait()
	counted.Flush(t.Context())
	sum := int64(0)
	for _, r := range s.refused {
		sum += r[20261130][apikey.CodeRateLimited]
	}
	if sum != 16_000 {
		t.Errorf("%d refusals", sum)
	}
}

func TestAClockThatIsSetBackDelaysNoWrite(t *testing.T) {
	b := newBed(t)
	b.note("k", apikey.CodeRevoked)
	b.now = b.now.Add(-time.Hour)
	b.admit()
	b.has("after the clock was set back", 1, map[string]apikey.Refusals{"k 1": {20261130: {apikey.CodeRevoked: 1}}})
}

func TestTheUseOfAnOlderTokenIsWrittenOnceAMinute(t *testing.T) {
	b := newBed(t)
	use := func(code apikey.Code) {
		b.Note(t.Context(), &apikey.Verdict{Code: code, Replaced: true, Key: &apikey.Key{ID: "k"}})
	}
	use(apikey.CodeValid)
	if b.older["k"] != noon {
		t.Errorf("the first use is not written at once: %v", b.older)
	}
	for range 600 {
		use(apikey.CodeValid)
		if age := b.now.Sub(b.older["k"]); age >= time.Minute {
			t.Fatalf("the written time is %s old", age)
		}
		b.now = b.now.Add(time.Second)
	}
	if b.olders != 10 {
		t.Errorf("%d writes in ten minutes", b.olders)
	}
	b.fails = errors.New("lost")
	b.now = b.now.Add(time.Hour)
	before := b.olders
	use(apikey.CodeValid)
	use(apikey.CodeRateLimited)
	if b.olders != before+1 {
		t.Errorf("a write that failed was repeated %d times", b.olders-before-1)
	}
}

func TestAllowedRequestsCostNothing(t *testing.T) {
	b := newBed(t)
	v := &apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{ID: "k"}}
	if n := testing.AllocsPerRun(1000, func() { b.Note(t.Context(), v); b.WriteDue(t.Context()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	b.note("k", apikey.CodeRevoked)
	if n := testing.AllocsPerRun(1000, func() { b.Note(t.Context(), v); b.WriteDue(t.Context()) }); n > 0 {
		t.Errorf("%v allocations while a count waits", n)
	}
}
