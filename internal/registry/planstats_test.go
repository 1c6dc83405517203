package registry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// lateIndex is a store whose index has users who had the plan before.
type lateIndex struct{ registry.Store }

func (s *lateIndex) PlanUsers(context.Context, string, string, int) ([]string, error) {
	return []string{"nobody", "u1", "u3", "u5"}, nil
}

func TestTheUsersOfAPlanAreReadInPages(t *testing.T) {
	b := newBench(t)
	b.putPlan(t, "pro", 1)
	b.putPlan(t, "basic", 1)
	for n := range 5 {
		b.setUser(t, fmt.Sprint("u", n), apikey.UserChange{Plan: ptr("pro")})
	}
	b.setUser(t, "u3", apikey.UserChange{Plan: ptr("basic")})
	b.setUser(t, "u5", apikey.UserChange{MaxKeys: ptr(1)})
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 9, Window: time.Minute}}
	limiter := ratelimit.New(b.Meters, b.Clock.Time, 10)
	if _, err := limiter.Take(t.Context(), apikey.UserMeter("u1", ""), terms, 2, time.Time{}); err != nil {
		t.Fatal(err)
	}
	read := func(plan string) (ids []string) {
		for cursor, page := "", 0; page < 9; page++ {
			users, next, err := b.Registry.PlanStats(t.Context(), root(), plan, cursor, 2)
			if err != nil || len(users) > 2 {
				t.Fatalf("%d users, %v", len(users), err)
			}
			for _, u := range users {
				ids = append(ids, u.User.ID)
				if want := map[string]int{"u1": 1}[u.User.ID]; len(u.Meters) != want {
					t.Errorf("%s has %d meters", u.User.ID, len(u.Meters))
				}
			}
			if cursor = next; next == "" {
				break
			}
		}
		return ids
	}
	for plan, want := range map[string][]string{"pro": {"u0", "u1", "u2", "u4"}, "basic": {"u3"}} {
		got := read(plan)
		for try := 0; try < 100 && len(got) != len(want); try++ {
			got = read(plan)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", plan, diff)
		}
	}
	late := b.On(&lateIndex{b.Options.Store})
	if users, _, err := late.PlanStats(t.Context(), root(), "pro", "", 9); err != nil || len(users) != 1 || users[0].User.ID != "u1" {
		t.Errorf("by an index that lags: %+v, %v", users, err)
	}
	_, _, err := b.Registry.PlanStats(t.Context(), root(), "pro", "???", 2)
	invalid(t, "a cursor of nobody's", err, "cursor")
	if _, _, err := b.Registry.PlanStats(t.Context(), root(), "missing", "", 2); err == nil {
		t.Error("a missing plan has users")
	}
	if _, _, err := b.Registry.PlanStats(t.Context(), b.caller(t, "u1", nil), "pro", "", 2); err == nil {
		t.Error("a user reads the users of a plan")
	}
}

// The user's own meter counts what keys have spent that are deleted by now.
func TestTheUsageOfAUserHasWhatDeletedKeysSpent(t *testing.T) {
	b := newBench(t)
	key := b.Issue(t, b.Token(t), nil)
	terms := ratelimit.Terms{Limit: ratelimit.Limit{Requests: 99, Window: time.Second}}
	days := func() map[ratelimit.Date]int64 {
		used, err := b.Registry.UserUsage(t.Context(), root(), "u1", registry.Days{
			From: apikeytest.Noon.AddDate(0, 0, -2), To: apikeytest.Noon.AddDate(0, 0, 9),
		})
		if err != nil {
			t.Fatal(err)
		}
		by := make(map[ratelimit.Date]int64)
		for _, d := range used.Days {
			by[d.Day] += d.Used
		}
		return by
	}
	spend := func(id string, n int64) {
		b.Clock.Pass(time.Minute)
		limiter := ratelimit.New(b.Meters, b.Clock.Time, 10)
		if _, err := limiter.Take(t.Context(), id, terms, n, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	spend(key.ID, 3)
	want := map[ratelimit.Date]int64{20261124: 3}
	if diff := cmp.Diff(want, days()); diff != "" {
		t.Errorf("without shared bounds (-want +got):\n%s", diff)
	}
	spend(apikey.UserMeter("u1", ""), 2) // of the three, after the bounds were set
	if diff := cmp.Diff(want, days()); diff != "" {
		t.Errorf("what both have counted (-want +got):\n%s", diff)
	}
	for _, id := range []string{key.ID, apikey.UserMeter("u1", "")} {
		b.Clock.Pass(24 * time.Hour)
		spend(id, 4)
	}
	spend(apikey.UserMeter("u1", ""), 4)
	b.Clock.Pass(48 * time.Hour)
	spend(apikey.UserMeter("u1", ""), 1)
	want = map[ratelimit.Date]int64{20261124: 3, 20261125: 4, 20261126: 8, 20261128: 1}
	if diff := cmp.Diff(want, days()); diff != "" {
		t.Errorf("a deleted key has spent more (-want +got):\n%s", diff)
	}
}
