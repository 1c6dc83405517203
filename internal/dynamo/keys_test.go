package dynamo_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

var morning = time.Date(2026, 11, 24, 8, 0, 0, 123e6, time.UTC)

// newKey is a key with every field set.
func newKey(n int, user string) *apikey.Key {
	return &apikey.Key{
		ID: fmt.Sprintf("%016d", n), UserID: user, Name: "Näme", Description: "what for", Environment: apikey.Test,
		Scopes: apikey.Scopes{"tts", "keys:read"}, Limit: ratelimit.Limit{Requests: 5, Window: 10 * time.Second},
		Quota:        ratelimit.Quota{Requests: 1000, Period: ratelimit.Month},
		AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		Metadata:     map[string]string{"team": "a", "empty": ""}, Enabled: true,
		NotBefore: morning.Add(-time.Hour), ExpiresAt: morning.Add(time.Hour), CreatedAt: morning.Add(time.Duration(n) * time.Second),
		KeyPrefix: "sk_test_0000",
		Secrets: []apikey.Secret{
			{Algorithm: "hmac-sha256", Pepper: "abcdef01", Hash: []byte{0, 1, 255}, Alias: "alias-of-" + strconv.Itoa(n)},
			{Algorithm: "hmac-sha256", Pepper: "abcdef02", Hash: []byte{2}, NotAfter: morning},
		},
		PublicAliases: []string{"public-alias"}, Held: []string{"quota", "enabled"}, CountsUntil: morning.Add(time.Minute),
	}
}

// update replaces k, which is of the revision that is stored, by itself as edited.
func update(t *testing.T, store registry.Store, k *apikey.Key) error {
	from := *k
	return store.Write(t.Context(), registry.Write{From: &from, To: k})
}

func create(t *testing.T, store registry.Store, k *apikey.Key, most int) {
	t.Helper()
	if err := store.Write(t.Context(), registry.Write{To: k, Most: most}); err != nil {
		t.Fatalf("create %s: %v", k.ID, err)
	}
}

func TestAKeyIsFoundAsItWasCreated(t *testing.T) {
	table := dynamotest.NewTable(t)
	for _, k := range []*apikey.Key{
		newKey(1, "u1"),
		{ID: "least00000000000", UserID: "u1", Environment: apikey.Live, CreatedAt: morning, Limit: apikey.DefaultLimit()},
	} {
		create(t, table, k, 0)
		got, err := table.Find(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(k, got.Key, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("found key (-created +found):\n%s", diff)
		}
	}
}

func TestWhatIsNotThereIsErrNotFound(t *testing.T) {
	table := dynamotest.NewTable(t)
	if _, err := table.Find(t.Context(), "0000000000000001"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("find: %v", err)
	}
	if _, err := table.Resolve(t.Context(), "nobody"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("resolve: %v", err)
	}
	// A meter alone is no key.
	if err := table.Touch(t.Context(), "0000000000000001", morning); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Find(t.Context(), "0000000000000001"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("find with a meter: %v", err)
	}
}

func TestCreatingIsAllOrNothing(t *testing.T) {
	table := dynamotest.NewTable(t)
	first := newKey(1, "u1")
	create(t, table, first, 2)

	sameID := newKey(1, "u2")
	sameID.Secrets[0].Alias = "another"
	if err := table.Write(t.Context(), registry.Write{To: sameID, Most: 2}); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("same id: %v", err)
	}
	if _, err := table.Resolve(t.Context(), "another"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("the alias of a key that was not created: %v", err)
	}
	sameAlias := newKey(2, "u1")
	sameAlias.Secrets = first.Secrets
	if err := table.Write(t.Context(), registry.Write{To: sameAlias, Most: 2}); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("same alias: %v", err)
	}
	// Neither was counted: there is room for one more, and for no other.
	create(t, table, newKey(3, "u1"), 2)
	if err := table.Write(t.Context(), registry.Write{To: newKey(4, "u1"), Most: 2}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a third key of two: %v", err)
	}
	if id, err := table.Resolve(t.Context(), first.Aliases()[0].Name); err != nil || id != first.ID {
		t.Errorf("resolve = %q, %v", id, err)
	}
}

func TestAUserNeverHoldsMoreKeysThanAllowed(t *testing.T) {
	table := dynamotest.NewTable(t)
	const most, asked = 3, 8
	var wg sync.WaitGroup
	results := make([]error, asked)
	for n := range asked {
		wg.Go(func() { results[n] = table.Write(t.Context(), registry.Write{To: newKey(n, "u1"), Most: most}) })
	}
	wg.Wait()
	created := 0
	for _, err := range results {
		switch {
		case err == nil:
			created++
		case !errors.Is(err, apikey.ErrTooManyKeys):
			t.Error(err)
		}
	}
	if created != most {
		t.Errorf("%d keys were created, %d allowed", created, most)
	}
}

