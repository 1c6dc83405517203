package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/internal/ratelimit"
)

var morning = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// fakeClock is a clock that a test sets.
type fakeClock struct{ now time.Time }

func (h *fakeClock) time() time.Time { return h.now }

// per, daily and monthly make limits and quotas short to write.
func per(requests int64, window time.Duration) ratelimit.Limit {
	return ratelimit.Limit{Requests: requests, Window: window}
}

func daily(n int64) ratelimit.Quota { return ratelimit.Quota{Requests: n, Period: ratelimit.Day} }

func monthly(n int64) ratelimit.Quota { return ratelimit.Quota{Requests: n, Period: ratelimit.Month} }

// anyTime returns a time near the end of a February with 29 days.
func anyTime(t *rapid.T) time.Time {
	offset := rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "begin")
	return time.Date(2028, 2, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(offset))
}

// A random history of one meter without leases is compared with a plain list of the admitted
// tokens. The decisions, the status and RetryAfter must agree with the list.
func TestTheMeterAgreesWithAPlainList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := ratelimit.Limit{
			Requests: rapid.Int64Range(1, 20).Draw(rt, "requests"),
			Window:   time.Duration(rapid.IntRange(10, 600).Draw(rt, "window")) * time.Second,
		}
		slice := ratelimit.RulesOf(ratelimit.Leaseless).Slice(limit.Window)
		at := func(t time.Time) int64 { return t.UnixNano() / int64(slice) }
		h := &fakeClock{morning}
		store := &item{}
		limiter := ratelimit.New(store, h.time, 10).Mutate(ratelimit.Leaseless)
		var list []int64 // the slice of each admitted token
		inWindow := func() (n int64) {
			for _, s := range list {
				if s >= at(h.now)-60 {
					n++
				}
			}
			return n
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(limit.Window)/3).Draw(rt, "pass")))
			n := rapid.Int64Range(1, limit.Requests).Draw(rt, "n")
			room := limit.Requests - inWindow()
			d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, n, time.Time{})
			if err != nil {
				rt.Fatal(err)
			}
			if d.Admitted != (room >= n) {
				rt.Fatalf("take %d of %d: admitted %v", n, room, d.Admitted)
			}
			if d.Admitted {
				room -= n
				for range n {
					list = append(list, at(h.now))
				}
			}
			if d.Status.Remaining != room || d.Status.Used != inWindow() {
				rt.Fatalf("%d used and %d remain, want %d of %d", d.Status.Used, d.Status.Remaining, room, limit.Requests)
			}
			if peek := limiter.Peek("k", ratelimit.Terms{Limit: limit}, time.Time{}); peek != d.Status {
				rt.Fatalf("peek %+v, take %+v", peek, d.Status)
			}
			if marks := store.meter.Marks; d.Admitted && marks[0].Slice < at(h.now)-60 {
				rt.Fatalf("a mark is stored that no longer counts: %+v", marks)
			}
			if !d.Admitted {
				denied := h.now
				h.now = denied.Add(d.RetryAfter)
				if limit.Requests-inWindow() < n {
					rt.Fatalf("retry after %v is too early", d.RetryAfter)
				}
				if h.now = denied.Add(d.RetryAfter - time.Second); d.RetryAfter > time.Second && limit.Requests-inWindow() >= n {
					rt.Fatalf("retry after %v is later than necessary", d.RetryAfter)
				}
				h.now = denied
			}
			if reset := d.Status.Reset; reset.Before(h.now) {
				rt.Fatalf("reset %v has passed", reset)
			}
		}
		// At reset the window is empty.
		h.now = limiter.Peek("k", ratelimit.Terms{Limit: limit}, time.Time{}).Reset
		if n := inWindow(); n != 0 {
			rt.Fatalf("at reset %d are left in the window", n)
		}
	})
}

func TestADenialSpendsNothing(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	limit := per(3, time.Minute)
	one, two := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	take := func(l *ratelimit.Limiter, n int64) bool {
		t.Helper()
		d, err := l.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, n, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Admitted
	}
	if !take(one, 2) || take(two, 2) || !take(two, 1) || take(one, 1) {
		t.Error("2, then 2 more of 1, then 1, then 1 of 0 must be: yes, no, yes, no")
	}
	if store.meter.Used != 3 {
		t.Errorf("%d spent of 3", store.meter.Used)
	}
	before := store.spends
	for range 10 {
		take(one, 1)
	}
	if store.spends != before {
		t.Errorf("denials from memory wrote %d times", store.spends-before)
	}
}

