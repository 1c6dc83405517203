package gate

import (
	"context"
	"latchkey/internal/apikey"
	"log/slog"
	"time"
)

const (
	// staticPatience bounds how long the caller of a static key waits for the table before the key
	// is limited without it. A table that many ask at once is slow and not down: each instance that
	// takes it for down admits the whole limit once more.
	staticPatience = 1500 * time.Millisecond
	// localFor is for how long an instance then leaves the table alone.
	localFor = 5 * time.Second
)

// checkStatic judges a key of the configuration, which has a meter in the table. While the table
// does not answer, each instance limits by itself.
func (g *Gate) checkStatic(ctx context.Context, k *apikey.Key, r *Request, v *apikey.Verdict) error {
	s := subject{key: k}
	v.Code, v.Key, v.Scope = g.judge(&s, r, g.time(r.Time)), k, r.Scope
	if v.Valid() && !k.Unlimited {
		if err := k.Affords(r.Cost); err != nil {
			if !r.RouteCost {
				return err
			}
			v.Code = apikey.CodeCostAboveLimit
		}
	}
	if !v.Valid() || k.Unlimited {
		v.Status = g.peekElsewhere(k, r.Time)
		return nil
	}
	if now := g.instant(r.Time); !g.memory.isAlone(now) {
		table := patience{parent: ctx, limit: min(staticPatience, g.options.Patience)}
		defer table.end()
		err := g.spendElsewhere(&table, k, r, v)
		if err == nil || ctx.Err() != nil {
			return err
		}
		g.options.Logger.LogAttrs(
			ctx,
			slog.LevelWarn,
			"static keys are limited by each instance for itself",
			slog.Any("error", err),
		)
		g.memory.alone.Store(&now)
	}
	if r.Cost == 0 {
		v.Status = g.options.Local.Peek(k.ID, k.Terms(), r.Time)
		return nil
	}
	d, err := g.options.Local.Take(ctx, k.ID, k.Terms(), r.Cost, r.Time)
	if err == nil {
		v.Spent(&d)
	}
	return err
}
