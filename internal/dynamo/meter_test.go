package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

const meterID = "0000000000000001"

func TestAMeterIsWrittenAsTheLimiterMeans(t *testing.T) {
	at := func(s int) time.Time { return morning.Truncate(time.Second).Add(time.Duration(s) * time.Second) }
	w, other := 10*time.Second, 20*time.Second
	steps := []struct {
		name  string
		spend ratelimit.Spend
		stale bool
		want  ratelimit.Meter
	}{
		{"not the first", ratelimit.Spend{Tokens: 1, Slice: 100, Window: w, At: at(0), SeenWindow: w, MaxNewest: 100, MaxUsed: 9}, true,
			ratelimit.Meter{}},
		{"the first", ratelimit.Spend{Tokens: 2, Slice: 100, Window: w, At: at(0), Fresh: true}, false,
			ratelimit.Meter{Window: w, Used: 2, Newest: 100, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}}, LastUsed: at(0)}},
		{"the first, again", ratelimit.Spend{Tokens: 2, Slice: 100, Window: w, At: at(1), Fresh: true}, true,
			ratelimit.Meter{Window: w, Used: 2, Newest: 100, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}}, LastUsed: at(0)}},
		{"in the same slice", ratelimit.Spend{Tokens: 3, Slice: 100, Window: w, At: at(1), SeenWindow: w, MaxNewest: 100, MinUsed: 1, MaxUsed: 2}, false,
			ratelimit.Meter{Window: w, Used: 5, Newest: 100, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}}, LastUsed: at(1)}},
		{"in a newer slice", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: w, At: at(2), SeenWindow: w, MaxNewest: 1000, MinUsed: 5, MaxUsed: 9}, false,
			ratelimit.Meter{Window: w, Used: 6, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}, {Slice: 1000, Used: 5}}, LastUsed: at(2)}},
		{"in an older slice", ratelimit.Spend{Tokens: 1, Slice: 999, Window: w, At: at(3), SeenWindow: w, MaxNewest: 999, MinUsed: 0, MaxUsed: 9}, true,
			ratelimit.Meter{Window: w, Used: 6, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}, {Slice: 1000, Used: 5}}, LastUsed: at(2)}},
		{"above the range", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: w, At: at(3), SeenWindow: w, MaxNewest: 1000, MinUsed: 0, MaxUsed: 5}, true,
			ratelimit.Meter{Window: w, Used: 6, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}, {Slice: 1000, Used: 5}}, LastUsed: at(2)}},
		{"below the range", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: w, At: at(3), SeenWindow: w, MaxNewest: 1000, MinUsed: 7, MaxUsed: 9}, true,
			ratelimit.Meter{Window: w, Used: 6, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}, {Slice: 1000, Used: 5}}, LastUsed: at(2)}},
		{"in another window", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: w, At: at(3), SeenWindow: other, MaxNewest: 1000, MinUsed: 0, MaxUsed: 9}, true,
			ratelimit.Meter{Window: w, Used: 6, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 100, Used: 0}, {Slice: 1000, Used: 5}}, LastUsed: at(2)}},
		{"forgetting a mark", ratelimit.Spend{Tokens: 1, Slice: 1001, Window: w, At: at(4), SeenWindow: w, MaxNewest: 1001, MinUsed: 6, MaxUsed: 9, Forget: []int64{100}}, false,
			ratelimit.Meter{Window: w, Used: 7, Newest: 1001, Marks: []ratelimit.Mark{{Slice: 1000, Used: 5}, {Slice: 1001, Used: 6}}, LastUsed: at(4)}},
		{"starting another window", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: other, At: at(5), SeenWindow: w, MaxNewest: 1001, MinUsed: 7, MaxUsed: 7,
			Rev: 7, Restart: true, Base: 3, Forget: []int64{1001}, Earlier: []ratelimit.Point{{At: at(1), Used: 5}, {At: at(5), Used: 7}}}, false,
			ratelimit.Meter{Window: other, Rev: 7, Used: 8, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 1000, Used: 3}}, LastUsed: at(5),
				Earlier: []ratelimit.Point{{At: at(1), Used: 5}, {At: at(5), Used: 7}}}},
		{"the window of older terms", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: w, Rev: 6, At: at(5), SeenWindow: other, MaxNewest: 1001, MinUsed: 8, MaxUsed: 8,
			Restart: true, Base: 3}, true,
			ratelimit.Meter{Window: other, Rev: 7, Used: 8, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 1000, Used: 3}}, LastUsed: at(5),
				Earlier: []ratelimit.Point{{At: at(1), Used: 5}, {At: at(5), Used: 7}}}},
		{"forgetting a moment before the change", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: other, At: at(6), SeenWindow: other, MaxNewest: 1000,
			MinUsed: 8, MaxUsed: 8, ForgetEarlier: []time.Time{at(1)}}, false,
			ratelimit.Meter{Window: other, Rev: 7, Used: 9, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 1000, Used: 3}}, LastUsed: at(6),
				Earlier: []ratelimit.Point{{At: at(5), Used: 7}}}},
		{"starting a third, with one moment again", ratelimit.Spend{Tokens: 1, Slice: 1000, Window: w, At: at(7), SeenWindow: other, MaxNewest: 1000,
			MinUsed: 9, MaxUsed: 9, Rev: 8, Restart: true, Base: 9, Earlier: []ratelimit.Point{{At: at(5), Used: 7}, {At: at(7), Used: 9}}}, false,
			ratelimit.Meter{Window: w, Rev: 8, Used: 10, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 1000, Used: 9}}, LastUsed: at(7),
				Earlier: []ratelimit.Point{{At: at(5), Used: 7}, {At: at(7), Used: 9}}}},
	}
	// All on one day, with nothing given back.
	for i := range steps {
		s, m := &steps[i].spend, &steps[i].want
		s.Day, s.Net, s.MaxNet = 20261124, s.Tokens, 1<<50
		if m.Used > 0 {
			m.Net, m.Day, m.Month = m.Used, 20261124, 202611
		}
	}
	table, memory := dynamotest.NewTable(t), ratelimit.NewMemory(1)
	for _, step := range steps {
		// The in-memory store of the simulations does the same.
		got, err := memory.Spend(t.Context(), meterID, step.spend)
		if errors.Is(err, ratelimit.ErrStale) != step.stale {
			t.Fatalf("%s, in memory: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s, in memory (-want +got):\n%s", step.name, diff)
		}
		got, err = table.Spend(t.Context(), meterID, step.spend)
		if errors.Is(err, ratelimit.ErrStale) != step.stale || err != nil && !step.stale {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestAMeterCountsByDayAndMonth(t *testing.T) {
	spend := func(day ratelimit.Date, tokens, net, maxNet int64, forget ...int64) ratelimit.Spend {
		s := ratelimit.Spend{Tokens: tokens, Net: net, Slice: 7, Day: day, Window: time.Minute, SeenWindow: time.Minute,
			MaxNewest: 7, MaxUsed: 1 << 50, MaxNet: maxNet, At: morning}
		for _, date := range forget {
			if date > 1e6 {
				s.ForgetDays = append(s.ForgetDays, ratelimit.Date(date))
			} else {
				s.ForgetMonth = date
			}
		}
		return s
	}
	fresh := spend(20261129, 10, 10, 0)
	fresh.Fresh = true
	restart := spend(20261201, 1, 1, 99)
	restart.Restart, restart.Base, restart.Window, restart.SeenWindow = true, 0, time.Hour, time.Minute
	table := dynamotest.NewTable(t)
	for _, step := range []struct {
		name  string
		spend ratelimit.Spend
		stale bool
		net   [3]int64 // as it is, before the day, before the month
		day   ratelimit.Date
	}{
		{"the first", fresh, false, [3]int64{10, 0, 0}, 20261129},
		{"with 3 given back", spend(20261129, 5, 2, 10), false, [3]int64{12, 0, 0}, 20261129},
		{"with all given back", spend(20261129, 5, 0, 12), false, [3]int64{12, 0, 0}, 20261129},
		{"above the quota", spend(20261129, 1, 1, 11), true, [3]int64{12, 0, 0}, 20261129},
		{"the next day", spend(20261130, 4, 4, 99, 20261129), false, [3]int64{16, 12, 0}, 20261130},
		{"by a clock that is behind", spend(20261129, 1, 1, 99), true, [3]int64{16, 12, 0}, 20261130},
		{"the next month, in another window", restart, false, [3]int64{17, 16, 16}, 20261201},
	} {
		got, err := table.Spend(t.Context(), meterID, step.spend)
		if errors.Is(err, ratelimit.ErrStale) != step.stale || err != nil && !step.stale {
			t.Fatalf("%s: %v", step.name, err)
		}
		if net := [3]int64{got.Net, got.DayNet, got.MonthNet}; net != step.net || got.Day != step.day || got.Month != step.day.Month() {
			t.Fatalf("%s: %v on %d in %d", step.name, net, got.Day, got.Month)
		}
	}
}

func TestManyMetersAreReadAtOnce(t *testing.T) {
	table := dynamotest.NewTable(t)
	const many = 250
	var ids []string
	want := make(map[string]ratelimit.Meter)
	for i := range many {
		id := fmt.Sprintf("%016d", i)
		if ids = append(ids, id); i%3 > 0 {
			continue // it has none
		}
		if err := table.Touch(t.Context(), id, morning.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
		want[id] = ratelimit.Meter{LastUsed: morning.Add(time.Duration(i) * time.Second)}
	}
	reads := table.Reads()
	got, err := table.Meters(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if reads = table.Reads() - reads; reads > 20 {
		t.Errorf("%d requests for %d meters", reads, many)
	}
	if none, err := table.Meters(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("of nobody: %v, %v", none, err)
	}
}

func TestALostReplyIsCountedAtMostTwice(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	table := dynamo.Open(options)
	limit := ratelimit.Limit{Requests: 10, Window: time.Minute}
	limiter := ratelimit.New(table, func() time.Time { return morning }, 10)
	faults.Next(dynamotest.LostReply)
	d, err := limiter.Take(t.Context(), meterID, ratelimit.Terms{Limit: limit}, 1, time.Time{})
	if err != nil || !d.Admitted {
		t.Fatalf("take: %+v, %v", d, err)
	}
	if d.Status.Remaining != 8 && d.Status.Remaining != 9 {
		t.Errorf("%d of 10 remain after one", d.Status.Remaining)
	}
}

func TestAThrottledSpendIsNamed(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	table := dynamo.Open(options)
	for fault, throttled := range map[dynamotest.Fault]bool{
		dynamotest.Throttled: true, dynamotest.Limited: true, dynamotest.Internal: false, dynamotest.LostRequest: false,
	} {
		faults.All(fault)
		_, err := table.Spend(t.Context(), meterID, ratelimit.Spend{Tokens: 1, Window: time.Second, Day: 20261124, At: morning, Fresh: true})
		if err == nil || errors.Is(err, ratelimit.ErrThrottled) != throttled {
			t.Errorf("%s: %v", fault, err)
		}
	}
}

func TestATableThatCannotBeReachedIsNoAnswer(t *testing.T) {
	options := dynamotest.Options(t)
	options.Endpoint = "http://127.0.0.1:1"
	table := dynamo.Open(options)
	calls := map[string]func(context.Context) error{
		"find":    func(ctx context.Context) error { _, err := table.Find(ctx, meterID); return err },
		"resolve": func(ctx context.Context) error { _, err := table.Resolve(ctx, "a"); return err },
		"create": func(ctx context.Context) error {
			return table.Write(ctx, registry.Write{To: registrytest.NewKey(1, "u1"), Most: 1})
		},
		"update": func(ctx context.Context) error {
			return table.Write(ctx, registry.Write{From: registrytest.NewKey(1, "u1"), To: registrytest.NewKey(1, "u1")})
		},
		"spend": func(ctx context.Context) error {
			_, err := table.Spend(ctx, meterID, ratelimit.Spend{Tokens: 1, Window: time.Second, Day: 20261124, At: morning, Fresh: true})
			return err
		},
		"ping": table.Ping,
	}
	for name, call := range calls {
		err := call(t.Context())
		if err == nil || errors.Is(err, ratelimit.ErrStale) || isCallersMistake(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPingIsForTheTable(t *testing.T) {
	options := dynamotest.Options(t)
	if err := dynamo.Open(options).Ping(t.Context()); err != nil {
		t.Errorf("a table that is there: %v", err)
	}
	options.Name = "another"
	if err := dynamo.Open(options).Ping(t.Context()); err == nil {
		t.Error("a table that is not there answers")
	}
}

var _ ratelimit.Store = (*dynamo.Table)(nil)

// The first version stored no revision with a meter. Such a meter takes the window of any terms.
func TestAMeterWithoutARevisionTakesAnotherWindow(t *testing.T) {
	o := dynamotest.Options(t)
	now := morning.Truncate(time.Second)
	put(t, o, with(with(with(with(with(with(primaryKey("key#"+meterID, "meter"),
		"w", figures(60_000)), "u", figures(2)), "v", figures(2)), "h", figures(now.Unix())), "m"+strconv.FormatInt(now.Unix(), 36), figures(0)),
		"at", figures(now.UnixMilli())))
	table := dynamo.Open(o)
	got, err := table.Spend(t.Context(), meterID, ratelimit.Spend{
		Tokens: 1, Net: 1, Slice: 1000, Day: 20261124, Window: 2 * time.Minute, Rev: 1, At: now, Expires: now.Add(time.Hour),
		SeenWindow: time.Minute, MaxNewest: now.Unix(), MinUsed: 2, MaxUsed: 2, MaxNet: 1 << 50, Restart: true, Base: 0, Forget: []int64{now.Unix()},
	})
	want := ratelimit.Meter{
		Window: 2 * time.Minute, Rev: 1, Used: 3, Net: 3, Newest: 1000, Marks: []ratelimit.Mark{{Slice: 1000, Used: 0}},
		LastUsed: now, Day: 20261124, DayNet: 2, Month: 202611, MonthNet: 2,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Operators find the meters of a key in its partition, and those of a user in the user's. An upgrade
// finds each first meter where earlier versions have it.
func TestWhereMetersAndTheirUsageAreStored(t *testing.T) {
	o := dynamotest.Options(t)
	table := dynamo.Open(o)
	for _, c := range []struct{ id, pk, sk, usage string }{
		{"0000000000000001", "key#0000000000000001", "meter", "usage#202611"},
		{"0000000000000001#60", "key#0000000000000001", "meter#60", ""},
		{"0000000000000001#lifetime", "key#0000000000000001", "meter#lifetime", ""},
		{"static-default#2", "key#static-default#2", "meter", "usage#202611"},
		{"upstream-user@x", "key#upstream-user@x", "meter", "usage#202611"},
		{"user##u1", "user#u1", "meter", "usage#202611"},
		{"user#60#u1", "user#u1", "meter#60", ""},
		{"user#month#a#b", "user#a#b", "meter#month", ""},
	} {
		if err := table.Touch(t.Context(), c.id, morning); err != nil {
			t.Fatal(err)
		}
		if raw(t, o, c.pk, c.sk) == nil {
			t.Errorf("%s is not stored as %s %s", c.id, c.pk, c.sk)
		}
		if err := table.RecordUsage(t.Context(), c.id, []ratelimit.DayUsage{{Day: 20261123, Used: 5}}); err != nil {
			t.Fatal(err)
		}
		if stored := c.usage != "" && raw(t, o, c.pk, c.usage)["d23"] != nil; stored != (c.usage != "") {
			t.Errorf("the usage of %s is stored in %s: %v", c.id, c.pk, stored)
		}
	}
	if further := raw(t, o, "user#a#b", "usage#202611"); further != nil {
		t.Errorf("usage is stored of a further meter: %v", further)
	}
}

// One query is one read unit for each 4 KB.
func TestAKeyWithManyMetersIsOneRead(t *testing.T) {
	table := dynamotest.NewTable(t)
	registrytest.Create(t, table, registrytest.NewKey(1, "u1"), 0)
	for _, what := range []string{"", "#1", "#60", "#lifetime"} {
		if err := table.Touch(t.Context(), meterID+what, morning); err != nil {
			t.Fatal(err)
		}
	}
	reads := table.Reads()
	if r, err := table.Find(t.Context(), meterID); err != nil || len(r.More) != 3 || table.Reads() != reads+1 {
		t.Errorf("%d further meters with %d reads, %v", len(r.More), table.Reads()-reads, err)
	}
}

// DynamoDB must not delete a meter of credits, even if the meter had a ttl before.
func TestTheMeterOfALifetimeQuotaHasNoTTL(t *testing.T) {
	o := dynamotest.Options(t)
	limiter := ratelimit.New(dynamo.Open(o), func() time.Time { return morning }, 10)
	terms := ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: ratelimit.Quota{Requests: 9, Period: ratelimit.Lifetime}}
	for _, id := range []string{meterID, meterID + "#lifetime", "user#lifetime#u1"} {
		if _, err := limiter.Touch(t.Context(), id, time.Time{}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if d, err := limiter.Take(t.Context(), id, terms, 1, time.Time{}); err != nil || !d.Admitted {
				t.Fatalf("%s: %+v, %v", id, d, err)
			}
		}
	}
	for _, place := range [][2]string{{"key#" + meterID, "meter"}, {"key#" + meterID, "meter#lifetime"}, {"user#u1", "meter#lifetime"}} {
		if i := raw(t, o, place[0], place[1]); i == nil || i["ttl"] != nil {
			t.Errorf("%v: %v", place, i)
		}
	}
	terms.Quota.Period = ratelimit.Month
	if d, err := limiter.Take(t.Context(), meterID, terms, 1, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, ok := ttlOf(t, o, "key#"+meterID, "meter"); !ok {
		t.Error("a meter whose quota is no longer for life has no ttl")
	}
}
