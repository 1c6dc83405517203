package registry_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/tally"
)

// instances returns two gates with memories and tallies of their own, and a function that ends them.
func (b *bench) instances(store tally.Store) (gates [2]*gate.Gate, end func()) {
	var tallies []*tally.Tally
	for n := range gates {
		b.Tally = tally.New(store, b.Clock.Time)
		tallies = append(tallies, b.Tally)
		gates[n] = b.Gate(time.Second)
	}
	return gates, func() {
		for _, t := range tallies {
			t.Flush(context.Background())
		}
	}
}

func TestUsageHasTheRefusalsOfAllInstances(t *testing.T) {
	table := dynamotest.NewTable(t)
	b := newBenchBefore(t, table)
	root := b.caller(t, "root", admin)
	gates, end := b.instances(table)
	tokens := []apikey.Token{b.Token(t), b.Token(t)}
	var ids []string
	for _, token := range tokens {
		ids = append(ids, b.Issue(t, token, func(k *apikey.Key) { k.Limit = ratelimit.Limit{Requests: 2, Window: time.Second} }).ID)
	}
	days := registry.Days{From: apikeytest.Noon.AddDate(0, 0, -1), To: apikeytest.Noon.AddDate(0, 0, 9)}
	shows := func(what string, one, user apikey.Refusals) {
		t.Helper()
		got, err := b.Registry.Usage(t.Context(), root, ids[0], days)
		if diff := cmp.Diff(one, got.Refused); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", what, err, diff)
		}
		all, err := b.Registry.UserUsage(t.Context(), root, "u1", days)
		if diff := cmp.Diff(user, all.Refused); err != nil || diff != "" {
			t.Errorf("%s, of the user: %v (-want +got)\n%s", what, err, diff)
		}
	}
	for _, g := range gates {
		for range 3 { // the first two of all pass
			b.Check(t, g, tokens[0].Reveal())
		}
	}
	shows("before a minute has passed", apikey.Refusals{}, apikey.Refusals{})
	b.Clock.Pass(time.Minute)
	b.Check(t, gates[0], tokens[1].Reveal())
	shows("one instance has written", apikey.Refusals{20261124: {apikey.CodeRateLimited: 1}}, apikey.Refusals{20261124: {apikey.CodeRateLimited: 1}})
	end()
	shows("both have", apikey.Refusals{20261124: {apikey.CodeRateLimited: 4}}, apikey.Refusals{20261124: {apikey.CodeRateLimited: 4}})
	b.Clock.Pass(7 * 24 * time.Hour)
	if _, err := b.Registry.Revoke(t.Context(), root, ids[1], ""); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(2 * time.Second)
	b.Check(t, gates[1], tokens[1].Reveal())
	end()
	shows("another key, in another month", apikey.Refusals{20261124: {apikey.CodeRateLimited: 4}},
		apikey.Refusals{20261124: {apikey.CodeRateLimited: 4}, 20261201: {apikey.CodeRevoked: 1}})
	// A key that has the id later has other refusals.
	if err := b.Registry.Delete(t.Context(), root, ids[0]); err != nil {
		t.Fatal(err)
	}
	b.Clock.Pass(time.Second)
	b.Issue(t, tokens[0], func(k *apikey.Key) { k.ID, k.Enabled = ids[0], false })
	shows("a new life of the key", apikey.Refusals{}, apikey.Refusals{20261201: {apikey.CodeRevoked: 1}})
	b.Clock.Pass(2 * time.Second)
	b.Check(t, gates[0], tokens[0].Reveal())
	end()
	shows("a refusal in it", apikey.Refusals{20261201: {apikey.CodeDisabled: 1}},
		apikey.Refusals{20261201: {apikey.CodeDisabled: 1, apikey.CodeRevoked: 1}})
}

func TestTheLastUseOfAReplacedToken(t *testing.T) {
	table := dynamotest.NewTable(t)
	b := newBenchBefore(t, table)
	root := b.caller(t, "root", admin)
	gates, _ := b.instances(table)
	first := b.Token(t)
	id := b.Issue(t, first, nil).ID
	shows := func(what string, want time.Time) {
		t.Helper()
		record, err := b.Registry.Find(t.Context(), root, id)
		if err != nil {
			t.Fatal(err)
		}
		one, err := b.Registry.Bounded(t.Context(), record)
		if err != nil || !one.OlderUse.Equal(want) {
			t.Errorf("%s: %+v, %v; want %s", what, one.OlderUse, err, want)
		}
		all, err := b.Registry.BoundedAll(t.Context(), []apikey.Record{record})
		if err != nil || !all[0].OlderUse.Equal(want) {
			t.Errorf("%s, in a list: %+v, %v; want %s", what, all, err, want)
		}
	}
	rotate := func() apikey.Token {
		t.Helper()
		issued, err := b.Registry.Rotate(t.Context(), root, id, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Pass(2 * time.Second)
		return issued.Token
	}
	b.Check(t, gates[0], first.Reveal())
	shows("before a rotation", time.Time{})
	second := rotate()
	shows("after a rotation", time.Time{})
	b.Check(t, gates[0], second.Reveal())
	shows("the present token is used", time.Time{})
	use := b.Clock.Time()
	b.Check(t, gates[0], first.Reveal())
	shows("the older token is used", use)
	b.Clock.Pass(30 * time.Second)
	b.Check(t, gates[0], first.Reveal())
	shows("and again within a minute", use)
	use = b.Clock.Time()
	b.Check(t, gates[1], first.Reveal())
	shows("and by another instance", use)
	if _, err := b.Registry.EndGrace(t.Context(), root, id); err != nil {
		t.Fatal(err)
	}
	shows("it has ended", time.Time{})
	b.Clock.Pass(time.Second)
	rotate()
	shows("a use of before the last rotation", time.Time{})
	b.Clock.Pass(time.Minute)
	use = b.Clock.Time()
	b.Check(t, gates[0], second.Reveal())
	shows("the token is used that was the present one then", use)
	b.Clock.Pass(2 * time.Hour)
	shows("it has ended by itself", time.Time{})
}
