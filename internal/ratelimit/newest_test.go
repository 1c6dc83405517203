package ratelimit_test

import (
	"testing"
	"time"

	"latchkey/internal/ratelimit"
)

// A limiter forgets the id that was used longest ago, and a peek is a use.
func TestTheOldestIDIsForgottenFirst(t *testing.T) {
	now := morning
	l := ratelimit.New(&shelf{}, func() time.Time { return now }, 2)
	terms := ratelimit.Terms{Limit: per(10, time.Minute)}
	take := func(id string) {
		if d, err := l.Take(t.Context(), id, terms, 1, time.Time{}); err != nil || !d.Admitted {
			t.Fatal(d, err)
		}
	}
	take("a")
	take("b")
	take("a")
	l.Peek("b", terms, time.Time{})
	take("a")
	take("c")
	if ratelimit.Seen(l, "a").Used == 0 {
		t.Error("a was forgotten, although it was used after b")
	}
	if ratelimit.Seen(l, "b").Used != 0 {
		t.Error("b is remembered: the limiter holds three ids")
	}
}
