package ratelimit

import (
	"context"
	"errors"
	"time"
)

// Store keeps the meters. It must be safe for concurrent use.
type Store interface {
	// Spend applies s in one atomic step if its condition holds, and returns the meter as it then
	// is. If the condition does not hold, it must change nothing and return [ErrStale] with the
	// meter as it is: the zero Meter if there is none. Any other error means that the outcome is
	// unknown. The transport may repeat a spend whose reply was lost, so that it is applied twice. The
	// error must wrap [ErrThrottled] if the store has refused the spend because of its load.
	Spend(ctx context.Context, id string, s Spend) (Meter, error)
	// Meter reads the meter of an id, or returns the zero Meter if there is none. It must see every
	// earlier spend.
	Meter(ctx context.Context, id string) (Meter, error)
	// Record stores the usage of days that are over. The same days may be recorded again.
	RecordUsage(ctx context.Context, id string, days []DayUsage) error
	// Touch stores the time of the last use of an id without spending.
	Touch(ctx context.Context, id string, at time.Time) error
}

// ErrStale says that the meter no longer meets the condition of a spend.
var ErrStale = errors.New("meter has changed")

// ErrThrottled says that the store has refused a spend because it gets too many requests.
var ErrThrottled = errors.New("throttled")
