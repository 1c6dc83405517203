package registrytest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

const meterID = "0000000000000001"

var meterContracts = []contract{
	{"Spend does what Apply does, or changes nothing and returns ErrStale", func(t *testing.T, s Store) {
		w, at := 10*time.Second, Morning()
		day := ratelimit.DateOf(at)
		var want ratelimit.Meter
		for _, c := range []struct {
			name  string
			spend ratelimit.Spend
			stale bool
		}{
			{"not the first", ratelimit.Spend{
				Tokens: 1, Slice: 100, Window: w, SeenWindow: w, MaxNewest: 100, MaxUsed: 9, MaxNet: 9,
			}, true},
			{"the first", ratelimit.Spend{
				Tokens: 2, Net: 2, Slice: 100, Window: w, Fresh: true,
			}, false},
			{"the first again", ratelimit.Spend{
				Tokens: 2, Slice: 100, Window: w, Fresh: true,
			}, true},
			{"the same slice", ratelimit.Spend{
				Tokens: 3, Net: 1, Slice: 100, Window: w, SeenWindow: w, MaxNewest: 100, MaxUsed: 9, MaxNet: 9,
			}, false},
			{"a newer slice", ratelimit.Spend{
				Tokens: 1, Slice: 1000, Window: w, SeenWindow: w, MaxNewest: 1000, MaxUsed: 9, MaxNet: 9,
			}, false},
			{"an older slice", ratelimit.Spend{
				Tokens: 1, Slice: 999, Window: w, SeenWindow: w, MaxNewest: 999, MaxUsed: 9, MaxNet: 9,
			}, true},
			{"above MaxUsed", ratelimit.Spend{
				Tokens: 1, Slice: 1000, Window: w, SeenWindow: w, MaxNewest: 1000, MaxUsed: 5, MaxNet: 9,
			}, true},
			{"below MinUsed", ratelimit.Spend{
				Tokens: 1, Slice: 1000, Window: w, SeenWindow: w, MaxNewest: 1000, MinUsed: 7, MaxUsed: 9, MaxNet: 9,
			}, true},
			{"above MaxNet", ratelimit.Spend{
				Tokens: 1, Slice: 1000, Window: w, SeenWindow: w, MaxNewest: 1000, MaxUsed: 9, MaxNet: 2,
			}, true},
			{"another window", ratelimit.Spend{
				Tokens: 1, Slice: 1000, Window: w, SeenWindow: 2 * w, MaxNewest: 1000, MaxUsed: 9, MaxNet: 9,
			}, true},
		} {
			c.spend.At, c.spend.Expires, c.spend.Day = at, at.Add(time.Hour), day
			if err := want.Apply(c.spend); (err != nil) != c.stale {
				t.Fatalf("%s: Apply: %v", c.name, err)
			}
			got, err := s.Spend(t.Context(), meterID, c.spend)
			if c.stale {
				fails(t, c.name, err, ratelimit.ErrStale)
			} else {
				must(t, err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: (-Apply +Spend)\n%s", c.name, diff)
			}
			if read, err := s.Meter(t.Context(), meterID); err != nil || !cmp.Equal(want, read, cmpopts.EquateEmpty()) {
				t.Errorf("%s: Meter: %+v, %v", c.name, read, err)
			}
		}
	}},
	{"Of many that spend on one condition at the same time, one succeeds", func(t *testing.T, s Store) {
		spend := ratelimit.Spend{
			Tokens: 1, Net: 1, Slice: 5, Window: time.Second, Day: 20261124,
			At: Morning(), Expires: Morning().Add(time.Hour), Fresh: true,
		}
		spent := 0
		for _, err := range concurrently(6, func(int) error {
			_, err := s.Spend(t.Context(), meterID, spend)
			return err
		}) {
			if err == nil {
				spent++
			} else {
				fails(t, "spend", err, ratelimit.ErrStale)
			}
		}
		if m, err := s.Meter(t.Context(), meterID); err != nil || spent != 1 || m.Used != 1 {
			t.Errorf("%d succeeded, %d tokens are spent, %v", spent, m.Used, err)
		}
	}},
	{"Touch stores the time of the last use and spends nothing", func(t *testing.T, s Store) {
		must(t, s.Touch(t.Context(), meterID, Morning()))
		meters, err := s.Meters(t.Context(), []string{meterID, "0000000000000002"})
		if diff := cmp.Diff(map[string]ratelimit.Meter{meterID: {LastUsed: Morning()}}, meters); diff != "" || err != nil {
			t.Errorf("meters: %v\n%s", err, diff)
		}
		spend := ratelimit.Spend{
			Tokens: 1, Slice: 5, Window: time.Second, Day: 20261124,
			At: Morning(), Expires: Morning().Add(time.Hour), Fresh: true,
		}
		if got, err := s.Spend(t.Context(), meterID, spend); err != nil || got.Used != 1 {
			t.Errorf("the first spend after a touch: %+v, %v", got, err)
		}
	}},
	{"Usage returns the recorded days between two days", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		Create(t, s, k, 0)
		days := []ratelimit.DayUsage{
			{Day: 20261031, Used: 5}, {Day: 20261123, Used: 2}, {Day: 20261130, Used: 1}, {Day: 20261201, Used: 7},
		}
		for range 2 { // recording again changes nothing
			must(t, s.RecordUsage(t.Context(), k.ID, days))
		}
		for _, c := range []struct {
			from, to ratelimit.Date
			want     []ratelimit.DayUsage
		}{
			{20261001, 20261231, days},
			{20261031, 20261130, days[:3]},
			{20261101, 20261129, days[1:2]},
			{20270101, 20270131, nil},
		} {
			if got, err := s.Usage(t.Context(), k.ID, c.from, c.to); err != nil || !cmp.Equal(c.want, got) {
				t.Errorf("%d to %d: %v, %v", c.from, c.to, got, err)
			}
		}
		must(t, s.Write(t.Context(), registry.Write{
			From: k, Delete: true, Former: &ratelimit.DayUsage{Day: 20261123, Former: 3},
		}))
		want := []ratelimit.DayUsage{{Day: 20261123, Used: 2, Former: 3}}
		if got, err := s.Usage(t.Context(), k.ID, 20261101, 20261129); err != nil || !cmp.Equal(want, got) {
			t.Errorf("after the key was deleted: %v, %v", got, err)
		}
	}},
	{"AddRefused adds to what is stored of a life, by day and code", func(t *testing.T, s Store) {
		one, two := NewKey(1, "u1"), NewKey(2, "u1")
		again := *one
		again.CreatedAt = again.CreatedAt.Add(time.Millisecond)
		limited := func(day ratelimit.Date, n int64) apikey.Refusals {
			return apikey.Refusals{day: {apikey.CodeRateLimited: n}}
		}
		for _, counts := range []apikey.Refusals{
			limited(20261130, 2), limited(20261130, 3), limited(20261024, 9), limited(20270101, 5),
			{20261130: {apikey.CodeRevoked: 1}, 20261201: {apikey.CodeRateLimited: 4}},
		} {
			must(t, s.AddRefused(t.Context(), one.ID, one.CreatedAt, counts))
		}
		must(t, s.AddRefused(t.Context(), one.ID, again.CreatedAt, limited(20261130, 100)))
		must(t, s.AddRefused(t.Context(), two.ID, two.CreatedAt, limited(20261130, 7)))
		for _, c := range []struct {
			from, to ratelimit.Date
			want     map[string]apikey.Refusals
		}{
			{20261024, 20270101, map[string]apikey.Refusals{
				one.ID: {
					20261024: {apikey.CodeRateLimited: 9}, 20261130: {apikey.CodeRateLimited: 5, apikey.CodeRevoked: 1},
					20261201: {apikey.CodeRateLimited: 4}, 20270101: {apikey.CodeRateLimited: 5},
				},
				two.ID: limited(20261130, 7),
			}},
			{20261201, 20261231, map[string]apikey.Refusals{one.ID: limited(20261201, 4)}},
			{20261101, 20261129, map[string]apikey.Refusals{}},
		} {
			got, err := s.Refused(t.Context(), []*apikey.Key{one, two, NewKey(3, "u1")}, c.from, c.to)
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%d to %d: %v (-want +got)\n%s", c.from, c.to, err, diff)
			}
		}
		got, err := s.Refused(t.Context(), []*apikey.Key{&again}, 20261101, 20261231)
		want := map[string]apikey.Refusals{one.ID: limited(20261130, 100)}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("the other life: %v (-want +got)\n%s", err, diff)
		}
		// What a verdict needs has none of it.
		Create(t, s, one, 0)
		must(t, s.SetOlderUse(t.Context(), one.ID, Morning()))
		if r, err := s.Find(t.Context(), one.ID); err != nil || len(r.More) > 0 || !r.Meter.LastUsed.IsZero() {
			t.Errorf("Find: %+v, %v", r, err)
		}
	}},
	{"SetOlderUse replaces the time of the use of an older token", func(t *testing.T, s Store) {
		for n := range 3 {
			must(t, s.SetOlderUse(t.Context(), NewKey(n%2, "u1").ID, Morning().Add(time.Duration(n)*time.Second)))
		}
		want := map[string]time.Time{
			NewKey(0, "u1").ID: Morning().Add(2 * time.Second), NewKey(1, "u1").ID: Morning().Add(time.Second),
		}
		got, err := s.OlderUses(t.Context(), []string{NewKey(0, "u1").ID, NewKey(1, "u1").ID, NewKey(2, "u1").ID})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}},
	{"No two meter ids share a meter", func(t *testing.T, s Store) {
		ids := meterIDs()
		want := make(map[string]ratelimit.Meter)
		for n, id := range ids {
			spend := ratelimit.Spend{
				Tokens: int64(n + 1), Net: int64(n + 1), Slice: 5, Window: time.Second, Day: 20261124,
				At: Morning(), Expires: Morning().Add(time.Hour), Fresh: true,
			}
			m, err := s.Spend(t.Context(), id, spend)
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			must(t, s.Touch(t.Context(), id, Morning().Add(time.Duration(n)*time.Second)))
			m.LastUsed = Morning().Add(time.Duration(n) * time.Second)
			want[id] = m
			if read, err := s.Meter(t.Context(), id); err != nil || !cmp.Equal(m, read, cmpopts.EquateEmpty()) {
				t.Errorf("%s: Meter: %+v, %v", id, read, err)
			}
		}
		got, err := s.Meters(t.Context(), ids)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("meters: %v (-want +got)\n%s", err, diff)
		}
	}},
	{"The usage of each first meter is apart, and further meters have none", func(t *testing.T, s Store) {
		for n, id := range meterIDs() {
			must(t, s.RecordUsage(t.Context(), id, []ratelimit.DayUsage{{Day: 20261123, Used: int64(n + 1)}}))
		}
		for n, id := range meterIDs() {
			_, _, what := apikey.ParseMeter(id)
			got, err := s.Usage(t.Context(), id, 20261101, 20261130)
			want := []ratelimit.DayUsage{{Day: 20261123, Used: int64(n + 1)}}
			if what == "" && (err != nil || !cmp.Equal(want, got)) {
				t.Errorf("%s: %v, %v; want %v", id, got, err, want)
			}
		}
	}},
	{"Find returns the key with its first meter and with the others", func(t *testing.T, s Store) {
		k := NewKey(1, "u1")
		Create(t, s, k, 0)
		var more []string
		for _, id := range meterIDs() {
			must(t, s.Touch(t.Context(), id, Morning()))
			if of, owner, what := apikey.ParseMeter(id); of == apikey.OfKey && owner == k.ID && what != "" {
				more = append(more, id)
			}
		}
		must(t, s.RecordUsage(t.Context(), k.ID, []ratelimit.DayUsage{{Day: 20261123, Used: 1}}))
		r, err := s.Find(t.Context(), k.ID)
		must(t, err)
		var got []string
		for _, m := range r.More {
			got = append(got, m.ID)
			if !m.Meter.LastUsed.Equal(Morning()) {
				t.Errorf("%s: %+v", m.ID, m.Meter)
			}
		}
		slices.Sort(got)
		slices.Sort(more)
		if !slices.Equal(got, more) || r.Key.ID != k.ID || !r.Meter.LastUsed.Equal(Morning()) {
			t.Errorf("%+v has the meters %q, want %q", r, got, more)
		}
	}},
}

// meterIDs returns ids of meters of all kinds. The ids of some users look like those of others with
// the name of a meter.
func meterIDs() []string {
	ids := []string{"static-default", "static-default#2"}
	for _, id := range []string{meterID, "0000000000000002"} {
		ids = append(ids, id)
		for _, what := range meterNames() {
			ids = append(ids, id+"#"+what)
		}
	}
	for _, user := range []string{
		"u1", "u1#", "#u1", "u1#60", "60#u1", "#60#u1", "meter", "#meter#60", "u1#meter",
		meterID, "user##u1", "lifetime", "Ünï #",
	} {
		for _, what := range append(meterNames(), "") {
			ids = append(ids, apikey.UserMeter(user, what))
		}
	}
	return ids
}

// meterNames returns the names of further meters: windows in seconds, and periods.
func meterNames() []string { return []string{"1", "60", "86400", "day", "month", "lifetime"} }
