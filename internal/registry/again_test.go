package registry_test

import (
	"fmt"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// again is a change that sets all limits of a key.
type again struct {
	name   string
	change apikey.Change
}

// terms returns every kind of limits that an import can give a key. They allow four requests, or no
// limit at all.
func terms() (all []again) {
	add := func(name string, edit func(*apikey.Change)) {
		c := apikey.Change{
			Limit: &ratelimit.Limit{}, Limits: &[]ratelimit.Limit{}, Quota: &ratelimit.Quota{}, Unlimited: new(bool), Plan: new(string),
		}
		edit(&c)
		all = append(all, again{name, c})
	}
	for _, seconds := range []int64{5, 60, 3600, 86_400} {
		limit := ratelimit.Limit{Requests: 4, Window: time.Duration(seconds) * time.Second}
		add(fmt.Sprintf("a limit of %d s", seconds), func(c *apikey.Change) { c.Limit = &limit })
	}
	for _, period := range []ratelimit.Period{ratelimit.Day, ratelimit.Month, ratelimit.Lifetime} {
		quota := ratelimit.Quota{Requests: 4, Period: period}
		add("a quota, "+string(period), func(c *apikey.Change) { c.Quota = &quota })
	}
	add("further limits", func(c *apikey.Change) {
		c.Limits = &[]ratelimit.Limit{{Requests: 4, Window: 30 * time.Second}, {Requests: 4, Window: time.Hour}}
	})
	add("a limit and a plan", func(c *apikey.Change) {
		plan := "pro"
		c.Plan, c.Limit = &plan, &ratelimit.Limit{Requests: 4, Window: time.Hour}
	})
	add("no limit", func(c *apikey.Change) { *c.Unlimited = true })
	return all
}

// Policy: a key that is deleted and imported again has no fresh limit, and can be used. Its requests
// have the verdicts that they would have if the key had been changed instead. That holds for an
// instance that remembers the key, and for one that does not.
func TestAKeyThatIsImportedAgainKeepsItsMeter(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	b := newBench(t)
	b.SetPlan(t, "pro", func(p *apikey.Plan) { p.Key.Quota = ratelimit.Quota{Requests: 4, Period: ratelimit.Day} })
	admin := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	shorter := ratelimit.Limit{Requests: 4, Window: 10 * time.Second}
	all := terms()
	for _, from := range []again{all[0], all[6], all[9]} { // a limit, credits and no limit
		for _, to := range all {
			old, fresh := b.Gate(time.Second), b.Gate(time.Second)
			var codes [2][]apikey.Code
			for i, how := range []string{"changed", "imported"} {
				token := fmt.Sprintf("of-another-service-%s-%d", how, b.Count())
				in := registry.Import{Token: b.Parse(t, token), UserID: token, Environment: apikey.Live, Change: from.change}
				b.importKey(t, in)
				b.Check(t, old, token)
				id := b.Check(t, old, token).Key.ID
				if err := b.patch(t, admin, id, apikey.Change{Limit: &shorter}); err != nil {
					t.Fatal(err)
				}
				b.Clock.Pass(time.Second)
				b.Check(t, old, token)
				if i == 0 {
					if err := b.patch(t, admin, id, to.change); err != nil {
						t.Fatal(err)
					}
				} else {
					if err := b.Registry.Delete(t.Context(), admin, id); err != nil {
						t.Fatal(err)
					}
					in.Change = to.change
					b.importKey(t, in)
				}
				b.Clock.Pass(time.Second)
				for range 3 {
					codes[i] = append(codes[i], b.Check(t, old, token).Code, b.Check(t, fresh, token).Code)
				}
			}
			if fmt.Sprint(codes[0]) != fmt.Sprint(codes[1]) {
				t.Errorf("from %s to %s:\nchanged:  %v\nimported: %v", from.name, to.name, codes[0], codes[1])
			}
		}
	}
}
