package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
)

// The table takes tokens back as [ratelimit.Meter.Return] does: once, and only from the meter that was
// seen.
func TestReturnedTokensAreTakenOffOnce(t *testing.T) {
	table := dynamotest.NewTable(t)
	seen, err := table.Spend(t.Context(), meterID, ratelimit.Spend{
		Tokens: 9, Net: 9, Slice: 100, Day: 20261124, Window: 10 * time.Second, At: morning, Fresh: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	model := seen
	for _, c := range []struct {
		name string
		edit func(*ratelimit.Return)
	}{
		{"another window", func(r *ratelimit.Return) { r.Seen.Window *= 2 }},
		{"another slice", func(r *ratelimit.Return) { r.Seen.Newest++ }},
		{"another count", func(r *ratelimit.Return) { r.Seen.Used++ }},
		{"another count of the quota", func(r *ratelimit.Return) { r.Seen.Net++ }},
		{"another day", func(r *ratelimit.Return) { r.Seen.Day++ }},
		{"a return that was not seen", func(r *ratelimit.Return) { r.Seen.Returns++ }},
		{"some tokens", func(*ratelimit.Return) {}},
		{"the same again", func(*ratelimit.Return) {}},
		{"of the quota alone", func(r *ratelimit.Return) { r.Seen, r.Tokens = model, 0 }},
		{"more", func(r *ratelimit.Return) { r.Seen = model }},
	} {
		r := ratelimit.Return{Tokens: 3, Net: 2, Seen: seen}
		c.edit(&r)
		want := model.Return(r)
		got, err := table.Return(t.Context(), meterID, r)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, want)
		}
		if diff := cmp.Diff(model, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if model.Used != 3 || model.Net != 3 || model.Returns != 3 {
		t.Errorf("%+v", model)
	}
}
