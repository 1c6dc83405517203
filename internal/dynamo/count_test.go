package dynamo_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

func TestEachRequestToTheTableIsCounted(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	table := dynamo.Open(options)
	k := registrytest.NewKey(1, "u1")
	for _, step := range []struct {
		name          string
		do            func() error
		reads, writes int64
	}{
		{"a key is created with its counter in one", func() error { return table.Write(t.Context(), registry.Write{To: k}) }, 0, 1},
		{"key and meter are found in one", func() error { _, err := table.Find(t.Context(), k.ID); return err }, 1, 0},
		{"an alias", func() error { _, err := table.Resolve(t.Context(), "nobody"); return unless(err, apikey.ErrNotFound) }, 1, 0},
		{"a list", func() error { _, err := table.List(t.Context(), "u1", registry.Position{}, 9); return err }, 1, 0},
		{"tokens are spent", func() error {
			_, err := table.Spend(t.Context(), k.ID, ratelimit.Spend{Tokens: 1, Slice: 1, Day: 20261124, Window: time.Minute, At: morning, Fresh: true})
			return err
		}, 0, 1},
		{"tokens that are gone are paid for", func() error {
			_, err := table.Spend(t.Context(), k.ID, ratelimit.Spend{Tokens: 1, Slice: 1, Day: 20261124, Window: time.Minute, At: morning, Fresh: true})
			return unless(err, ratelimit.ErrStale)
		}, 0, 1},
		{"a request that is lost is sent again", func() error {
			faults.Set(1, dynamotest.LostRequest)
			defer faults.Set(0)
			if err := table.Ping(t.Context()); err == nil {
				t.Error("answered over a dead network")
			}
			return nil
		}, 3, 0},
	} {
		reads, writes := table.Reads(), table.Writes()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if reads, writes = table.Reads()-reads, table.Writes()-writes; reads != step.reads || writes != step.writes {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", step.name, reads, writes, step.reads, step.writes)
		}
	}
}

// unless is err, if it is not the one that is due.
func unless(err, due error) error {
	if errors.Is(err, due) {
		return nil
	}
	return fmt.Errorf("%w, want %w", err, due)
}
