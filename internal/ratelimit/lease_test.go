package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// takes is a limiter that must admit.
func takes(t *testing.T, l *ratelimit.Limiter, terms ratelimit.Terms, n int64) {
	t.Helper()
	if d, err := l.Take(t.Context(), "k", terms, n, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("take %d: %+v, %v", n, d, err)
	}
}

// hold takes tokens until the limiter has at least n in hand.
func (h *hands) hold(t *testing.T, l *ratelimit.Limiter, terms ratelimit.Terms, n int64) {
	t.Helper()
	for l.Held("k") < n {
		takes(t, l, terms, 1)
		h.now = h.now.Add(time.Millisecond)
	}
}

// Tokens in hand may end while the rest of a request is asked for. Then all of it
// comes from the new grant: others are about to forget the old one.
func TestWhatIsInHandMayEndWhileTheRestIsAskedFor(t *testing.T) {
	h := &hands{morning}
	store := &item{}
	here, there := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1000, Window: 10 * time.Second}}
	h.hold(t, here, terms, 5)
	held := here.Held("k")
	takes(t, there, terms, 1000-store.meter.Used-2*held-1) // so little is left that no lease comes with it
	end := time.Unix(0, (store.meter.Newest+1)*int64(ratelimit.Slice(terms.Limit.Window))).Add(400 * time.Millisecond)
	h.now = end.Add(-time.Millisecond)
	store.onCommit = func() { h.now = end }
	before := store.meter.Used
	takes(t, here, terms, held+1)
	if spent := store.meter.Used - before; spent != held+1 {
		t.Errorf("%d were asked for; want %d, since the %d in hand have ended", spent, held+1, held)
	}
}

// late is a store whose next reply comes after something else.
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

// Two requests of one environment may ask at once. What was handed out in an
// earlier slice does not live as long as what was handed out in a later one.
func TestTwoGrantsDoNotEndTogether(t *testing.T) {
	h := &hands{morning}
	store := &late{item: &item{}}
	limiter := ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1000, Window: 10 * time.Second}}
	slice := ratelimit.Slice(terms.Limit.Window)
	h.hold(t, limiter, terms, 5)
	h.now = h.now.Add(600 * time.Millisecond) // whatever is in hand has ended
	var later int64
	var end time.Time // of the earlier one
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
		t.Errorf("%d writes for the %d of the later grant", store.spends-writes, later)
	}
	if takes(t, limiter, terms, 1); store.spends == writes {
		t.Error("a token of the earlier grant outlived its end")
	}
}

// What was handed out under a long window may be used for minutes, and is no use
// under a short one.
func TestALeaseEndsWithItsTerms(t *testing.T) {
	h := &hands{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	old := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1000, Window: 24 * time.Hour}}
	h.hold(t, limiter, old, 10)
	changed := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1, Window: 10 * time.Second}, Rev: 1}
	d, err := limiter.Take(t.Context(), "k", changed, 1, time.Time{})
	if err != nil || d.Admitted {
		t.Errorf("%+v, %v; want a denial", d, err)
	}
}

// A token counts for the day that it was handed out on.
func TestALeaseEndsWithItsDay(t *testing.T) {
	h := &hands{morning.Truncate(24 * time.Hour).Add(24*time.Hour - time.Second)}
	store := &item{}
	limiter := ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1000, Window: time.Hour}, Quota: ratelimit.Quota{Requests: 1000, Period: ratelimit.Day}}
	h.hold(t, limiter, terms, 10)
	h.now = h.now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	takes(t, limiter, terms, 1)
	if used := ratelimit.QuotaStatusOf(store.meter, terms.Quota, h.now).Used; used == 0 {
		t.Error("nothing was counted on the new day")
	}
}

// A busy key's requests, and those of one that knocks at a spent limit, leave
// nothing for the garbage collector.
func TestWhatIsDecidedFromMemoryAllocatesNothing(t *testing.T) {
	limiter := ratelimit.New(&item{}, (&hands{morning}).time, 10)
	for id, want := range map[string]bool{"leased": true, "spent": false} {
		terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 1, Window: time.Minute}}
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
