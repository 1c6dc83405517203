package dynamo_test

import (
	"testing"
	"time"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
)

// A clock that is grossly off is brought to the table's, one that is about right is
// left alone.
func TestAClockThatIsFarOffIsBroughtBack(t *testing.T) {
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
		before := time.Now()
		got := table.Now()
		if after := time.Now(); off == 0 && (got.Before(before) || got.After(after)) {
			t.Errorf("a clock that is right is moved by a reply, from %v to %v", after, got)
		}
		if left := got.Sub(before); left.Abs() > time.Minute {
			t.Errorf("%v off: still %v off after a reply", off, left)
		}
	}
}
