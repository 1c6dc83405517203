package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// ended revokes or deletes a key, whose place is taken until then.
func ended(t *testing.T, table *dynamo.Table, k *apikey.Key, until time.Time, remove bool) {
	t.Helper()
	w := registry.Write{From: k, Delete: remove, PlaceUntil: until, At: morning}
	if !remove {
		to := *k
		to.RevokedAt = morning
		w.To = &to
	}
	if err := table.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

func TestAPlaceOfAnEndedKeyIsTakenUntilItsTime(t *testing.T) {
	table := dynamotest.NewTable(t)
	keys := []*apikey.Key{registrytest.NewKey(1, "u1"), registrytest.NewKey(2, "u1"), registrytest.NewKey(3, "u1")}
	for _, k := range keys {
		registrytest.Create(t, table, k, 3)
	}
	soon, late := morning.Add(90*time.Second), morning.Add(time.Hour)
	ended(t, table, keys[0], soon, true)
	ended(t, table, keys[1], late, false)
	for _, c := range []struct {
		at          time.Time
		taken, ends int
	}{
		{morning.Add(time.Second), 3, 2}, // the index may lag
		{soon.Add(-time.Second), 3, 2},
		{soon.Add(time.Second), 2, 1},
		{soon.Add(time.Second), 2, 1},
		{late.Add(time.Second), 1, 0},
	} {
		got, err := table.Recount(t.Context(), "u1", c.at)
		if err != nil || got.Taken != c.taken || len(got.Ends) != c.ends {
			t.Errorf("at %v: %+v, %v; want %d taken, %d to come", c.at.Sub(morning), got, err, c.taken, c.ends)
		}
	}
	registrytest.Create(t, table, registrytest.NewKey(4, "u1"), 3)
	registrytest.Create(t, table, registrytest.NewKey(5, "u1"), 3)
	if err := table.Write(t.Context(), registry.Write{To: registrytest.NewKey(6, "u1"), Most: 3}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth of three: %v", err)
	}
}

// Count items of earlier versions have only a number and the time of the newest key.
func TestACountOfAnEarlierVersionIsReadAndKept(t *testing.T) {
	o := dynamotest.Options(t)
	table := dynamo.Open(o)
	keys := []*apikey.Key{registrytest.NewKey(1, "u1"), registrytest.NewKey(2, "u1"), registrytest.NewKey(3, "u1")}
	for _, k := range keys {
		registrytest.Create(t, table, k, 0)
	}
	put(t, o, with(with(primaryKey("user#u1", "keys"), "n", figures(3)), "at", figures(morning.UnixMilli())))
	if err := table.Write(t.Context(), registry.Write{To: registrytest.NewKey(4, "u1"), Most: 3}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth of three: %v", err)
	}
	if got, err := table.Recount(t.Context(), "u1", morning.Add(time.Second)); err != nil || got.Taken != 3 || len(got.Ends) != 0 {
		t.Errorf("as it is: %+v, %v", got, err)
	}
	forget(t, o, "key#0000000000000003", "key") // as its ttl does
	if got, err := table.Recount(t.Context(), "u1", morning.Add(2*time.Minute)); err != nil || got.Taken != 2 {
		t.Errorf("without the one that was forgotten: %+v, %v", got, err)
	}
	ended(t, table, keys[0], morning.Add(time.Hour), true)
	if got, err := table.Recount(t.Context(), "u1", morning.Add(3*time.Minute)); err != nil || got.Taken != 2 || len(got.Ends) != 1 {
		t.Errorf("with one that has ended: %+v, %v", got, err)
	}
	if got, err := table.Recount(t.Context(), "u1", morning.Add(2*time.Hour)); err != nil || got.Taken != 1 {
		t.Errorf("when its time has come: %+v, %v", got, err)
	}
	// No item at all is a user without keys.
	if got, err := table.Recount(t.Context(), "u2", morning); err != nil || got.Taken != 0 {
		t.Errorf("of nobody: %+v, %v", got, err)
	}
}