func TestAChangedLimitOrWindowAppliesAtOnce(t *testing.T) {
	h := &fakeClock{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	for i, c := range []struct {
		pass  time.Duration
		limit ratelimit.Limit
		n     int64
		want  bool
		left  int64
	}{
		{0, per(10, time.Minute), 4, true, 6},
		{0, per(3, time.Minute), 1, false, 0},
		{0, per(5, time.Minute), 1, true, 0},
		{0, per(6, time.Hour), 1, true, 0},   // the spend in the old window counts
		{0, per(7, time.Minute), 1, true, 0}, // and it counts after changing back
		{62 * time.Second, per(7, time.Minute), 7, true, 0},
	} {
		h.now = h.now.Add(c.pass)
		d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: c.limit}, c.n, time.Time{})
		if err != nil || d.Admitted != c.want || d.Status.Remaining != c.left {
			t.Errorf("step %d: admitted %v, %d left, %v; want %v, %d", i, d.Admitted, d.Status.Remaining, err, c.want, c.left)
		}
	}
}

func TestAReplyThatComesTooLateIsCountedAndNotUsed(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	store.onCommit = func() {
		if store.spends == 1 {
			h.now = h.now.Add(2 * time.Second)
		}
	}
	limiter, terms := ratelimit.New(store, h.time, 10), ratelimit.Terms{Limit: per(10, time.Minute)}
	d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{})
	if err != nil || !d.Admitted || store.meter.Used != 2 || d.Status.Remaining != 8 {
		t.Errorf("%+v, %v, %d counted; want admitted with 2 counted", d, err, store.meter.Used)
	}
}

// Another instance lengthens the window. An instance with older terms must not shorten it again,
// because the meter would forget the spend beyond the shorter window.
func TestOldTermsDoNotShortenAWindow(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	old := ratelimit.Terms{Limit: per(10, 10*time.Second), Rev: 1}
	changed := ratelimit.Terms{Limit: per(5, time.Hour), Rev: 2}
	one, two := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	for i, step := range []struct {
		limiter *ratelimit.Limiter
		terms   ratelimit.Terms
		pass    time.Duration
		want    error
		yes     bool
	}{
		{one, old, 0, nil, true}, {two, old, 0, nil, true},
		{one, changed, 0, nil, true},
		{two, old, 0, ratelimit.ErrOldTerms, false},
		{one, old, 0, ratelimit.ErrOldTerms, false},
		{two, changed, time.Minute, nil, true}, {two, changed, 0, nil, true}, {one, changed, 0, nil, false},
	} {
		h.now = h.now.Add(step.pass)
		d, err := step.limiter.Take(t.Context(), "k", step.terms, 1, time.Time{})
		if !errors.Is(err, step.want) || d.Admitted != step.yes {
			t.Errorf("step %d: %+v, %v", i, d, err)
		}
	}
}

// An instance whose clock is behind spends in the slice and on the day that another instance has
// begun. It does not keep losing to the other.
func TestAClockThatIsBehindIsServed(t *testing.T) {
	slice := int64(ratelimit.Slice(time.Minute))
	for _, begins := range []time.Time{time.Unix(0, (morning.UnixNano()/slice+1)*slice), morning.Truncate(24 * time.Hour)} {
		fast, slow := &fakeClock{begins.Add(50 * time.Millisecond)}, &fakeClock{begins.Add(-50 * time.Millisecond)}
		store := &item{}
		terms := ratelimit.Terms{Limit: per(10, time.Minute), Quota: daily(20)}
		for i, clock := range []*fakeClock{slow, fast, slow} {
			l := ratelimit.New(store, clock.time, 10)
			if d, err := l.Take(t.Context(), "k", terms, 1, time.Time{}); err != nil || !d.Admitted {
				t.Errorf("%v, instance %d: %+v, %v", begins, i, d, err)
			}
		}
	}
}

