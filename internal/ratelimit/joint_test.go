package ratelimit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// shelf is a store of many meters. Each is an item of its own.
type shelf struct {
	mu    sync.Mutex
	items map[string]*item
	build func() *item          // makes an item; nil: a plain one
	onAsk func(id string) error // runs before each spend, unless nil
	asked []string              // the ids of all spends
	read  []string              // the ids of all reads
}

func (s *shelf) item(id string) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = make(map[string]*item)
	}
	if s.items[id] == nil {
		s.items[id] = &item{}
		if s.build != nil {
			s.items[id] = s.build()
		}
	}
	return s.items[id]
}

func (s *shelf) Spend(ctx context.Context, id string, spend ratelimit.Spend) (ratelimit.Meter, error) {
	s.mu.Lock()
	s.asked = append(s.asked, id)
	s.mu.Unlock()
	if s.onAsk != nil {
		if err := s.onAsk(id); err != nil {
			return ratelimit.Meter{}, err
		}
	}
	return s.item(id).Spend(ctx, id, spend)
}

func (s *shelf) Meter(ctx context.Context, id string) (ratelimit.Meter, error) {
	s.mu.Lock()
	s.read = append(s.read, id)
	s.mu.Unlock()
	return s.item(id).Meter(ctx, id)
}

func (s *shelf) RecordUsage(ctx context.Context, id string, days []ratelimit.DayUsage) error {
	return s.item(id).RecordUsage(ctx, id, days)
}

func (s *shelf) Touch(ctx context.Context, id string, at time.Time) error {
	return s.item(id).Touch(ctx, id, at)
}

func part(id string, l ratelimit.Limit) ratelimit.Part {
	return ratelimit.Part{ID: id, Terms: ratelimit.Terms{Limit: l}}
}

func lifetime(requests int64) ratelimit.Quota {
	return ratelimit.Quota{Requests: requests, Period: ratelimit.Lifetime}
}

func credits(id string, requests int64) ratelimit.Part {
	return ratelimit.Part{ID: id, Terms: ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: lifetime(requests)}}
}

func takeAll(t *testing.T, l *ratelimit.Limiter, n int64, parts ...ratelimit.Part) ratelimit.Joint {
	t.Helper()
	j, err := l.TakeAll(t.Context(), parts, n, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Statuses) != len(parts) {
		t.Fatalf("%d statuses of %d parts", len(j.Statuses), len(parts))
	}
	return j
}

// Whatever the order of the parts, the shortest window is asked first, and a lifetime last. By and
// Statuses are in the order of the caller.
func TestTheShortestWindowIsSpentFromFirst(t *testing.T) {
	parts := []ratelimit.Part{
		credits("credits", 50), part("free", ratelimit.NoLimit()), part("minute", per(60, time.Minute)),
		part("user's minute", per(60, time.Minute)), part("second", per(10, time.Second)),
		{ID: "day", Terms: ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: daily(40)}}, part("hour", per(90, time.Hour)),
	}
	store := &shelf{}
	j := takeAll(t, ratelimit.New(store, (&fakeClock{morning}).time, 10), 2, parts...)
	want := []string{"second", "minute", "user's minute", "hour", "day", "free", "credits"}
	if !slices.Equal(store.asked, want) {
		t.Errorf("asked %q, want %q", store.asked, want)
	}
	var remaining []int64
	for _, s := range j.Statuses {
		remaining = append(remaining, s.Remaining)
	}
	if !slices.Equal(remaining, []int64{48, 0, 58, 58, 8, 38, 88}) || j.By != 4 || j.Status != j.Statuses[4] || !j.Admitted || !j.Asked {
		t.Errorf("%v remain, part %d is the tightest: %+v", remaining, j.By, j.Decision)
	}
}