func TestOnlyTheRevisionThatWasReadIsReplaced(t *testing.T) {
	table := dynamotest.NewTable(t)
	create(t, table, newKey(1, "u1"), 0)
	mine, yours := newKey(1, "u1"), newKey(1, "u1")
	mine.Name, yours.Name = "mine", "yours"
	if err := update(t, table, mine); err != nil {
		t.Fatal(err)
	}
	if err := update(t, table, yours); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("a lost update: %v", err)
	}
	if err := table.Write(t.Context(), registry.Write{From: yours, Delete: true}); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("deleting what has changed: %v", err)
	}
	got, err := table.Find(t.Context(), mine.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Key.Name != "mine" || got.Key.Rev != mine.Rev {
		t.Errorf("stored %q rev %d, want mine rev %d", got.Key.Name, got.Key.Rev, mine.Rev)
	}
	if err := update(t, table, newKey(9, "u1")); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("updating what is not there: %v", err)
	}
}

func TestRevokingAndDeletingMakeRoomOnce(t *testing.T) {
	table := dynamotest.NewTable(t)
	revoked, deleted, both := newKey(1, "u1"), newKey(2, "u1"), newKey(3, "u1")
	for _, k := range []*apikey.Key{revoked, deleted, both} {
		create(t, table, k, 3)
	}
	revoke := func(k *apikey.Key) {
		t.Helper()
		k.RevokedAt = morning
		if err := update(t, table, k); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(k *apikey.Key) {
		t.Helper()
		if err := table.Write(t.Context(), registry.Write{From: k, Delete: true}); err != nil {
			t.Fatal(err)
		}
	}
	revoke(revoked)
	if err := update(t, table, revoked); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("changing a revoked key: %v", err)
	}
	remove(deleted)
	revoke(both)
	remove(both)
	for n := range 3 {
		create(t, table, newKey(10+n, "u1"), 3)
	}
	if err := table.Write(t.Context(), registry.Write{To: newKey(20, "u1"), Most: 3}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth key of three: %v", err)
	}
	if _, err := table.Resolve(t.Context(), deleted.Aliases()[0].Name); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("the alias of a deleted key: %v", err)
	}
}