// A table forgets a meter long after its last use. The odometer of the next meter may reach the
// number at which an instance saw the former one.
func TestAForgottenMeterIsNotTakenForTheNextOne(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	terms := ratelimit.Terms{Limit: per(5, time.Minute)}
	one, two := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	take := func(l *ratelimit.Limiter, n int64) bool {
		t.Helper()
		d, err := l.Take(t.Context(), "k", terms, n, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Admitted
	}
	take(one, 3)
	h.now = store.expires.Add(time.Hour)
	store.meter = ratelimit.Meter{}
	take(two, 2)
	one.Observe("k", store.meter)
	if take(two, 1); take(one, 5) {
		t.Error("8 of 5 were admitted")
	}
}

// The usage of a past day is exact, and is recorded by one write, even if an instance dies during
// it. The usage of the present day is known from the meter.
func TestTheUsageOfEachDayIsRecordedOnce(t *testing.T) {
	h := &fakeClock{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	store := &item{}
	terms := ratelimit.Terms{Limit: per(1000, time.Minute)}
	one, two := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	used := make(map[ratelimit.Date]int64)
	take := func(l *ratelimit.Limiter, n int64) {
		t.Helper()
		l.Observe("k", store.meter) // as the gate does
		if d, err := l.Take(t.Context(), "k", terms, n, time.Time{}); err != nil || !d.Admitted {
			t.Fatalf("%+v, %v", d, err)
		}
		used[ratelimit.DateOf(h.now)] += n
		h.now = h.now.Add(3 * time.Second) // every lease has ended
	}
	failures := 0
	for day := range 6 {
		// No request comes on the third day. On the fourth day the first write of usage is lost.
		if day != 2 {
			take(one, 3)
			store.failRecord = day == 3
			before := store.records
			take(one, 1)
			if store.failRecord {
				failures = store.records - before
			}
			store.failRecord = false
			for range 5 {
				take(two, int64(day+1))
			}
			h.now = h.now.Add(time.Hour)
			take(two, 1)
			take(two, 1)
			take(one, 1)
		}
		h.now = h.now.Truncate(24 * time.Hour).Add(36 * time.Hour)
	}
	daily := store.meter.Usage()
	last := daily[len(daily)-1]
	store.recorded[last.Day] = last.Used
	if diff := cmp.Diff(used, store.recorded); diff != "" {
		t.Errorf("used by day (-want +recorded):\n%s", diff)
	}
	// Four days are over.
	if store.records != 4+failures {
		t.Errorf("%d writes, of which %d were lost", store.records, failures)
	}
	if len(store.meter.Past) > 0 {
		t.Errorf("%d marks are left", len(store.meter.Past))
	}
}

// A table may delete a meter any time after it expires. Until then the meter goes on.
func TestAMeterThatHasExpiredButIsStoredGoesOn(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	terms := ratelimit.Terms{Limit: per(5, time.Minute)}
	for i, l := range []*ratelimit.Limiter{ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)} {
		if i > 0 {
			l.Observe("k", store.meter)
		}
		for range 2 {
			if d, err := l.Take(t.Context(), "k", terms, 1, time.Time{}); err != nil || !d.Admitted {
				t.Errorf("instance %d: %+v, %v", i, d, err)
			}
			h.now = store.expires.Add(time.Hour)
		}
	}
	if store.meter.Used != 4 {
		t.Errorf("the odometer stands at %d", store.meter.Used)
	}
}

func TestHowManyTokensAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		name                  string
		need, cost, perSecond int64
		life                  time.Duration
		room, want            int64
	}{
		{"no other request comes", 1, 1, 0, time.Second, 1000, 1},
		{"one a second is too few for a lease", 1, 1, 1, time.Second, 1000, 1},
		{"half of the requests of a second", 1, 1, 100, time.Second, 1000, 51},
		{"no more than a second ahead", 1, 1, 100, time.Hour, 1000, 51},
		{"the rest of a slice", 1, 1, 100, 400 * time.Millisecond, 1000, 21},
		{"at the cost of this request", 5, 5, 100, time.Second, 10_000, 255},
		{"with some tokens leased", 2, 5, 100, time.Second, 10_000, 252},
		{"an eighth of the room", 1, 1, 1000, time.Second, 80, 10},
		{"the needed tokens, even if they are more than that", 7, 7, 1000, time.Second, 8, 7},
		{"a slice that is over", 1, 1, 1000, -time.Second, 1000, 1},
	} {
		if got := ratelimit.Size(c.need, c.cost, c.perSecond, c.life, c.room); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestAQuotaEndsWithItsPeriod(t *testing.T) {
	h := &fakeClock{time.Date(2028, 2, 28, 23, 59, 0, 0, time.UTC)}
	limiter := ratelimit.New(&item{}, h.time, 10)
	terms := func(p ratelimit.Period, n int64) ratelimit.Terms {
		return ratelimit.Terms{Limit: per(100, time.Minute), Quota: ratelimit.Quota{Requests: n, Period: p}}
	}
	for i, c := range []struct {
		pass  time.Duration
		terms ratelimit.Terms
		n     int64
		want  bool
		left  int64
		wait  time.Duration
	}{
		{0, terms(ratelimit.Day, 10), 4, true, 6, 0},
		{0, terms(ratelimit.Day, 10), 7, false, 6, time.Minute},
		{0, terms(ratelimit.Day, 3), 1, false, 0, time.Minute}, // lowered below the used amount
		{0, terms(ratelimit.Month, 5), 1, true, 0, 0},          // the day counts for its month
		{0, terms(ratelimit.Month, 5), 1, false, 0, 24*time.Hour + time.Minute},
		{0, terms(ratelimit.Day, 10), 5, true, 0, 0}, // and the other way round
		{time.Minute, terms(ratelimit.Day, 10), 10, true, 0, 0},
		{0, terms(ratelimit.Month, 21), 2, false, 1, 24 * time.Hour},
		{24 * time.Hour, terms(ratelimit.Month, 21), 21, true, 0, 0}, // the first of March
	} {
		h.now = h.now.Add(c.pass)
		d, err := limiter.Take(t.Context(), "k", c.terms, c.n, time.Time{})
		if err != nil || d.Admitted != c.want || d.OverQuota == c.want || d.Status.Remaining != c.left || d.RetryAfter != c.wait {
			t.Errorf("step %d: %+v, %v; want admitted %v, %d left, wait %v", i, d, err, c.want, c.left, c.wait)
		}
		if d.OverQuota && (d.Status.Limit != c.terms.Quota.Requests || !d.Status.Reset.Equal(h.now.Add(c.wait))) {
			t.Errorf("step %d: %+v is not about the quota", i, d.Status)
		}
	}
}

func TestALimitWithLittleLeftIsShownBeforeAQuotaWithMore(t *testing.T) {
	h := &fakeClock{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	terms := ratelimit.Terms{Limit: per(5, time.Minute), Quota: daily(8)}
	d, err := limiter.Take(t.Context(), "k", terms, 5, time.Time{})
	if err != nil || d.Status.Remaining != 0 {
		t.Errorf("%+v, %v: 0 are left of 5", d, err)
	}
	if d, err = limiter.Take(t.Context(), "k", terms, 1, time.Time{}); err != nil || d.OverQuota || d.RetryAfter > 62*time.Second {
		t.Errorf("%+v, %v: it is the limit that denies", d, err)
	}
	h.now = h.now.Add(62 * time.Second)
	if d, err = limiter.Take(t.Context(), "k", terms, 1, time.Time{}); err != nil || d.Status.Remaining != 2 {
		t.Errorf("%+v, %v: 2 are left of the quota", d, err)
	}
}

func TestOneQuotaWithinAnother(t *testing.T) {
	for _, c := range []struct {
		inner, outer ratelimit.Quota
		want         bool
	}{
		{ratelimit.Quota{}, ratelimit.Quota{}, true}, {daily(9), ratelimit.Quota{}, true},
		{ratelimit.Quota{}, daily(9), false},
		{daily(9), daily(9), true}, {daily(10), daily(9), false}, {monthly(9), daily(9), true},
		{monthly(10), daily(9), false},
		{daily(1), monthly(31), true}, {daily(1), monthly(30), false},
	} {
		if got := c.inner.Within(c.outer); got != c.want {
			t.Errorf("%v within %v: %v", c.inner, c.outer, got)
		}
	}
}

func TestALimiterGivesUpAfterLosingManyWrites(t *testing.T) {
	store := &contested{}
	limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
	_, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: per(100, time.Minute)}, 1, time.Time{})
	if err == nil || store.tries != 16 {
		t.Errorf("%v after %d tries; want an error after 16", err, store.tries)
	}
}

