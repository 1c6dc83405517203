package dynamo_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry/registrytest"
)

// The version before plans and lifetime quotas reads requests, window, quota and quotaPeriod alone. It
// must bound each key that it lets in: a key without a rateLimit by the default, and one with a
// lifetime quota by a quota of nothing.
func TestTheVersionBeforeBoundsEachKey(t *testing.T) {
	options := dynamotest.Options(t)
	table := dynamo.Open(options)
	minute := ratelimit.Limit{Requests: 5, Window: time.Minute}
	life := ratelimit.Quota{Requests: 500, Period: ratelimit.Lifetime}
	for _, c := range []struct {
		name                            string
		limit                           ratelimit.Limit
		quota                           ratelimit.Quota
		requests, window, stored, since string
	}{
		{"a rateLimit", minute, ratelimit.Quota{}, "5", "60", "", ""},
		{"no rateLimit", ratelimit.Limit{}, ratelimit.Quota{}, "60", "60", "", ""},
		{"a quota of a month", minute, ratelimit.Quota{Requests: 9, Period: ratelimit.Month}, "5", "60", "9", "month"},
		{"a lifetime quota", minute, life, "5", "60", "", "lifetime"},
		{"a lifetime quota alone", ratelimit.Limit{}, life, "60", "60", "", "lifetime"},
	} {
		k := &apikey.Key{ID: "0000000000000001", UserID: "u1", Environment: apikey.Live, CreatedAt: morning, Limit: c.limit, Quota: c.quota}
		registrytest.Create(t, table, k, 0)
		i := raw(t, options, "key#"+k.ID, "key")
		for attribute, want := range map[string]string{"requests": c.requests, "window": c.window, "quota": c.stored} {
			got := ""
			if n, ok := i[attribute].(*types.AttributeValueMemberN); ok {
				got = n.Value
			}
			if got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, attribute, got, want)
			}
		}
		period := ""
		if s, ok := i["quotaPeriod"].(*types.AttributeValueMemberS); ok {
			period = s.Value
		}
		if period != c.since {
			t.Errorf("%s: quotaPeriod is %q, want %q", c.name, period, c.since)
		}
		if r, err := table.Find(t.Context(), k.ID); err != nil || r.Key.Limit != c.limit || r.Key.Quota != c.quota {
			t.Errorf("%s: found %+v, %v", c.name, r.Key, err)
		}
		// The version before keeps only what it knows, and the quota of nothing stays.
		if c.quota.Period == ratelimit.Lifetime {
			delete(i, "lifetimeQuota")
			put(t, options, i)
			r, err := table.Find(t.Context(), k.ID)
			if err != nil || r.Key.Quota != (ratelimit.Quota{Period: ratelimit.Lifetime}) {
				t.Errorf("%s, changed by the version before: %+v, %v", c.name, r.Key, err)
			}
		}
		forget(t, options, "key#"+k.ID, "key")
	}
	// A quota of nothing admits nothing, in every version.
	nothing := ratelimit.Terms{Limit: minute, Quota: ratelimit.Quota{Period: ratelimit.Lifetime}}
	d, err := ratelimit.New(table, func() time.Time { return morning }, 10).Take(t.Context(), "0000000000000002", nothing, 1, time.Time{})
	if err != nil || d.Admitted {
		t.Errorf("a lifetime quota of nothing: %+v, %v", d, err)
	}
}
