package dynamo_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
)

// The alias of a token goes with its key, however the end of that moves, or before,
// once it is told no longer what became of the token. Then the token is free.
func TestAnAliasIsForgottenInTime(t *testing.T) {
	o := dynamotest.Options(t)
	table := dynamo.Open(o)
	k := newKey(1, "u1")
	k.ExpiresAt, k.Secrets[1].Alias = time.Time{}, "another-alias"
	told := k.Secrets[1].NotAfter.Add(30 * 24 * time.Hour).Unix()
	create(t, table, k, 2)
	expects := func(step string, want ...int64) {
		t.Helper()
		for i, alias := range []string{"alias-of-1", "another-alias"} {
			if got, _ := ttlOf(t, o, "alias#"+alias, "alias"); got != want[i] {
				t.Errorf("%s: %s goes at %d, want %d", step, alias, got, want[i])
			}
		}
	}
	change := func(edit func(*apikey.Key)) {
		t.Helper()
		from := *k
		edit(k)
		if err := table.Write(t.Context(), apikey.Write{From: &from, To: k}); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(end time.Time) int64 { return end.Add(apikey.Retention).Unix() }

	expects("made", 0, told)
	change(func(k *apikey.Key) { k.ExpiresAt = morning.Add(-80 * 24 * time.Hour) })
	expects("with an end", gone(k.ExpiresAt), gone(k.ExpiresAt))
	change(func(k *apikey.Key) { k.ExpiresAt = time.Time{} })
	expects("without it again", 0, told)
	change(func(k *apikey.Key) {
		k.Secrets = append([]apikey.Secret{}, k.Secrets...)
		k.Secrets[0].NotAfter = morning.Add(time.Hour)
	})
	expects("replaced", k.Secrets[0].NotAfter.Add(30*24*time.Hour).Unix(), told)
	change(func(k *apikey.Key) { k.RevokedAt = morning.Add(-89 * 24 * time.Hour) })
	expects("revoked", gone(k.RevokedAt), gone(k.RevokedAt))

	forget(t, o, "alias#alias-of-1", "alias")
	if _, err := table.Resolve(t.Context(), "alias-of-1"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("a forgotten alias: %v", err)
	}
}
