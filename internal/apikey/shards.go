package apikey

import (
	"slices"
	"time"

	"latchkey/internal/ratelimit"
)

// quotaShare is the least quota of a calendar period that a meter of a new key gets.
const quotaShare = 1000

// checkServed returns an error if no number of meters could count a rateLimit that is fully used. Its
// callers would get a 503 before they reach the limit.
func checkServed(l ratelimit.Limit) error {
	if most := ratelimit.MostSharded(l.Window); l.Requests > most {
		return Invalid("rateLimit.requests", "must be at most %d in %d seconds: the table counts the requests of one "+
			"key with up to %d meters, each for %d a second", most, l.Window/time.Second, ratelimit.MaxShards,
			most/ratelimit.MaxShards/int64(l.Window/time.Second))
	}
	return nil
}

// WantedShards returns how many meters the rateLimit of k needs.
func (k *Key) WantedShards() int {
	if k.Unlimited || k.Limit == (ratelimit.Limit{}) {
		return 1
	}
	return ratelimit.ShardsFor(k.Limit)
}

// HasCalendarQuota reports whether k or its plan, which may be nil, has a quota for a day or a month.
// The meters of the rateLimit share it.
func (k *Key) HasCalendarQuota(p *Plan) bool {
	calendar := func(q ratelimit.Quota) bool { return q.Period == ratelimit.Day || q.Period == ratelimit.Month }
	return calendar(k.Quota) || p != nil && calendar(p.Key.Quota)
}

// Spread gives a new key the meters that its rateLimit needs. They are fewer if its quota is so small
// that the key cannot need them for long.
func (k *Key) Spread() error {
	count := k.WantedShards()
	if k.HasCalendarQuota(nil) {
		count = int(min(int64(count), max(1, k.Quota.Requests/quotaShare)))
	}
	k.Shards = ratelimit.NewShards(count)
	return k.CheckShards()
}

// CheckShards returns an error if the meters of k cannot count its rateLimit and its quota.
func (k *Key) CheckShards() error {
	count := int64(k.Shards.Now())
	limit := k.OwnLimit()
	most := count * ratelimit.MostCounted(limit.Window)
	switch {
	case k.Unlimited:
	case k.sharesTooMuch():
		return Invalid("rateLimit.requests", "must be at most %d in %d seconds for a key that may make other keys, since "+
			"one meter counts what they share: leave out the scope %s, or choose a window of 10 seconds or longer",
			ratelimit.MostCounted(limit.Window), limit.Window/time.Second, ScopeWrite)
	case most > 0 && limit.Requests > most:
		return Invalid("rateLimit.requests", "must be at most %d in %d seconds beside this quota for a day or a month, "+
			"of which each meter of the limit counts a part: remove the quota, or choose a window of 10 seconds "+
			"or longer",
			most, limit.Window/time.Second)
	case limit.Requests < count:
		return Invalid("rateLimit.requests", "must be at least %d beside a quota for a day or a month, because %d meters "+
			"count both: remove the quota", count, count)
	case k.HasCalendarQuota(nil) && k.Quota.Requests < count:
		return Invalid("quota.requests", "must be at least %d, because %d meters count the rateLimit and share the quota",
			count, count)
	}
	return nil
}

// sharesTooMuch reports whether k shares its own limit, and one meter cannot count that.
func (k *Key) sharesTooMuch() bool {
	most := ratelimit.MostCounted(k.Limit.Window)
	return most > 0 && k.Limit.Requests > most && slices.Contains(k.Shared.Limits, k.Limit)
}
