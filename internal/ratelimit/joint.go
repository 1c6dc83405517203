package ratelimit

import (
	"context"
	"time"
)

// Joint is the limiter's answer to one request that spends from several meters.
type Joint struct {
	// Decision is of the part that denies or, if the request is admitted, of the one that leaves the
	// caller least.
	Decision
	// By is the index of that part.
	By int
	// Statuses are those of each part.
	Statuses []Status
}

// TakeAll spends n tokens of each part, or denies. See [Limiter.Take], which it is for one part.
func (l *Limiter) TakeAll(ctx context.Context, parts []Part, n int64, floor time.Time) (Joint, error) {
	j := Joint{Decision: Decision{Admitted: true}, By: -1}
	for i, p := range parts {
		d, err := l.Take(ctx, p.ID, p.Terms, n, floor)
		if err != nil {
			return Joint{}, err
		}
		j.Statuses = append(j.Statuses, d.Status)
		if !d.Admitted {
			j.Decision, j.By = d, i
			return j, nil
		}
	}
	return j, nil
}
