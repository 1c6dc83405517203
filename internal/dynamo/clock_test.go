package dynamo_test

import (
	"testing"
	"time"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
)

// A clock that is grossly ahead is brought back to the table's, one that is
// about right or behind is left alone.
func TestAClockFarAheadIsBroughtBack(t *testing.T) {
	options := dynamotest.Options(t)
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour, 24 * time.Hour} {
		options.Now = func() time.Time { return time.Now().Add(off) }
		table := dynamo.Open(options)
		if before := time.Until(table.Now()) - off; before.Abs() > time.Minute {
			t.Errorf("%v off: %v before any reply", off, before)
		}
		if err := table.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := min(off, 0)
		if got := time.Until(table.Now()); (got - want).Abs() > time.Minute {
			t.Errorf("%v off: still %v off after a reply, want %v", off, got, want)
		}
	}
}