// contested is a store in which another instance has spent before each write.
type contested struct{ tries int }

func (c *contested) Spend(_ context.Context, _ string, s ratelimit.Spend) (ratelimit.Meter, error) {
	c.tries++
	marks := []ratelimit.Mark{{Slice: s.Slice}}
	return ratelimit.Meter{Window: s.Window, Used: int64(c.tries), Newest: s.Slice, Marks: marks}, ratelimit.ErrStale
}

func (c *contested) Meter(context.Context, string) (ratelimit.Meter, error) {
	return ratelimit.Meter{}, nil
}

func (c *contested) RecordUsage(context.Context, string, []ratelimit.DayUsage) error { return nil }
func (c *contested) Touch(context.Context, string, time.Time) error                  { return nil }

func TestAStoreThatFailsIsNoDenial(t *testing.T) {
	broken := errors.New("broken")
	limiter := ratelimit.New(&item{err: broken}, (&fakeClock{morning}).time, 10)
	d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: per(1, time.Minute)}, 1, time.Time{})
	if !errors.Is(err, broken) || d.Admitted {
		t.Errorf("%+v, %v", d, err)
	}
}

// Each admitted request is either a write or a lease hit. Leased tokens do not count as used.
func TestALeaseSavesWrites(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	limiter := ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: per(1000, time.Minute)}
	for n := int64(1); n <= 1001; n++ {
		d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{})
		if err != nil || d.Admitted != (n <= 1000) {
			t.Fatalf("request %d: %v, %v", n, d, err)
		}
		admitted := min(n, 1000)
		if hits := limiter.LeaseHits(); hits != admitted-int64(store.spends) {
			t.Fatalf("%d lease hits of %d admitted with %d writes", hits, admitted, store.spends)
		}
		if d.Status.Used != admitted {
			t.Fatalf("%d are used of %d admitted", d.Status.Used, admitted)
		}
		h.now = h.now.Add(time.Millisecond)
	}
	if limiter.LeaseHits() < 900 {
		t.Errorf("%d of 1000 came from a lease", limiter.LeaseHits())
	}
}

