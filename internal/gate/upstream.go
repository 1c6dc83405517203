package gate

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// checkUpstream judges a token that the table does not know.
func (g *Gate) checkUpstream(ctx context.Context, r Request) (apikey.Verdict, error) {
	for fresh := false; ; fresh = true {
		v, err := g.options.Upstream.Ask(ctx, r.Credential.Token(), r.Credential.Public(), fresh)
		if err != nil {
			return apikey.Verdict{}, fmt.Errorf("ask upstream: %w", err)
		}
		limited := v.Code == apikey.CodeRateLimited || v.Code == apikey.CodeQuotaExceeded
		if v.Code == "" || (limited || v.Valid()) != (v.Key != nil) {
			return apikey.Verdict{}, errors.New("ask upstream: the verdict and the key do not fit each other")
		}
		v.Scope = r.Scope
		if !v.Valid() {
			return v, nil
		}
		if v.Code = g.judge(v.Key, &r, g.time(r.Time)); !v.Valid() {
			v.Status = g.peek(v.Key, r.Time)
			return v, nil
		}
		table := patience{parent: ctx, limit: g.options.Patience}
		d, err := g.spendElsewhere(&table, v.Key, r)
		table.end()
		if errors.Is(err, ratelimit.ErrOldTerms) && !fresh {
			continue
		}
		if err != nil {
			return apikey.Verdict{}, err
		}
		return spent(v, d), nil
	}
}

// spendElsewhere spends from the meter of a key that is not in the table. A request with a cost of
// zero needs the meter, which no read of a key has brought.
func (g *Gate) spendElsewhere(ctx context.Context, k *apikey.Key, r Request) (ratelimit.Decision, error) {
	if r.Cost > 0 || k.Unlimited {
		return g.spend(ctx, k, &r)
	}
	now := g.instant(r.Time)
	if _, read, ok := g.memory.meters.get(k.ID); !ok || now.since(read) >= g.options.Freshness {
		m, err := g.table.Meter(ctx, k.ID)
		if err != nil {
			return ratelimit.Decision{}, fmt.Errorf("find meter: %w", err)
		}
		g.limiter.Observe(k.ID, m)
		g.memory.meters.put(k.ID, true, now)
	}
	return g.spend(ctx, k, &r)
}

// spent returns v with the limiter's decision.
func spent(v apikey.Verdict, d ratelimit.Decision) apikey.Verdict {
	v.Spent(&d)
	return v
}
