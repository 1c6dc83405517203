package dynamo_test

import (
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// A user's record and meters come from one request, without what else is in the user's partition.
func TestAUserIsReadWithOneRequest(t *testing.T) {
	o := dynamotest.Options(t)
	table := dynamo.Open(o)
	user := &apikey.User{ID: "u1", Suspended: true, Rev: 1, Since: morning}
	for _, w := range []registry.Write{
		{User: &registry.Replacement[apikey.User]{To: user}, At: morning},
		{To: &apikey.Key{ID: "0000000000000001", UserID: "u1", CreatedAt: morning}}, // counted in the partition
	} {
		if err := table.Write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	ids := []string{apikey.UserMeter("u1", ""), apikey.UserMeter("u1", "60"), apikey.UserMeter("u1", "lifetime")}
	for _, id := range append(ids, apikey.UserMeter("u2", ""), "0000000000000001") {
		if err := table.Touch(t.Context(), id, morning); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.RecordUsage(t.Context(), ids[0], []ratelimit.DayUsage{{Day: 20261123, Used: 7}}); err != nil {
		t.Fatal(err)
	}
	reads := table.Reads()
	got, err := table.User(t.Context(), "u1")
	if err != nil || table.Reads() != reads+1 || got.User == nil || !got.User.Suspended || len(got.Meters) != len(ids) {
		t.Fatalf("%d requests, %+v, %v", table.Reads()-reads, got, err)
	}
	for n, m := range got.Meters {
		if m.ID != ids[n] || !m.Meter.LastUsed.Equal(morning) {
			t.Errorf("meter %s: %+v, want %s", m.ID, m.Meter, ids[n])
		}
	}
	if got, err := table.User(t.Context(), "u2"); err != nil || got.User != nil || len(got.Meters) != 1 {
		t.Errorf("a user without a record: %+v, %v", got, err)
	}
}
