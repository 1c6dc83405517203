package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

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
		k := v.Key
		if v.Code = g.judge(&subject{key: k}, &r, g.time(r.Time)); !v.Valid() {
			v.Status = g.peekElsewhere(k, r.Time)
			return v, nil
		}
		if err := k.Affords(r.Cost); err != nil {
			if !r.RouteCost {
				return apikey.Verdict{}, err
			}
			v.Code, v.Status = apikey.CodeCostAboveLimit, g.peekElsewhere(k, r.Time)
			return v, nil
		}
		table := patience{parent: ctx, limit: g.options.Patience}
		err = g.spendElsewhere(&table, k, &r, &v)
		table.end()
		if errors.Is(err, ratelimit.ErrOldTerms) && !fresh {
			continue
		}
		if err != nil {
			return apikey.Verdict{}, err
		}
		return v, nil
	}
}

// spendElsewhere spends from the meter of a key that is not in the table. A request with a cost of
// zero needs the meter, which no read of a key has brought.
func (g *Gate) spendElsewhere(ctx context.Context, k *apikey.Key, r *Request, v *apikey.Verdict) error {
	if k.Unlimited {
		// Touch only stores the time of the last use. Its failure refuses no request.
		if r.Cost > 0 {
			_, _ = g.limiter.Touch(ctx, k.ID, r.Time)
		}
		return nil
	}
	if r.Cost > 0 {
		d, err := g.limiter.Take(ctx, k.ID, k.Terms(), r.Cost, r.Time)
		if err == nil {
			v.Spent(&d)
		}
		return err
	}
	now := g.instant(r.Time)
	if g.memory.meters.younger(k.ID, g.options.Freshness, &now) == nil {
		m, err := g.table.Meter(ctx, k.ID)
		if err != nil {
			return fmt.Errorf("find meter: %w", err)
		}
		g.limiter.Observe(k.ID, m)
		g.memory.meters.put(k.ID, true, now)
	}
	v.Status = g.peekElsewhere(k, r.Time)
	return nil
}

// peekElsewhere returns the window status of a key that is not in the table, without spending.
func (g *Gate) peekElsewhere(k *apikey.Key, floor time.Time) ratelimit.Status {
	if k.Unlimited {
		return ratelimit.Status{}
	}
	return g.limiter.Peek(k.ID, k.Terms(), floor)
}