// The limiter still remembers a meter after the table has failed.
func TestAFailureForgetsNothing(t *testing.T) {
	store := &item{}
	limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
	terms := ratelimit.Terms{Limit: per(5, time.Minute)}
	if _, err := limiter.Take(t.Context(), "k", terms, 3, time.Time{}); err != nil {
		t.Fatal(err)
	}
	store.err = errLost
	if _, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{}); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	if left := limiter.Peek("k", terms, time.Time{}).Remaining; left != 2 {
		t.Errorf("%d are said to be left, want 2", left)
	}
}

// An instance that denied many requests leases no more than others when there is room again. Most
// of those requests will not come back to it.
func TestADeniedRequestIsNoDemand(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	here, there := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: per(200, 10*time.Second)}
	take := func(l *ratelimit.Limiter, n int64) bool {
		d, err := l.Take(t.Context(), "k", terms, n, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Admitted
	}
	if !take(there, 200) {
		t.Fatal("no room in a new window")
	}
	for denied := 0; !take(here, 1); denied++ {
		if h.now = h.now.Add(time.Millisecond); denied > 20_000 {
			t.Fatal("the window never ended")
		}
	}
	if leased := here.Leased("k"); leased != 0 {
		t.Errorf("it leased %d tokens that no request needs", leased)
	}
}

// A request with a time far ahead does not keep a meter from refilling until then. API Gateway
// never sends such a request.
func TestAFloorFarAheadIsIgnored(t *testing.T) {
	h := &fakeClock{morning}
	limiter := ratelimit.New(&item{}, h.time, 10)
	terms := ratelimit.Terms{Limit: per(1, 10*time.Second)}
	for _, ahead := range []time.Duration{4 * time.Second, time.Minute, 200 * 365 * 24 * time.Hour} {
		for _, floor := range []time.Time{h.now.Add(ahead), {}} {
			d, err := limiter.Take(t.Context(), "k", terms, 1, floor)
			if err != nil || !d.Admitted {
				t.Errorf("%v ahead, floor %v: %+v, %v", ahead, floor, d, err)
			}
			h.now = h.now.Add(20 * time.Second)
		}
	}
}

