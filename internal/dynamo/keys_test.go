package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

var morning = time.Date(2026, 11, 24, 8, 0, 0, 123e6, time.UTC)

func TestRecountForgetsOnlyWhatIsSurelyGone(t *testing.T) {
	options := dynamotest.Options(t)
	table := dynamo.Open(options)
	for n := range 3 {
		registrytest.Create(t, table, registrytest.NewKey(n, "u1"), 3)
	}
	forget(t, options, "key#0000000000000001", "key") // as its ttl does
	last := registrytest.NewKey(2, "u1").CreatedAt
	for _, c := range []struct {
		after time.Duration
		want  int
	}{
		{30 * time.Second, 3}, // the index may lag
		{2 * time.Minute, 2},
		{2 * time.Minute, 2},
	} {
		got, err := table.Recount(t.Context(), "u1", last.Add(c.after))
		if err != nil || got.Taken != c.want {
			t.Errorf("recount %v after the last new key = %d, %v; want %d", c.after, got.Taken, err, c.want)
		}
	}
	registrytest.Create(t, table, registrytest.NewKey(4, "u1"), 3)
	if err := table.Write(t.Context(), registry.Write{To: registrytest.NewKey(5, "u1"), Most: 3}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth key of three: %v", err)
	}
}

func TestAKeyIsForgottenLongAfterItsEnd(t *testing.T) {
	options := dynamotest.Options(t)
	table := dynamo.Open(options)
	const retention = 90 * 24 * time.Hour
	endless := registrytest.NewKey(1, "u1")
	endless.ExpiresAt = time.Time{}
	registrytest.Create(t, table, endless, 0)
	if got, ok := ttl(t, options, endless.ID); ok {
		t.Errorf("an endless key is forgotten at %d", got)
	}
	expires := registrytest.NewKey(2, "u1")
	expires.CreatedAt = morning.Add(-time.Hour)
	registrytest.Create(t, table, expires, 0)
	if got, _ := ttl(t, options, expires.ID); got != expires.ExpiresAt.Add(retention).Unix() {
		t.Errorf("a key that expires at %v is forgotten at %v", expires.ExpiresAt, time.Unix(got, 0).UTC())
	}
	expires.RevokedAt = morning
	if err := registrytest.Update(t, table, expires); err != nil {
		t.Fatal(err)
	}
	if got, _ := ttl(t, options, expires.ID); got != morning.Add(retention).Unix() {
		t.Errorf("a key revoked at %v is forgotten at %v", morning, time.Unix(got, 0).UTC())
	}
}

// Usage is stored by month, and no day of it is forgotten before its retention is over.
func TestUsageAndRepliesAreForgottenInTime(t *testing.T) {
	o := dynamotest.Options(t)
	o.UsageRetention = 30 * 24 * time.Hour
	table := dynamo.Open(o)
	if err := table.RecordUsage(t.Context(), "0000000000000001", []ratelimit.DayUsage{{Day: 20261130, Used: 1}, {Day: 20261201, Used: 2}}); err != nil {
		t.Fatal(err)
	}
	k := registrytest.NewKey(2, "u1")
	until := time.Date(2026, 11, 25, 12, 0, 0, 500e6, time.UTC)
	if err := table.Write(t.Context(), registry.Write{To: k, Reply: &registry.Reply{
		Name: "n", Asked: []byte("a"), Sealed: []byte("s"), At: until.Add(-24 * time.Hour), Until: until,
	}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pk, sk string
		want   time.Time
	}{
		{"key#0000000000000001", "usage#202611", time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)},
		{"key#0000000000000001", "usage#202612", time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)},
		{"idem#n", "reply", time.Date(2026, 11, 25, 12, 0, 1, 0, time.UTC)},
	} {
		if got, ok := ttlOf(t, o, c.pk, c.sk); !ok || got != c.want.Unix() {
			t.Errorf("%s %s is forgotten at %v, want %v", c.pk, c.sk, time.Unix(got, 0).UTC(), c.want)
		}
	}
}
