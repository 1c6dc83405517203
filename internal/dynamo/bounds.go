package dynamo

import (
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

// storedLimit is a limit in a list, as it is stored. The window is in seconds.
type storedLimit struct {
	Requests int64 `dynamodbav:"requests"`
	Window   int64 `dynamodbav:"window"`
}

func encodeLimits(limits []ratelimit.Limit) (all []storedLimit) {
	for _, l := range limits {
		all = append(all, storedLimit{l.Requests, int64(l.Window / time.Second)})
	}
	return all
}

func decodeLimits(stored []storedLimit) (all []ratelimit.Limit) {
	for _, l := range stored {
		all = append(all, ratelimit.Limit{Requests: l.Requests, Window: time.Duration(l.Window) * time.Second})
	}
	return all
}

// storedBounds are bounds as they are stored.
type storedBounds struct {
	Limits      []storedLimit `dynamodbav:"limits,omitempty"`
	Quota       int64         `dynamodbav:"quota,omitempty"`
	QuotaPeriod string        `dynamodbav:"quotaPeriod,omitempty"`
}

// encodeBounds returns nil for bounds that bound nothing.
func encodeBounds(b apikey.Bounds) *storedBounds {
	if b.None() {
		return nil
	}
	return &storedBounds{encodeLimits(b.Limits), b.Quota.Requests, string(b.Quota.Period)}
}

func decodeBounds(b *storedBounds) apikey.Bounds {
	if b == nil {
		return apikey.Bounds{}
	}
	return apikey.Bounds{
		Limits: decodeLimits(b.Limits), Quota: ratelimit.Quota{Requests: b.Quota, Period: ratelimit.Period(b.QuotaPeriod)},
	}
}

// encodeHead returns nil for the head of an empty trail.
func encodeHead(h audit.Head) *head {
	if len(h.Sum) == 0 {
		return nil
	}
	return &head{Sum: h.Sum, Seal: h.Seal, Until: h.Until.Unix()}
}

func decodeHead(h *head) audit.Head {
	if h == nil {
		return audit.Head{}
	}
	return audit.Head{Sum: h.Sum, Seal: h.Seal, Until: time.Unix(h.Until, 0).UTC()}
}
