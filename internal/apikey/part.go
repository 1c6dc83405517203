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
// the plan of the key or of its user; each may be nil. A key without a rateLimit keeps to [DefaultLimit] if
// neither its plan nor its user bounds it, and it shares no bounds. An unlimited key
// has only the parts of its plan and of its user. If there are none, it has no part at all.
//
// The key's first meter counts its usage, its rateLimit, and its quota of a calendar period. The
// first meter of a user counts their quota of a calendar period, and their limit for a minute. Every
// other limit and quota has a meter of its own. Only the key's rateLimit ever changes the window of a
// meter. No change that a caller without admin rights may make leads a limit or a quota to an empty
// meter: if a plan has a quota of a calendar period, the key's own quota of another one is not
// counted by the first meter.
func (k *Key) Parts(u *User, p *Plan) []Part {
	shared := k.sharedParts(u, p)
	parts := append(k.ownParts(p), shared...)
	switch first := &parts[0].Terms; {
	case !first.Limit.None() || len(shared) > 0 || p != nil && !p.Key.None():
	case !k.Unlimited:
		first.Limit = DefaultLimit()
	default:
		return nil
	}
	return parts
}

// ownParts returns the parts of the key alone, the first meter among them.
func (k *Key) ownParts(p *Plan) []Part {
	first := ratelimit.Terms{Limit: ratelimit.NoLimit(), Rev: k.Rev}
	var limits []ratelimit.Limit
	var quotas []ratelimit.Quota
	if p != nil {
		limits, quotas = append(limits, p.Key.Limits...), append(quotas, p.Key.Quota)
	}
	if !k.Unlimited {
		limits, quotas = append(limits, k.Limits...), append(quotas, k.Quota)
		if k.Limit != (ratelimit.Limit{}) {
			first.Limit = k.Limit
		}
	}
	first.Quota, quotas = calendar(quotas)
	id := func(what string) string { return k.ID + "#" + what }
	parts := []Part{{OfKey, ratelimit.Part{ID: k.ID, Terms: first, Shards: k.Shards}}}
	return append(parts, further(OfKey, id, smallest(limits), quotas)...)
}

// sharedParts returns the parts that the keys of the user share. Keys of one user may have different
// plans and shared bounds. They spend from the same meter if the windows of two limits are the same.
func (k *Key) sharedParts(u *User, p *Plan) (parts []Part) {
	limits, quotas := k.shared(u, p)
	first := ratelimit.Terms{Limit: ratelimit.NoLimit()}
	limits = smallest(limits)
	n := slices.IndexFunc(limits, func(l ratelimit.Limit) bool { return l.Window == first.Limit.Window })
	if n >= 0 {
		first.Limit = limits[n]
		limits = slices.Delete(limits, n, n+1)
	}
	first.Quota, quotas = calendar(quotas)
	id := func(what string) string { return UserMeter(k.UserID, what) }
	if n >= 0 || first.Quota != (ratelimit.Quota{}) {
		parts = append(parts, Part{OfUser, ratelimit.Part{ID: id(""), Terms: first}})
	}
	return append(parts, further(OfUser, id, limits, quotas)...)
}

// shared returns the limits and the quotas that the keys of the user share.
func (k *Key) shared(u *User, p *Plan) (limits []ratelimit.Limit, quotas []ratelimit.Quota) {
	add := func(b Bounds) {
		limits = append(limits, b.Limits...)
		if b.Quota != (ratelimit.Quota{}) {
			quotas = append(quotas, b.Quota)
		}
	}
	if p != nil {
		add(p.User)
	}
	if u != nil {
		add(u.Bounds)
	}
	if k.Unlimited {
		return limits, quotas
	}
	if len(limits) == 0 {
		limits = slices.Clone(k.Shared.Limits)
		if k.SharesDefault && (p == nil || len(p.Key.Limits) == 0) {
			limits = append(limits, DefaultLimit())
		}
	}
	if len(quotas) == 0 {
		quotas = []ratelimit.Quota{k.Shared.Quota}
	}
	return limits, quotas
}

// SharedLimits returns the limits that the key shares unless the user's record or the plan has others:
// those of Shared and, if the key shares it, [DefaultLimit].
func (k *Key) SharedLimits() []ratelimit.Limit {
	limits := slices.Clone(k.Shared.Limits)
	if k.SharesDefault {
		limits = append(limits, DefaultLimit())
	}
	return smallest(limits)
}

// calendar returns the first quota of a calendar period, and one quota for each other period.
func calendar(quotas []ratelimit.Quota) (first ratelimit.Quota, others []ratelimit.Quota) {
	for _, q := range least(quotas) {
		if first == (ratelimit.Quota{}) && q.Period != ratelimit.Lifetime {
			first = q
		} else {
			others = append(others, q)
		}
	}
	return first, others
}

// further returns the parts of one level that have a meter of their own.
func further(of Level, id func(string) string, limits []ratelimit.Limit, quotas []ratelimit.Quota) (parts []Part) {
	add := func(what string, t ratelimit.Terms) {
		parts = append(parts, Part{of, ratelimit.Part{ID: id(what), Terms: t}})
	}
	for _, l := range limits {
		add(strconv.FormatInt(int64(l.Window/time.Second), 10), ratelimit.Terms{Limit: l})
	}
	for _, q := range quotas {
		add(string(q.Period), ratelimit.Terms{Limit: ratelimit.NoLimit(), Quota: q})
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

// shardMeter begins what [ParseMeter] returns of the meter of a further shard.
const shardMeter = "shard"

// FurtherShard reports whether what, which [ParseMeter] has returned, is a further shard of a key's first
// meter.
func FurtherShard(what string) bool { return strings.HasPrefix(what, shardMeter) }

// userMeters begins the ids of the meters of users. Among the ids of keys, only those of static keys
// may have the character #. A static key has one meter.
const userMeters = "user#"

// UserMeter returns the id of a meter of a user. The argument named what has a window in seconds
// or the period of a quota. If it is empty, the id names the user's first meter.
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
