package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Keys that are not in the table are judged as all others are, and have a meter
// in it.

const (
	// staticPatience bounds how long the caller of a static key waits for the table
	// before it is done without, and localFor for how long it is then left alone. A
	// table that many ask at once is slow and not down: each environment that takes it
	// for down admits the whole limit once more.
	staticPatience = 1500 * time.Millisecond
	localFor       = 5 * time.Second
)

// checkStatic judges a key of the configuration. While the table cannot be asked,
// each environment limits by itself.
func (g *Gate) checkStatic(ctx context.Context, k *apikey.Key, r Request) (apikey.Verdict, error) {
	io := patience{parent: ctx, limit: min(staticPatience, g.options.Patience)}
	defer io.end()
	v := apikey.Verdict{Code: g.judge(k, &r, g.time(r.Time)), Key: k, Scope: r.Scope}
	if !v.Valid() || k.Unlimited {
		v.Status = g.look(k, r.Time)
		return v, nil
	}
	if now := g.instant(r.Time); !g.memory.isAlone(now) {
		d, err := g.spendElsewhere(&io, k, r)
		var mistake *apikey.FieldError
		switch {
		case err == nil:
			return spent(v, d), nil
		case errors.As(err, &mistake) || ctx.Err() != nil:
			return apikey.Verdict{}, err
		}
		g.options.Logger.LogAttrs(ctx, slog.LevelWarn, "static keys are limited by each environment for itself", slog.Any("error", err))
		g.memory.setAlone(now)
	}
	if r.Cost == 0 {
		v.Status = g.options.Local.Peek(k.ID, k.Terms(), r.Time)
		return v, nil
	}
	if err := k.Affords(r.Cost); err != nil {
		return apikey.Verdict{}, err
	}
	d, err := g.options.Local.Take(ctx, k.ID, k.Terms(), r.Cost, r.Time)
	if err != nil {
		return apikey.Verdict{}, err
	}
	return spent(v, d), nil
}

// checkUpstream judges a token that is known elsewhere if at all.
func (g *Gate) checkUpstream(ctx context.Context, r Request) (apikey.Verdict, error) {
	for fresh := false; ; fresh = true {
		v, err := g.options.Upstream.Ask(ctx, r.Credential.Token(), r.Credential.Public(), fresh)
		if err != nil {
			return apikey.Verdict{}, fmt.Errorf("ask upstream: %w", err)
		}
		if limited := v.Code == apikey.CodeRateLimited || v.Code == apikey.CodeQuotaExceeded; v.Code == "" || (limited || v.Valid()) != (v.Key != nil) {
			return apikey.Verdict{}, errors.New("ask upstream: the verdict and the key do not fit each other")
		}
		v.Scope = r.Scope
		if !v.Valid() {
			return v, nil
		}
		if v.Code = g.judge(v.Key, &r, g.time(r.Time)); !v.Valid() {
			v.Status = g.look(v.Key, r.Time)
			return v, nil
		}
		io := patience{parent: ctx, limit: g.options.Patience}
		d, err := g.spendElsewhere(&io, v.Key, r)
		io.end()
		if errors.Is(err, ratelimit.ErrOldTerms) && !fresh {
			continue
		}
		if err != nil {
			return apikey.Verdict{}, err
		}
		return spent(v, d), nil
	}
}

// spendElsewhere spends as for a key in the table. Whoever only looks needs the
// meter, which no read of a key has brought.
func (g *Gate) spendElsewhere(io *patience, k *apikey.Key, r Request) (ratelimit.Decision, error) {
	if r.Cost > 0 || k.Unlimited {
		return g.spend(io, k, &r)
	}
	now := g.instant(r.Time)
	if read, ok := g.memory.meter(k.ID); !ok || now.since(read) >= g.options.Freshness {
		m, err := g.table.Meter(io, k.ID)
		if err != nil {
			return ratelimit.Decision{}, fmt.Errorf("find meter: %w", err)
		}
		g.limiter.Observe(k.ID, m)
		g.memory.setMeter(k.ID, now)
	}
	return g.spend(io, k, &r)
}

// spent returns v with the numbers of the limiter's decision.
func spent(v apikey.Verdict, d ratelimit.Decision) apikey.Verdict {
	v.Spent(&d)
	return v
}
