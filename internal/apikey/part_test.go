package apikey_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

func per(n int64, w time.Duration) ratelimit.Limit { return ratelimit.Limit{Requests: n, Window: w} }

func bounds(quota ratelimit.Quota, limits ...ratelimit.Limit) apikey.Bounds {
	return apikey.Bounds{Limits: limits, Quota: quota}
}

// partsText returns the parts as lines of policy: the meter, then what may be spent from it.
func partsText(parts []apikey.Part) string {
	var all []string
	for _, p := range parts {
		text := string(p.Of) + " " + p.ID
		if p.Terms.Limit != ratelimit.NoLimit() {
			text += fmt.Sprintf(" %d/%v", p.Terms.Limit.Requests, p.Terms.Limit.Window)
		}
		if p.Terms.Quota != (ratelimit.Quota{}) {
			text += fmt.Sprintf(" %d a %s", p.Terms.Quota.Requests, p.Terms.Quota.Period)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func TestParts(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	var none ratelimit.Quota
	day, month := ratelimit.Quota{Requests: 50, Period: ratelimit.Day}, ratelimit.Quota{Requests: 900, Period: ratelimit.Month}
	life := ratelimit.Quota{Requests: 7, Period: ratelimit.Lifetime}
	pro := &apikey.Plan{Name: "pro", Key: bounds(none, per(10, s)), User: bounds(month, per(1000, m))}
	small := ratelimit.Quota{Requests: 800, Period: ratelimit.Month}
	for _, c := range []struct {
		name string
		key  apikey.Key
		user *apikey.User
		plan *apikey.Plan
		want string
	}{
		{"nothing bounds it", apikey.Key{}, nil, nil, "key K 60/1m0s"},
		{"an unlimited key", apikey.Key{Unlimited: true, Limit: per(60, m)}, nil, nil, ""},
		{"a rateLimit", apikey.Key{Limit: per(5, h)}, nil, nil, "key K 5/1h0m0s"},
		{"a quota alone", apikey.Key{Quota: month}, nil, nil, "key K 60/1m0s 900 a month"},
		{"a rateLimit and a quota", apikey.Key{Limit: per(5, h), Quota: day}, nil, nil, "key K 5/1h0m0s 50 a day"},
		{"further limits", apikey.Key{Limit: per(5, h), Limits: []ratelimit.Limit{per(1, s), per(3, m)}}, nil, nil,
			"key K 5/1h0m0s; key K#1 1/1s; key K#60 3/1m0s"},
		{"further limits alone", apikey.Key{Limits: []ratelimit.Limit{per(1, s)}}, nil, nil, "key K 60/1m0s; key K#1 1/1s"},
		{"a lifetime quota", apikey.Key{Quota: life}, nil, nil, "key K 60/1m0s; key K#lifetime 7 a lifetime"},
		{"a lifetime quota of nothing", apikey.Key{Quota: ratelimit.Quota{Period: ratelimit.Lifetime}}, nil, nil, "key K 60/1m0s; key K#lifetime 0 a lifetime"},
		{"a plan", apikey.Key{}, nil, pro, "key K; key K#1 10/1s; user user##u 1000/1m0s 900 a month"},
		{"a plan of a key with a limit", apikey.Key{Limit: per(5, m)}, nil, pro,
			"key K 5/1m0s; key K#1 10/1s; user user##u 1000/1m0s 900 a month"},
		{"of two limits of a window the smaller one holds", apikey.Key{Limits: []ratelimit.Limit{per(4, s), per(9, m)}}, nil, pro,
			"key K; key K#1 4/1s; key K#60 9/1m0s; user user##u 1000/1m0s 900 a month"},
		{"a plan whose limits are smaller", apikey.Key{Limits: []ratelimit.Limit{per(40, s)}}, nil, pro,
			"key K; key K#1 10/1s; user user##u 1000/1m0s 900 a month"},
		// The meter of the plan's limit is not the key's first, whose window the key's owner may change.
		{"a plan with the window of the key", apikey.Key{Limit: per(5, m)}, nil, &apikey.Plan{Key: bounds(none, per(2, m))},
			"key K 5/1m0s; key K#60 2/1m0s"},
		{"of two quotas of a period the smaller one holds", apikey.Key{Quota: small}, nil, &apikey.Plan{Key: bounds(month)}, "key K 800 a month"},
		{"in either order", apikey.Key{Quota: month}, nil, &apikey.Plan{Key: bounds(small)}, "key K 800 a month"},
		{"two periods: that of the plan comes first", apikey.Key{Quota: month}, nil, &apikey.Plan{Key: bounds(day)},
			"key K 50 a day; key K#month 900 a month"},
		{"a lifetime and a month", apikey.Key{Quota: life}, nil, &apikey.Plan{Key: bounds(month)},
			"key K 900 a month; key K#lifetime 7 a lifetime"},
		{"a user", apikey.Key{Limit: per(5, m)}, &apikey.User{Bounds: bounds(none, per(3, s), per(100, m), per(500, h))}, nil,
			"key K 5/1m0s; user user##u 100/1m0s; user user#1#u 3/1s; user user#3600#u 500/1h0m0s"},
		{"a user alone", apikey.Key{}, &apikey.User{Bounds: bounds(none, per(500, h))}, nil, "key K; user user#3600#u 500/1h0m0s"},
		{"a user with credits", apikey.Key{}, &apikey.User{Bounds: bounds(life)}, nil, "key K; user user#lifetime#u 7 a lifetime"},
		{"a user without bounds", apikey.Key{}, &apikey.User{}, nil, "key K 60/1m0s"},
		{"a plan without bounds", apikey.Key{}, &apikey.User{Plan: "x"}, &apikey.Plan{}, "key K 60/1m0s"},
		{"a user and a plan", apikey.Key{}, &apikey.User{Bounds: bounds(small, per(2000, m), per(9, s))}, pro,
			"key K; key K#1 10/1s; user user##u 1000/1m0s 800 a month; user user#1#u 9/1s"},
		{"an unlimited key with a plan", apikey.Key{Unlimited: true, Limit: per(60, m)}, nil, pro,
			"key K; key K#1 10/1s; user user##u 1000/1m0s 900 a month"},
		{"a shared limit", apikey.Key{Limit: per(5, m), Shared: bounds(none, per(100, m))}, nil, nil, "key K 5/1m0s; user user##u 100/1m0s"},
		{"a shared limit alone", apikey.Key{Shared: bounds(none, per(100, h))}, nil, nil, "key K; user user#3600#u 100/1h0m0s"},
		{"a shared limit and quota", apikey.Key{Limit: per(5, h), Shared: bounds(day, per(1, s), per(100, h))}, nil, nil,
			"key K 5/1h0m0s; user user##u 50 a day; user user#1#u 1/1s; user user#3600#u 100/1h0m0s"},
		{"the user replaces a shared limit", apikey.Key{Shared: bounds(day, per(100, m))}, &apikey.User{Bounds: bounds(none, per(900, h))}, nil,
			"key K; user user##u 50 a day; user user#3600#u 900/1h0m0s"},
		{"the user replaces a shared quota", apikey.Key{Shared: bounds(day, per(100, m))}, &apikey.User{Bounds: bounds(month)}, nil,
			"key K; user user##u 100/1m0s 900 a month"},
		{"a plan of keys replaces no shared limit", apikey.Key{Shared: bounds(none, per(100, m))}, nil, &apikey.Plan{Key: bounds(none, per(10, s))},
			"key K; key K#1 10/1s; user user##u 100/1m0s"},
		{"the default is shared", apikey.Key{SharesDefault: true}, nil, nil, "key K; user user##u 60/1m0s"},
		{"beside shared limits too", apikey.Key{SharesDefault: true, Shared: bounds(none, per(9, s))}, nil, nil, "key K; user user##u 60/1m0s; user user#1#u 9/1s"},
		{"beside a limit too", apikey.Key{SharesDefault: true, Limit: per(9, s)}, nil, nil, "key K 9/1s; user user##u 60/1m0s"},
		{"a plan of keys replaces it", apikey.Key{SharesDefault: true}, nil, &apikey.Plan{Key: bounds(none, per(10, s))}, "key K; key K#1 10/1s"},
		{"and so does a plan of users", apikey.Key{SharesDefault: true}, nil, &apikey.Plan{User: bounds(none, per(10, s))}, "key K; user user#1#u 10/1s"},
		{"a quota does not", apikey.Key{SharesDefault: true, Quota: day}, nil, nil, "key K 50 a day; user user##u 60/1m0s"},
		{"an unlimited key shares nothing of its own", apikey.Key{Unlimited: true, Shared: bounds(day, per(1, m)), SharesDefault: true}, nil, nil, ""},
	} {
		c.key.ID, c.key.UserID, c.key.Rev = "K", "u", 3
		parts := c.key.Parts(c.user, c.plan)
		if got := partsText(parts); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if len(parts) > 0 && (parts[0].ID != "K" || parts[0].Terms.Rev != 3) {
			t.Errorf("%s: the key's first meter is not the first part, with the key's revision: %+v", c.name, parts[0])
		}
		for _, p := range parts {
			if l := p.Terms.Limit; l.Requests < 1 || l.Window < time.Second {
				t.Errorf("%s: %s has no limit", c.name, p.ID)
			}
			if of, owner, _ := apikey.ParseMeter(p.ID); of != p.Of || owner != map[apikey.Level]string{apikey.OfKey: "K", apikey.OfUser: "u"}[of] {
				t.Errorf("%s: %s is read as the meter of %s %s", c.name, p.ID, of, owner)
			}
		}
	}
}

// The window of a meter depends on the meter's id alone, except for the first meter of a key. If it
// depended on the bounds of a key, two keys of a user would change it in turn.
func TestMetersOfUsersKeepTheirWindow(t *testing.T) {
	windows := make(map[string]time.Duration)
	limits := [][]ratelimit.Limit{nil, {per(10, time.Second)}, {per(9, time.Minute)}, {per(1, time.Second), per(5, time.Hour)}}
	quotas := []ratelimit.Quota{{}, {Requests: 5, Period: ratelimit.Month}, {Requests: 3, Period: ratelimit.Day}, {Requests: 1, Period: ratelimit.Lifetime}}
	var all []apikey.Bounds
	for _, l := range limits {
		for _, q := range quotas {
			all = append(all, bounds(q, l...))
		}
	}
	for _, shared := range all {
		for _, user := range all {
			for _, plan := range all {
				before := fmt.Sprint(shared, user, plan)
				k := &apikey.Key{ID: "K", UserID: "a#b", Limit: per(1, time.Minute), Shared: shared}
				for _, p := range k.Parts(&apikey.User{Bounds: user}, &apikey.Plan{Key: user, User: plan}) {
					if was, ok := windows[p.ID]; ok && was != p.Terms.Limit.Window {
						t.Fatalf("the window of %s is %v and %v", p.ID, was, p.Terms.Limit.Window)
					}
					windows[p.ID] = p.Terms.Limit.Window
					if of, owner, _ := apikey.ParseMeter(p.ID); of == apikey.OfUser && owner != "a#b" {
						t.Fatalf("%s is the meter of %q", p.ID, owner)
					}
				}
				if after := fmt.Sprint(shared, user, plan); after != before {
					t.Fatalf("Parts has changed its arguments: %s", after)
				}
			}
		}
	}
	if len(windows) < 10 {
		t.Errorf("windows: %v", windows)
	}
}