func TestOnePartIsExactlyTake(t *testing.T) {
	h := &fakeClock{morning}
	one, all := ratelimit.New(&item{}, h.time, 10), ratelimit.New(&item{}, h.time, 10)
	terms := ratelimit.Terms{Limit: per(50, time.Minute), Quota: daily(70)}
	for i := range 300 {
		h.now = h.now.Add(time.Duration(i) * 7 * time.Millisecond)
		d, err := one.Take(t.Context(), "k", terms, int64(1+i%3), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		j := takeAll(t, all, int64(1+i%3), ratelimit.Part{ID: "k", Terms: terms})
		if j.Decision != d || j.By != 0 || j.Statuses[0] != d.Status {
			t.Fatalf("request %d: %+v, want %+v", i, j, d)
		}
	}
}

// A part that denies is known from memory. Then nothing is spent and no store is asked, and the
// longest wait is told. A lifetime never ends.
func TestADenialFromMemorySpendsNothing(t *testing.T) {
	minute, hour := part("minute", per(5, time.Minute)), part("hour", per(5, time.Hour))
	gone, wide := credits("gone", 5), part("wide", per(100, time.Minute))
	store := &shelf{}
	limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
	for _, p := range []ratelimit.Part{minute, hour, gone} {
		if !takeAll(t, limiter, 5, p).Admitted {
			t.Fatal("denied")
		}
	}
	takeAll(t, limiter, 1, wide)
	writes := len(store.asked)
	for _, c := range []struct {
		parts    []ratelimit.Part
		by       int
		least    time.Duration
		most     time.Duration
		ofQuota  bool
		remained int
	}{
		{[]ratelimit.Part{wide, minute}, 1, time.Minute, 63 * time.Second, false, 0},
		{[]ratelimit.Part{hour, minute, wide}, 0, time.Hour, 62 * time.Minute, false, 2},
		{[]ratelimit.Part{minute, gone, hour, wide}, 1, 0, 0, true, 3},
	} {
		j := takeAll(t, limiter, 1, c.parts...)
		if j.Admitted || j.By != c.by || j.OverQuota != c.ofQuota || j.Asked || j.RetryAfter < c.least || j.RetryAfter > c.most {
			t.Errorf("part %d denies: %+v, want part %d", j.By, j.Decision, c.by)
		}
		if j.Status != j.Statuses[j.By] || j.Status.Remaining != 0 || j.Statuses[c.remained].Remaining != 99 && c.remained > 0 {
			t.Errorf("%+v of %+v", j.Status, j.Statuses)
		}
	}
	if len(store.asked) != writes {
		t.Errorf("a denial from memory took the writes %q", store.asked[writes:])
	}
	if used := store.item("wide").meter.Used; used != 1 {
		t.Errorf("%d tokens are spent of the part that does not deny, want 1", used)
	}
}

// Another instance has spent the hour, which this one learns from its own write. The token of the
// minute returns to its lease, and pays the next request.
func TestADenialFromTheStoreGivesBackToTheLease(t *testing.T) {
	h, store := &fakeClock{morning}, &shelf{}
	here, there := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
	minute, hour := part("minute", per(50, time.Minute)), part("hour", per(20, time.Hour))
	takeAll(t, here, 1, minute, hour)
	for takeAll(t, there, 1, hour).Admitted {
		h.now = h.now.Add(time.Second / 2) // too slow for a lease
	}
	used := store.item("minute").meter.Used
	j := takeAll(t, here, 1, minute, hour)
	if j.Admitted || j.By != 1 || !j.Asked || j.RetryAfter == 0 {
		t.Fatalf("%+v", j)
	}
	if spent := store.item("minute").meter.Used; spent != used+1 || here.Leased("minute") != 1 {
		t.Fatalf("%d tokens of the minute are spent and %d are leased", spent-used, here.Leased("minute"))
	}
	writes := len(store.asked)
	if j := takeAll(t, here, 1, minute); !j.Admitted || len(store.asked) != writes {
		t.Errorf("the next request takes a write: %+v", j)
	}
}

// Where there is no lease, a token that was given back counts in its window, and no longer for the
// quota.
func TestADenialFromTheStoreGivesBackToTheQuota(t *testing.T) {
	for _, p := range []ratelimit.Part{
		{ID: "first", Terms: ratelimit.Terms{Limit: per(5, time.Second), Quota: daily(8)}},
		credits("first", 8),
	} {
		h, store := &fakeClock{morning}, &shelf{}
		here, there := ratelimit.New(store, h.time, 10), ratelimit.New(store, h.time, 10)
		last := credits("last", 3)
		takeAll(t, here, 1, p, last)
		takeAll(t, there, 2, last)
		if j := takeAll(t, here, 2, p, last); j.Admitted || j.By != 1 || j.RetryAfter != 0 {
			t.Fatalf("%+v", j)
		}
		for range 7 { // of 8, one is used
			h.now = h.now.Add(2 * time.Second)
			if !takeAll(t, here, 1, p).Admitted {
				t.Errorf("%v: tokens that were given back are lost", p.Terms.Quota)
			}
		}
		h.now = h.now.Add(2 * time.Second)
		if takeAll(t, here, 1, p).Admitted {
			t.Errorf("%v: tokens are given back twice", p.Terms.Quota)
		}
	}
}

func TestAnErrorGivesBackTheOtherParts(t *testing.T) {
	broken := errors.New("broken")
	store := &shelf{}
	limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
	store.onAsk = func(id string) error {
		if id == "hour" {
			return broken
		}
		return nil
	}
	_, err := limiter.TakeAll(t.Context(), []ratelimit.Part{part("hour", per(9, time.Hour)), part("minute", per(9, time.Minute))}, 3, time.Time{})
	if !errors.Is(err, broken) {
		t.Fatalf("%v, want %v", err, broken)
	}
	if leased := limiter.Leased("minute"); leased != 3 {
		t.Errorf("%d tokens of the minute may still be used, want 3", leased)
	}
}

// The tokens of a part may end while others are asked for. They are then not used, however often
// that happens.
func TestTokensThatEndMeanwhileAreNotUsed(t *testing.T) {
	h, store := &fakeClock{morning}, &shelf{}
	limiter := ratelimit.New(store, h.time, 10)
	parts := []ratelimit.Part{part("minute", per(90, time.Minute)), part("hour", per(90, time.Hour))}
	slow := 2
	store.onAsk = func(id string) error {
		if id == "hour" && slow > 0 {
			slow--
			h.now = h.now.Add(2 * time.Second)
		}
		return nil
	}
	if j := takeAll(t, limiter, 1, parts...); !j.Admitted || store.item("minute").meter.Used != 2 || store.item("hour").meter.Used != 1 {
		t.Errorf("%+v, with %d tokens of the minute and %d of the hour",
			j, store.item("minute").meter.Used, store.item("hour").meter.Used)
	}
	if net := store.item("minute").meter.Net; net != 1 {
		t.Errorf("%d tokens of the minute count as used, want 1", net)
	}
	// Credits have no lease, so each attempt asks for one again.
	store.onAsk = func(id string) error {
		if id == "credits" {
			h.now = h.now.Add(2 * time.Second)
		}
		return nil
	}
	parts[1] = credits("credits", 5)
	if _, err := limiter.TakeAll(t.Context(), parts, 1, time.Time{}); err == nil || !strings.Contains(err.Error(), "3 times") {
		t.Errorf("a store that is always too slow: %v", err)
	}
	store.onAsk = nil
	if j := takeAll(t, limiter, 5, parts[1]); !j.Admitted {
		t.Errorf("credits that were given back are lost: %+v", j)
	}
}

// A cost above a limit or a quota is denied without a wait, and spends nothing.
func TestACostAboveAPartIsDeniedForGood(t *testing.T) {
	store := &shelf{}
	limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
	for by, p := range []ratelimit.Part{
		part("a", per(5, time.Minute)), credits("b", 5),
		{ID: "c", Terms: ratelimit.Terms{Limit: per(50, time.Minute), Quota: daily(5)}},
	} {
		parts := slices.Insert([]ratelimit.Part{part("x", per(50, time.Second)), part("y", per(50, time.Hour))}, by%3, p)
		if j := takeAll(t, limiter, 6, parts...); j.Admitted || j.By != by || j.RetryAfter != 0 || len(store.asked) > 0 {
			t.Errorf("%+v", j)
		}
	}
	if j := takeAll(t, limiter, 6, part("a", per(5, time.Minute))); j.Admitted || j.By != 0 || j.RetryAfter != 0 {
		t.Errorf("a single part: %+v", j)
	}
}

func TestPeekAllSpendsNothingAndShowsTheTightest(t *testing.T) {
	store := &shelf{}
	limiter := ratelimit.New(store, (&fakeClock{morning}).time, 10)
	parts := []ratelimit.Part{part("free", ratelimit.NoLimit()), part("minute", per(9, time.Minute)), credits("c", 9)}
	for _, want := range []int64{9, 7} {
		j := limiter.PeekAll(parts, time.Time{})
		// Of two bounds with as many tokens, the one that never ends is tighter.
		if !j.Admitted || j.By != 2 || j.Status.Remaining != want || j.Statuses[1].Remaining != want || !j.Status.Reset.IsZero() {
			t.Errorf("%+v", j)
		}
		if again := limiter.PeekAll(parts, time.Time{}); again.By != j.By || !slices.Equal(again.Statuses, j.Statuses) {
			t.Errorf("a second look shows %+v", again)
		}
		takeAll(t, limiter, 2, parts...)
	}
	for _, none := range [][]ratelimit.Part{nil, {part("free", ratelimit.NoLimit())}} {
		j, err := limiter.TakeAll(t.Context(), none, 1, time.Time{})
		if err != nil || !j.Admitted || j.By != -1 || j.Status.Limit != 0 {
			t.Errorf("parts without a bound: %+v, %v", j, err)
		}
		if j := limiter.PeekAll(none, time.Time{}); !j.Admitted || j.By != -1 {
			t.Errorf("parts without a bound: %+v", j)
		}
	}
}