// An instance whose clock is behind spends at the time of the request, and not before it.
func TestTheTimeIsNotBeforeTheRequest(t *testing.T) {
	h, store := &fakeClock{morning}, &item{}
	limiter := ratelimit.New(store, h.time, 10)
	for _, floor := range []time.Time{morning.Add(-time.Second), morning.Add(time.Second)} {
		if _, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: per(5, time.Minute)}, 1, floor); err != nil {
			t.Fatal(err)
		}
		want := morning
		if floor.After(want) {
			want = floor
		}
		if !store.meter.LastUsed.Equal(want) {
			t.Errorf("a request of %v is spent for at %v", floor, store.meter.LastUsed)
		}
	}
}

func TestAUseIsStoredOnceInFifteenMinutes(t *testing.T) {
	h := &fakeClock{morning}
	store := &item{}
	limiter := ratelimit.New(store, h.time, 10)
	for range 31 { // half an hour
		if _, err := limiter.Touch(t.Context(), "k", time.Time{}); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(time.Minute)
	}
	if store.touches != 3 {
		t.Errorf("touched %d times in half an hour, want 3", store.touches)
	}
}

func TestAnOldReadDoesNotReplaceANewerOne(t *testing.T) {
	limit := per(5, time.Minute)
	limiter := ratelimit.New(&item{}, (&fakeClock{morning}).time, 10)
	if _, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, 3, time.Time{}); err != nil {
		t.Fatal(err)
	}
	limiter.Observe("k", ratelimit.Meter{})
	if left := limiter.Peek("k", ratelimit.Terms{Limit: limit}, time.Time{}).Remaining; left != 2 {
		t.Errorf("%d left, want 2", left)
	}
}

func TestHowOneLimitLiesWithinAnother(t *testing.T) {
	minute := per(60, time.Minute)
	for _, c := range []struct {
		requests int64
		window   time.Duration
		want     bool
	}{
		{60, time.Minute, true}, {61, time.Minute, false}, {1, time.Second, true}, {2, time.Second, false},
		{60, time.Hour, true}, {61, time.Hour, false}, {30, 31 * time.Second, true}, {30, 29 * time.Second, false},
	} {
		if got := (per(c.requests, c.window)).Within(minute); got != c.want {
			t.Errorf("%d per %v within 60 per minute: %v", c.requests, c.window, got)
		}
	}
}

func TestHowFastALimitIsOnTheAverage(t *testing.T) {
	minute := per(60, time.Minute)
	for _, c := range []struct {
		requests int64
		window   time.Duration
		want     bool
	}{
		{60, time.Minute, true}, {61, time.Minute, false}, {1, time.Second, true}, {2, time.Second, false},
		{7, 7 * time.Second, true}, {8, 7 * time.Second, false},
		{3600, time.Hour, true}, {3601, time.Hour, false}, {86400, 24 * time.Hour, true}, {1_000_000, 24 * time.Hour, false},
	} {
		if got := (per(c.requests, c.window)).NoFaster(minute); got != c.want {
			t.Errorf("%d in %v no faster than 60 in 1m: %v", c.requests, c.window, got)
		}
	}
}

// panicking is a store whose next call panics.
type panicking struct {
	*item
	next bool
}

func (p *panicking) spring() {
	if p.next {
		p.next = false
		panic("store")
	}
}

func (p *panicking) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	p.spring()
	return p.item.Spend(ctx, id, s)
}

func (p *panicking) RecordUsage(ctx context.Context, id string, days []ratelimit.DayUsage) error {
	p.spring()
	return p.item.RecordUsage(ctx, id, days)
}

// A handler may recover from a panic of the store. The limiter must then hold no lock.
func TestALimiterWorksAfterItsStorePanics(t *testing.T) {
	h := &fakeClock{morning}
	store := &panicking{item: &item{}}
	limiter := ratelimit.New(store, h.time, 10)
	terms := ratelimit.Terms{Limit: per(10, time.Minute)}
	for _, pass := range []time.Duration{0, 24 * time.Hour, 24 * time.Hour} { // the last one records usage
		h.now = h.now.Add(pass)
		store.next = true
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the store did not panic")
				}
			}()
			_, _ = limiter.Take(t.Context(), "k", terms, 1, time.Time{})
		}()
		h.now = h.now.Add(2 * time.Minute)
		if d, err := limiter.Take(t.Context(), "k", terms, 1, time.Time{}); err != nil || !d.Admitted {
			t.Errorf("after a panic: %+v, %v", d, err)
		}
	}
	if store.records == 0 {
		t.Error("no usage was recorded: the panic of RecordUsage was not tested")
	}
}
