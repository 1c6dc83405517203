package dynamo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/pepper"
	"latchkey/internal/registry"
)

type attributes = map[string]types.AttributeValue

func put(t *testing.T, o dynamo.Options, i attributes) {
	t.Helper()
	if _, err := client(o).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &o.Name, Item: i}); err != nil {
		t.Fatal(err)
	}
}

// with is an item with something else in one place.
func with(i attributes, name string, value types.AttributeValue) attributes {
	i = maps.Clone(i)
	i[name] = value
	return i
}

func letters(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func figures(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// newRegistry returns a registry that manages keys on a table, at times that a test sets.
func newRegistry(t *testing.T, o dynamo.Options, now func() time.Time, edit ...func(*registry.Options)) *registry.Registry {
	t.Helper()
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := pepper.NewHasher(strings.Repeat("m", 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	hashing := func(context.Context) (pepper.Hasher, error) { return hasher, nil }
	options := registry.Options{
		Store: dynamo.Open(o), Format: format, Random: rand.Reader, Now: now, AuditRetention: 10 * 24 * time.Hour,
		Hasher: hashing, Reread: hashing,
		Pause: func(context.Context, time.Duration) error { return nil },
	}
	for _, e := range edit {
		e(&options)
	}
	return registry.New(options)
}

// An attacker who can write to the table, but does not know the secret, changes no trail unseen.
func TestTamperingWithTheTableShows(t *testing.T) {
	o := dynamotest.Options(t)
	now := morning
	r := newRegistry(t, o, func() time.Time { return now })
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	make := func() string {
		k, _, err := r.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			now = now.Add(time.Minute)
			if _, err := r.Update(t.Context(), root, k.ID, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil }); err != nil {
				t.Fatal(err)
			}
		}
		return k.ID
	}
	other := make()
	theirs := entriesOf(t, o, other)
	for name, c := range map[string]struct {
		do   func(pk string, sk []string)
		want string
	}{
		"nothing is done":      {func(string, []string) {}, ""},
		"the first is deleted": {func(pk string, sk []string) { forget(t, o, pk, sk[0]) }, "#000000000 is missing"},
		"one is deleted":       {func(pk string, sk []string) { forget(t, o, pk, sk[2]) }, "#000000002 is missing"},
		"the last is deleted":  {func(pk string, sk []string) { forget(t, o, pk, sk[3]) }, "#000000003 is missing"},
		"the last two are":     {func(pk string, sk []string) { forget(t, o, pk, sk[3]); forget(t, o, pk, sk[2]) }, "#000000003 is missing"},
		"all are": {func(pk string, sk []string) {
			for _, k := range sk {
				forget(t, o, pk, k)
			}
		}, "#000000003 is missing"},
		"the key is deleted": {func(pk string, _ []string) { forget(t, o, pk, "key") }, "#000000003 is the last one there"},
		"a text is altered": {func(pk string, sk []string) {
			i := raw(t, o, pk, sk[1])
			put(t, o, with(i, "entry", letters(strings.Replace(i["entry"].(*types.AttributeValueMemberS).Value, "root", "toor", 1))))
		}, "#000000001 was altered"},
		"it has another type": {func(pk string, sk []string) { put(t, o, with(raw(t, o, pk, sk[1]), "entry", figures(1))) }, "#000000001 was"},
		"two are swapped": {func(pk string, sk []string) {
			a, b := raw(t, o, pk, sk[1]), raw(t, o, pk, sk[2])
			put(t, o, with(a, "sk", b["sk"]))
			put(t, o, with(b, "sk", a["sk"]))
		}, "#000000001 is not in its place"},
		"one is another key's": {func(pk string, sk []string) {
			put(t, o, with(with(raw(t, o, "key#"+other, theirs[1]), "pk", letters(pk)), "sk", letters(sk[1])))
		}, "#000000001 is not in its place"},
		"one is appended": {func(pk string, sk []string) {
			put(t, o, with(raw(t, o, pk, sk[3]), "sk", letters(strings.Replace(sk[3], "#000000003", "#000000004", 1))))
		}, "#000000004 is not in its place"},
		"one stands anywhere":     {func(pk string, sk []string) { put(t, o, with(raw(t, o, pk, sk[3]), "sk", letters("audit#0"))) }, "entry 0 was never written so"},
		"it is hidden from lists": {func(pk string, sk []string) { put(t, o, with(raw(t, o, pk, sk[1]), "userId", letters("u1"))) }, "#000000001 was altered beside"},
		"it is moved in lists":    {func(pk string, sk []string) { put(t, o, with(raw(t, o, pk, sk[1]), "createdKey", letters("0"))) }, "#000000001 was altered beside"},
		"it is made to expire":    {func(pk string, sk []string) { put(t, o, with(raw(t, o, pk, sk[1]), "ttl", figures(1))) }, "#000000001 was altered beside"},
		"the key has no head":     {func(pk string, _ []string) { i := raw(t, o, pk, "key"); delete(i, "trail"); put(t, o, i) }, "#000000003 is the last one by its witness, and the subject has no trail"},
		"the head is an older": {func(pk string, sk []string) {
			forget(t, o, pk, sk[3])
			i := raw(t, o, pk, "key")
			i["trail"].(*types.AttributeValueMemberM).Value["sum"] = raw(t, o, pk, sk[2])["sum"]
			put(t, o, with(i, "rev", figures(2)))
		}, "#000000003 is the last one by its witness: the subject was put back"},
		"a key is put in": {func(pk string, _ []string) {
			put(t, o, with(with(raw(t, o, pk, "key"), "pk", letters("key#0000000000000000")), "id", letters("0000000000000000")))
		}, "0000000000000000: entry"},
	} {
		id := make()
		c.do("key#"+id, entriesOf(t, o, id))
		if name == "a key is put in" {
			id = "0000000000000000"
		}
		_, err := r.CheckTrail(t.Context(), id)
		var broken *audit.Break
		if (c.want == "") != (err == nil) || err != nil && (!errors.As(err, &broken) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	ids, err := dynamo.Open(o).Trails(t.Context())
	if err != nil || len(ids) != 21 || !slices.Contains(ids, other) {
		t.Errorf("there are %d trails, %v", len(ids), err)
	}
}

// What DynamoDB removes after its time, in any order, was not tampered with; the
// key goes, too, when it has ended long ago.
func TestAnExpiredEntryIsNoTampering(t *testing.T) {
	o := dynamotest.Options(t)
	now := morning
	r := newRegistry(t, o, func() time.Time { return now })
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	k, _, err := r.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	// removed takes away what DynamoDB may.
	removed := func(skip int) (entries int, key bool) {
		for n, sk := range entriesOf(t, o, k.ID) {
			i := raw(t, o, "key#"+k.ID, sk)
			if ttl, _ := strconv.ParseInt(i["ttl"].(*types.AttributeValueMemberN).Value, 10, 64); ttl > now.Unix() || n == skip {
				entries++
				continue
			}
			forget(t, o, "key#"+k.ID, sk)
		}
		for pk, sk := range map[string]string{"key#" + k.ID: "key", "head#" + k.ID: "head"} {
			if at, ok := ttlOf(t, o, pk, sk); ok && at <= now.Unix() {
				forget(t, o, pk, sk)
			}
		}
		return entries, raw(t, o, "key#"+k.ID, "key") != nil
	}
	for day := range 20 {
		now = now.Add(24 * time.Hour)
		name := strconv.Itoa(day)
		if _, err := r.Update(t.Context(), root, k.ID, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil }); err != nil {
			t.Fatal(err)
		}
		entries, _ := removed(day % 3)
		if c, err := r.CheckTrail(t.Context(), k.ID); err != nil || len(c.Entries) != entries || entries > 11 {
			t.Errorf("on day %d: %d of %d entries, %v", day, len(c.Entries), entries, err)
		}
	}
	r = newRegistry(t, o, func() time.Time { return now }, func(o *registry.Options) {
		o.AuditRetention = 200 * 24 * time.Hour // longer than a revoked key
	})
	if _, err := r.Revoke(t.Context(), root, k.ID, ""); err != nil {
		t.Fatal(err)
	}
	for day := 10; day <= 210; day += 10 {
		now = now.Add(10 * 24 * time.Hour)
		entries, key := removed(-1)
		_, err := r.CheckTrail(t.Context(), k.ID)
		if over := errors.Is(err, apikey.ErrNotFound); err != nil && !over || key != (day < 90) || over != (entries == 0) {
			t.Errorf("day %d after it was revoked: %d entries, key %t: %v", day, entries, key, err)
		}
	}
}

func entriesOf(t *testing.T, o dynamo.Options, id string) (all []string) {
	t.Helper()
	entries, _, err := dynamo.Open(o).Trail(t.Context(), id, time.Time{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(entries) {
		all = append(all, "audit#"+e.Place.String())
	}
	return all
}

// A trail that grows while it is checked is not taken for a broken one, and changes
// that meet leave one entry each.
func TestATrailIsCheckedWhileItGrows(t *testing.T) {
	o := dynamotest.Options(t)
	r := newRegistry(t, o, time.Now, func(o *registry.Options) { o.Pause = nil })
	root := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	k, _, err := r.Create(t.Context(), root, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for n := range 4 {
		wg.Go(func() {
			for i := range 10 {
				name := strconv.Itoa(10*n + i)
				_, err := r.Update(t.Context(), root, k.ID, func(*apikey.Key) (apikey.Change, error) { return apikey.Change{Name: &name}, nil })
				mu.Lock()
				if err == nil {
					made++
				} else if !errors.Is(err, apikey.ErrConflict) {
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	for range 20 {
		if _, err := r.CheckTrail(t.Context(), k.ID); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if c, err := r.CheckTrail(t.Context(), k.ID); err != nil || len(c.Entries) != made+1 {
		t.Errorf("%d entries for %d changes: %v", len(c.Entries), made, err)
	}
}
