package apikey

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/ratelimit"
)

// Level says whose bound a bound is.
type Level string

const (
	OfKey  Level = "key"  // the key alone
	OfUser Level = "user" // all keys of the user together
)

// Part is one meter that a request spends from, with what may be spent from it.
type Part struct {
	Of Level
	ratelimit.Part
}

// Parts returns the meters that a request with the key spends from. u is the user's record, and p is
// the plan of the key or of its user; each may be nil. An unlimited key has no part of its own
// besides those of its plan.
//
// The key's rateLimit and the plan's quota for it are counted by the meter that every key has. That
// meter counts the key's usage too. Every other limit has a meter for its window, so the window of
// such a meter never changes. The longest limit that keys of a user share, and their quota, are
// counted by the user's first meter.
func (k *Key) Parts(u *User, p *Plan) []Part {
	parts := slices.Concat(k.ownParts(p), k.sharedParts(u, p))
	if len(parts) == 0 && !k.Unlimited {
		return []Part{{OfKey, ratelimit.Part{ID: k.ID, Terms: ratelimit.Terms{Limit: DefaultLimit(), Rev: k.Rev}}}}
	}
	if !k.Unlimited && parts[0].ID != k.ID { // it counts the usage
		free := ratelimit.Part{ID: k.ID, Terms: ratelimit.Terms{Limit: ratelimit.NoLimit(), Rev: k.Rev}}
		parts = slices.Insert(parts, 0, Part{OfKey, free})
	}
	return parts
}

// ownParts returns the parts of the key alone.
func (k *Key) ownParts(p *Plan) []Part {
	limits, quotas := slices.Clone(k.Limits), []ratelimit.Quota{k.Quota}
	if p != nil {
		limits = append(limits, p.Key.Limits...)
		quotas = []ratelimit.Quota{p.Key.Quota, k.Quota}
	}
	id := func(what string) string {
		if what == "" {
			return k.ID
		}
		return k.ID + "#" + what
	}
	return partsOf(OfKey, id, ratelimit.Terms{Limit: k.Limit, Rev: k.Rev}, smallest(limits), quotas)
}

// sharedParts returns the parts that the keys of the user share. The bounds of the user's record and
// of the plan replace the one that the key was made with.
func (k *Key) sharedParts(u *User, p *Plan) []Part {
	var limits []ratelimit.Limit
	var quotas []ratelimit.Quota
	var first ratelimit.Terms
	if p != nil {
		limits, quotas, first.Rev = p.User.Limits, append(quotas, p.User.Quota), p.Rev
	}
	if u != nil {
		limits, quotas, first.Rev = slices.Concat(limits, u.Limits), append(quotas, u.Quota), max(first.Rev, u.Rev)
	}
	bounded := slices.ContainsFunc(quotas, func(q ratelimit.Quota) bool { return q != ratelimit.Quota{} })
	if len(limits) == 0 && !bounded && k.Shared != (ratelimit.Limit{}) {
		limits, quotas = []ratelimit.Limit{k.Shared}, []ratelimit.Quota{k.SharedQuota}
	}
	limits = smallest(slices.Clone(limits))
	if last := len(limits) - 1; last >= 0 {
		first.Limit, limits = limits[last], limits[:last]
	}
	id := func(what string) string { return UserMeter(k.UserID, what) }
	return partsOf(OfUser, id, first, limits, quotas)
}

// partsOf returns the parts of one level. The first meter counts the limit of first, and the first
// quota of quotas that has an end. Every other limit and quota has a meter of its own.
func partsOf(
	of Level, id func(string) string, first ratelimit.Terms, limits []ratelimit.Limit, quotas []ratelimit.Quota,
) (parts []Part) {
	add := func(what string, t ratelimit.Terms) {
		if t.Limit == (ratelimit.Limit{}) {
			t.Limit = ratelimit.NoLimit()
		}
		parts = append(parts, Part{of, ratelimit.Part{ID: id(what), Terms: t}})
	}
	quotas = least(quotas)
	if n := slices.IndexFunc(quotas, func(q ratelimit.Quota) bool { return q.Period != ratelimit.Lifetime }); n >= 0 {
		first.Quota = quotas[n]
		quotas = slices.Delete(quotas, n, n+1)
	}
	if first.Limit != (ratelimit.Limit{}) || first.Quota != (ratelimit.Quota{}) {
		add("", first)
	}
	for _, l := range limits {
		add(strconv.FormatInt(int64(l.Window/time.Second), 10), ratelimit.Terms{Limit: l})
	}
	for _, q := range quotas {
		add(string(q.Period), ratelimit.Terms{Quota: q})
	}
	return parts
}

// least returns one quota for each period, in the order of quotas. Of two quotas of a period, the
// smaller one holds.
func least(quotas []ratelimit.Quota) (all []ratelimit.Quota) {
	for _, q := range quotas {
		n := slices.IndexFunc(all, func(other ratelimit.Quota) bool { return other.Period == q.Period })
		switch {
		case q == ratelimit.Quota{}:
		case n < 0:
			all = append(all, q)
		default:
			all[n].Requests = min(all[n].Requests, q.Requests)
		}
	}
	return all
}

// smallest returns one limit for each window, the shortest window first. Of two limits of a window,
// the smaller one holds.
func smallest(limits []ratelimit.Limit) (all []ratelimit.Limit) {
	slices.SortFunc(limits, func(a, b ratelimit.Limit) int {
		if a.Window != b.Window {
			return int((a.Window - b.Window) / time.Second)
		}
		return int(a.Requests - b.Requests)
	})
	return slices.CompactFunc(limits, func(a, b ratelimit.Limit) bool { return a.Window == b.Window })
}

// userMeters begins the ids of the meters of users. Among the ids of keys, only those of static keys
// may have the character #. A static key has one meter.
const userMeters = "user#"

// UserMeter returns the id of a user's meter: the first one if what is empty, or else the one for a
// window in seconds or for the period of a quota.
func UserMeter(userID, what string) string { return userMeters + what + "#" + userID }

// ParseMeter returns whose meter an id names, and which one, as [UserMeter] has it.
func ParseMeter(id string) (of Level, owner, what string) {
	if strings.HasPrefix(id, staticIDs) {
		return OfKey, id, ""
	}
	if rest, ok := strings.CutPrefix(id, userMeters); ok {
		what, owner, _ = strings.Cut(rest, "#")
		return OfUser, owner, what
	}
	owner, what, _ = strings.Cut(id, "#")
	return OfKey, owner, what
}