func TestTheMeterOutlivesItsKey(t *testing.T) {
	table := dynamotest.NewTable(t)
	k := newKey(1, "u1")
	create(t, table, k, 0)
	limiter := ratelimit.New(table, func() time.Time { return morning }, 10)
	if d, err := limiter.Take(t.Context(), k.ID, k.Terms(), 3, time.Time{}); err != nil || !d.Admitted {
		t.Fatalf("take: %+v, %v", d, err)
	}
	if err := table.Write(t.Context(), registry.Write{From: k, Delete: true}); err != nil {
		t.Fatal(err)
	}
	create(t, table, newKey(1, "u1"), 0)
	got, err := table.Find(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	if left := ratelimit.StatusOf(got.Meter, k.Terms(), morning).Remaining; left != 2 {
		t.Errorf("a key made anew has %d left, want the 2 that were left", left)
	}
}

func TestListsAreNewestFirstAndOfOneUser(t *testing.T) {
	table := dynamotest.NewTable(t)
	for n := range 7 {
		create(t, table, newKey(n, "u"+strconv.Itoa(n%2)), 0)
	}
	var after registry.Position
	var pages []string
	for {
		keys, err := table.List(t.Context(), "u0", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, k := range keys {
			page = append(page, strings.TrimLeft(k.ID, "0"))
			after = registry.Position{CreatedAt: k.CreatedAt, ID: k.ID}
			if k.Secrets != nil || k.PublicAliases != nil {
				t.Errorf("a list shows secrets of %s", k.ID)
			}
		}
		pages = append(pages, strings.Join(page, " "))
		if len(keys) < 3 {
			break
		}
	}
	if diff := cmp.Diff([]string{"6 4 2", ""}, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	// All that a record shows is projected.
	keys, err := table.List(t.Context(), "u1", registry.Position{}, 1)
	if err != nil || len(keys) != 1 {
		t.Fatalf("list: %d keys, %v", len(keys), err)
	}
	want := newKey(5, "u1")
	want.Secrets, want.PublicAliases, want.Held, want.CountsUntil = nil, nil, nil, time.Time{} // changes are judged by the key itself
	if diff := cmp.Diff(want, keys[0], cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("listed key (-created +listed):\n%s", diff)
	}
}

func TestRecountForgetsOnlyWhatIsSurelyGone(t *testing.T) {
	options := dynamotest.Options(t)
	table := dynamo.Open(options)
	for n := range 3 {
		create(t, table, newKey(n, "u1"), 3)
	}
	forget(t, options, "key#0000000000000001", "key") // as its ttl does
	last := newKey(2, "u1").CreatedAt
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
	create(t, table, newKey(4, "u1"), 3)
	if err := table.Write(t.Context(), registry.Write{To: newKey(5, "u1"), Most: 3}); !errors.Is(err, apikey.ErrTooManyKeys) {
		t.Errorf("a fourth key of three: %v", err)
	}
}

func TestAKeyIsForgottenLongAfterItsEnd(t *testing.T) {
	options := dynamotest.Options(t)
	table := dynamo.Open(options)
	const retention = 90 * 24 * time.Hour
	endless := newKey(1, "u1")
	endless.ExpiresAt = time.Time{}
	create(t, table, endless, 0)
	if got, ok := ttl(t, options, endless.ID); ok {
		t.Errorf("an endless key is forgotten at %d", got)
	}
	expires := newKey(2, "u1")
	expires.CreatedAt = morning.Add(-time.Hour)
	create(t, table, expires, 0)
	if got, _ := ttl(t, options, expires.ID); got != expires.ExpiresAt.Add(retention).Unix() {
		t.Errorf("a key that expires at %v is forgotten at %v", expires.ExpiresAt, time.Unix(got, 0).UTC())
	}
	expires.RevokedAt = morning
	if err := update(t, table, expires); err != nil {
		t.Fatal(err)
	}
	if got, _ := ttl(t, options, expires.ID); got != morning.Add(retention).Unix() {
		t.Errorf("a key revoked at %v is forgotten at %v", morning, time.Unix(got, 0).UTC())
	}
}

// Days are remembered by the month, and none of it for less than what was asked for.
func TestUsageAndRepliesAreForgottenInTime(t *testing.T) {
	o := dynamotest.Options(t)
	o.UsageRetention = 30 * 24 * time.Hour
	table := dynamo.Open(o)
	if err := table.RecordUsage(t.Context(), "0000000000000001", []ratelimit.DayUsage{{Day: 20261130, Used: 1}, {Day: 20261201, Used: 2}}); err != nil {
		t.Fatal(err)
	}
	k := newKey(2, "u1")
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

// together are the changes that make keys.
func together(keys ...*apikey.Key) (all []registry.Write) {
	for _, k := range keys {
		all = append(all, registry.Write{To: k})
	}
	return all
}

func TestKeysOfManyUsersAreMadeTogetherOrNotAtAll(t *testing.T) {
	table := dynamotest.NewTable(t)
	var keys []*apikey.Key
	for n := range registry.MaxTogether {
		keys = append(keys, newKey(n, "u"+strconv.Itoa(n%3)))
	}
	create(t, table, keys[7], 0)
	if err := table.Write(t.Context(), together(keys...)...); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("one is there already: %v", err)
	}
	other := newKey(100, "u1")
	other.Secrets = keys[15].Secrets
	if err := table.Write(t.Context(), together(keys[15], newKey(101, "u1"))...); err != nil {
		t.Errorf("two new ones: %v", err)
	}
	if err := table.Write(t.Context(), together(newKey(102, "u1"), other)...); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("an alias is another's: %v", err)
	}
	for n, want := range map[int]error{0: apikey.ErrNotFound, 7: nil, 15: nil, 101: nil, 100: apikey.ErrNotFound, 102: apikey.ErrNotFound} {
		if _, err := table.Find(t.Context(), newKey(n, "").ID); !errors.Is(err, want) {
			t.Errorf("key %d: %v", n, err)
		}
	}
	all := append(append([]*apikey.Key{}, keys[:7]...), append(keys[8:15:15], keys[16:]...)...)
	if err := table.Write(t.Context(), together(all...)...); err != nil {
		t.Errorf("the rest: %v", err)
	}
	// Each user is counted: one more than there are fits, and no other.
	for user, have := range map[string]int{"u0": 7, "u1": 8, "u2": 6} {
		create(t, table, newKey(200+have*10+len(user)+int(user[1]), user), have+1)
		if err := table.Write(t.Context(), registry.Write{To: newKey(300+int(user[1]), user), Most: have + 1}); !errors.Is(err, apikey.ErrTooManyKeys) {
			t.Errorf("%s after %d: %v", user, have, err)
		}
	}
}
