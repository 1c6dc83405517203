package dynamo_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
	"latchkey/internal/registry/registrytest"
)

// fenced is a table with one key.
type fenced struct {
	*dynamo.Table
	options dynamo.Options
	faults  *dynamotest.Faults
	key     *apikey.Key // as it is stored
	at      time.Time   // of the next change
}

func newFenced(t *testing.T) *fenced {
	t.Helper()
	options, faults := dynamotest.Faulty(t)
	f := &fenced{Table: dynamo.Open(options), options: options, faults: faults, key: registrytest.NewKey(1, "u1"), at: morning}
	registrytest.Create(t, f, f.key, 0)
	return f
}

// change stores the key as edit makes it.
func (f *fenced) change(t *testing.T, edit func(*apikey.Key)) error {
	to := *f.key
	edit(&to)
	err := f.Write(t.Context(), registry.Write{From: f.key, To: &to, At: f.at})
	if err == nil {
		f.key = &to
	}
	return err
}

// stored returns an attribute of the first meter, or 0.
func (f *fenced) stored(t *testing.T, attribute string) int64 {
	t.Helper()
	return f.storedIn(t, "key#"+f.key.ID, attribute)
}

// storedIn returns an attribute of the meter of a partition, or 0.
func (f *fenced) storedIn(t *testing.T, partition, attribute string) int64 {
	t.Helper()
	value, ok := raw(t, f.options, partition, "meter")[attribute].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(value.Value, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryChangeOfAKeyRaisesItsFence(t *testing.T) {
	f := newFenced(t)
	if g := f.stored(t, "g"); g != 0 {
		t.Errorf("a new key has the fence %d", g)
	}
	for name, edit := range map[string]func(*apikey.Key){
		"disable":   func(k *apikey.Key) { k.Enabled = !k.Enabled },
		"limit":     func(k *apikey.Key) { k.Limit.Requests++ },
		"expire":    func(k *apikey.Key) { k.ExpiresAt = morning.Add(time.Hour) },
		"give away": func(k *apikey.Key) { k.UserID += "x" },
	} {
		f.at = f.at.Add(time.Hour)
		if err := f.change(t, edit); err != nil {
			t.Fatal(name, err)
		}
		if g := f.stored(t, "g"); g != f.key.Fence() {
			t.Errorf("%s: the fence is %d, want %d", name, g, f.key.Fence())
		}
		if end := f.stored(t, "ttl"); end != f.at.Add(432*24*time.Hour).Unix() {
			t.Errorf("%s: the meter ends at %d", name, end)
		}
	}
	next := *f.key
	next.Rev++
	if err := f.Write(t.Context(), registry.Write{From: f.key, Delete: true, At: f.at}); err != nil {
		t.Fatal(err)
	}
	if g := f.stored(t, "g"); g != next.Fence() {
		t.Errorf("delete: the fence is %d, want %d", g, next.Fence())
	}
}

// A fence never becomes lower, but a change gives the meter the same time.
func TestAFenceOnlyGrows(t *testing.T) {
	f := newFenced(t)
	stale := *f.key
	for range 2 {
		if err := f.change(t, func(k *apikey.Key) { k.Name += "x" }); err != nil {
			t.Fatal(err)
		}
	}
	g := f.stored(t, "g")
	to, later := stale, f.at.Add(time.Hour)
	if err := f.Write(t.Context(), registry.Write{From: &stale, To: &to, At: later}); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("a change of an old revision: %v", err)
	}
	if now, end := f.stored(t, "g"), f.stored(t, "ttl"); now != g || end != later.Add(432*24*time.Hour).Unix() {
		t.Errorf("the fence was %d and is %d; it ends at %d", g, now, end)
	}
}

// A key whose fence may not have been written is not changed.
func TestNothingChangesWithoutAFence(t *testing.T) {
	for _, fault := range append(dynamotest.Before(), dynamotest.After()...) {
		if fault == dynamotest.Delay || fault == dynamotest.Reset {
			continue // the request succeeds: its reply is too short to be cut
		}
		f := newFenced(t)
		f.faults.All(fault)
		err := f.change(t, func(k *apikey.Key) { k.Enabled = false })
		f.faults.All("")
		record, found := f.Find(t.Context(), f.key.ID)
		if err == nil || found != nil || !record.Key.Enabled {
			t.Errorf("%s: %v; then %+v, %v", fault, err, record.Key, found)
		}
		if err := f.change(t, func(k *apikey.Key) { k.Enabled = false }); err != nil {
			t.Errorf("%s: again: %v", fault, err)
		}
	}
}

// A change fences a key that nothing was spent from yet. Its first spend finds a meter with a fence
// alone.
func TestASpendNeedsItsFence(t *testing.T) {
	f := newFenced(t)
	old := f.key.Fence()
	if err := f.change(t, func(k *apikey.Key) { k.Name += "x" }); err != nil {
		t.Fatal(err)
	}
	record, err := f.Find(t.Context(), f.key.ID)
	if err != nil || record.Meter.Fence != f.key.Fence() || record.Meter.Used != 0 || !record.Meter.LastUsed.IsZero() {
		t.Fatalf("%+v, %v", record.Meter, err)
	}
	limiter := ratelimit.New(f, func() time.Time { return f.at }, 1)
	take := func(fence int64) (ratelimit.Decision, error) {
		p := ratelimit.Part{ID: f.key.ID, Terms: f.key.Terms(), Fence: fence}
		return limiter.TakePart(t.Context(), &p, f.key.Limit.Requests, time.Time{}) // there is no lease
	}
	if d, err := take(old); !errors.Is(err, ratelimit.ErrFenced) || d.Proven {
		t.Errorf("with the fence before the change: %+v, %v", d, err)
	}
	if d, err := take(f.key.Fence()); err != nil || !d.Admitted || !d.Proven {
		t.Errorf("with the fence: %+v, %v", d, err)
	}
	f.at = f.at.Add(time.Hour)
	if d, err := take(old); !errors.Is(err, ratelimit.ErrFenced) || d.Proven {
		t.Errorf("a later spend with the fence before the change: %+v, %v", d, err)
	}
	if d, err := take(0); err != nil || !d.Admitted || d.Proven {
		t.Errorf("without a fence: %+v, %v", d, err)
	}
	f.at = f.at.Add(time.Hour)
	if d, err := take(f.key.Fence() + 1); err != nil || !d.Proven || f.stored(t, "g") != f.key.Fence()+1 {
		t.Errorf("a higher fence: %+v, %v; stored is %d", d, err, f.stored(t, "g"))
	}
}
