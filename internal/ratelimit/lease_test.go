package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// takes takes n tokens, which must be admitted.
func takes(t *testing.T, l *ratelimit.Limiter, terms ratelimit.Terms, n int64) {
	t.Helper()
	if d, err := l.Take(t.Context(), "k", terms, n, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("take %d: %+v, %v", n, d, err)
	}
}

// lease takes tokens until the limiter has leased at least n.
func (h *fakeClock) lease(t *testing.T, l *ratelimit.Limiter, terms ratelimit.Terms, n int64) {
	t.Helper()
	for l.Leased("k") < n {
		takes(t, l, terms, 1)
		h.now = h.now.Add(time.Millisecond)
	}
}

// A lease may end while the rest of a request is asked for. All tokens must then come from the new
// write, because other instances are about to forget the slice of the lease.
func TestALeaseThatEndsDuringTheWriteIsNotUsed(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	here, there := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: per(1000, 10*time.Second)}
	h.lease(t, here, terms, 5)
	leased := here.Leased("k")
	takes(t, there, terms, 1000-store.meter.Used-2*leased-1) // so little is left that no lease comes with it
	end := time.Unix(0, (store.meter.Newest+1)*int64(ratelimit.Slice(terms.Limit.Window))).Add(400 * time.Millisecond)
	h.now = end.Add(-time.Millisecond)
	store.onCommit = func() { h.now = end }
	before := store.meter.Used
	takes(t, here, terms, leased+1)
	if spent := store.meter.Used - before; spent != leased+1 {
		t.Errorf("%d were asked for; want %d, since the %d leased tokens have ended", spent, leased+1, leased)
	}
}

// late is a store that calls then before its next reply.
type late struct {
	*item
	then func()
}

func (l *late) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	m, err := l.item.Spend(ctx, id, s)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return m, err
}

// Two requests of one instance may write at once. Tokens of an earlier slice end before tokens of a
// later one.
func TestTwoLeasesDoNotEndTogether(t *testing.T) {
	h := &fakeClock{morning}
	store := &late{item: &item{}}
	limiter := ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: per(1000, 10*time.Second)}
	slice := ratelimit.Slice(terms.Limit.Window)
	h.lease(t, limiter, terms, 5)
	h.now = h.now.Add(600 * time.Millisecond) // every lease has ended
	var later int64
	var end time.Time // of the earlier lease
	store.then = func() {
		before := store.meter.Used
		end = time.Unix(0, (store.meter.Newest+1)*int64(slice)).Add(400 * time.Millisecond)
		h.now = h.now.Add(slice)
		takes(t, limiter, terms, 1)
		later = store.meter.Used - before - 1
	}
	takes(t, limiter, terms, 1)
	h.now = end
	writes := store.spends
	for range later {
		takes(t, limiter, terms, 1)
	}
	if later == 0 || store.spends != writes {
		t.Errorf("%d writes for the %d tokens of the later lease", store.spends-writes, later)
	}
	if takes(t, limiter, terms, 1); store.spends == writes {
		t.Error("a token of the earlier lease outlived its end")
	}
}

// Tokens that were leased under a long window may be used for minutes, but not under a short
// window.
func TestALeaseEndsWithItsTerms(t *testing.T) {
	h := &fakeClock{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	old := ratelimit.Terms{Limit: per(1000, 24*time.Hour)}
	h.lease(t, limiter, old, 10)
	changed := ratelimit.Terms{Limit: per(1, 10*time.Second), Rev: 1}
	d, err := limiter.Take(t.Context(), "k", changed, 1, time.Time{})
	if err != nil || d.Admitted {
		t.Errorf("%+v, %v; want a denial", d, err)
	}
}

// A token counts for the day on which it was handed out.
func TestALeaseEndsWithItsDay(t *testing.T) {
	h := &fakeClock{morning.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second)}
	store := &item{}
	limiter := ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: per(1000, time.Hour), Quota: daily(1000)}
	h.lease(t, limiter, terms, 10)
	h.now = h.now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	takes(t, limiter, terms, 1)
	if used := ratelimit.QuotaStatusOf(store.meter, terms.Quota, h.now).Used; used == 0 {
		t.Error("nothing was counted on the new day")
	}
}

// Most requests of a busy key, and of a key over its limit, are decided from memory.
func TestADecisionFromMemoryAllocatesNothing(t *testing.T) {
	limiter := ratelimit.New(&item{}, (&fakeClock{morning}).time, 10)
	for id, want := range map[string]bool{"leased": true, "spent": false} {
		terms := ratelimit.Terms{Limit: per(1, time.Minute)}
		if want {
			terms.Limit.Requests = 1 << 60
		}
		var d ratelimit.Decision
		allocations := testing.AllocsPerRun(10_000, func() {
			var err error
			if d, err = limiter.Take(t.Context(), id, terms, 1, time.Time{}); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 || d.Admitted != want {
			t.Errorf("%s: %v allocations, %+v", id, allocations, d)
		}
	}
}

// A store that has too many writes gets fewer of them: a throttled request counts for the next lease.
// One whose outcome is not known does not, because its lease may be lost.
func TestAThrottledSpendIsDemand(t *testing.T) {
	for _, c := range []struct {
		err    error
		leases bool
	}{
		{fmt.Errorf("table: %w", ratelimit.ErrThrottled), true},
		{errLost, false},
	} {
		store := &item{err: c.err}
		limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
		take := func() error {
			_, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: per(1000, time.Minute)}, 1, time.Time{})
			return err
		}
		for range 20 {
			if err := take(); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
		}
		store.err = nil
		if err := take(); err != nil {
			t.Fatal(err)
		}
		if leased := limiter.Leased("k"); leased > 0 != c.leases {
			t.Errorf("after %v: %d tokens are leased", c.err, leased)
		}
	}
}
