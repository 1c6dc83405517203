package instance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// conflicts are what happens to a transaction while many others want the same items.
func conflicts() []fate {
	const canceled = "TransactionCanceledException"
	met := fate{lost: true, code: canceled, reasons: "TransactionConflict"}
	return []fate{
		met, met, met, met,
		{lost: true, code: canceled, reasons: "ThrottlingError"},
		{lost: true, code: "TransactionInProgressException"},
		{code: canceled, reasons: "TransactionConflict"}, // it is applied all the same
		{err: errReset},
	}
}

// office is four admins who change the keys of one user, and each also those of another user.
type office struct {
	*fleet
	shared []*apikey.Key

	mu       sync.Mutex
	answered map[string][]string // names that were given to each key, by its id
	revoked  map[string]bool     // by the ids of created keys
	unknown  int                 // changes without an answer
}

// Admins change keys while four of five transactions fail, and half of the fences. Each answer comes within three seconds. A
// change that was answered is made once, no change is made by half, and the trails tell of each.
func TestChangesHaveABadDay(t *testing.T) {
	onABadDay(t, 4, "trust", func(t *testing.T, f *fleet) {
		o := &office{fleet: f, answered: make(map[string][]string), revoked: make(map[string]bool)}
		for range 3 {
			k, _, err := f.members[0].Registry.Create(t.Context(), root(), "u1", apikey.Live, apikey.Change{})
			if err != nil {
				t.Fatal(err)
			}
			o.shared = append(o.shared, k)
		}
		f.weather.set(func(a ask) fate {
			switch chance := f.weather.draw(); {
			case a.operation == "TransactWriteItems" && chance < 0.8:
				return conflicts()[int(f.weather.draw()*float64(len(conflicts())))]
			case a.operation == "UpdateItem" && chance < 0.5: // a fence
				return fate{lost: chance < 0.4, err: errReset}
			}
			return fate{}
		})
		var wg sync.WaitGroup
		for n, m := range f.members {
			wg.Go(func() {
				for turn := range 12 {
					o.rename(m, o.shared[turn%len(o.shared)].ID, fmt.Sprint(n, " ", turn))
					o.create(m, user(n), turn%2 == 0)
				}
			})
		}
		wg.Wait()
		f.weather.set(fair)
		t.Logf("%d created, %d changes without an answer", len(o.revoked), o.unknown)
		if len(o.revoked) < 24 || o.unknown == 0 { // of 48
			t.Error("nothing was tested")
		}
		o.isWhole()
	})
}

func root() registry.Caller {
	return registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
}

func user(n int) string { return fmt.Sprint("u", n+2) }

// try makes a change in the time that a request of the API has, and reports whether it was answered.
func (o *office) try(change func(context.Context) error) bool {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(o.t.Context(), apikey.Patience)
	defer cancel()
	err := change(ctx)
	if took := time.Since(begun); took > patience {
		o.t.Errorf("an answer took %v", took)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.unknown++
	}
	return err == nil
}

func (o *office) rename(m *member, id, name string) {
	answered := o.try(func(ctx context.Context) error {
		_, err := m.Registry.Update(ctx, root(), id, func(*apikey.Key) (apikey.Change, error) {
			return apikey.Change{Name: &name}, nil
		})
		return err
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	if answered {
		o.answered[id] = append(o.answered[id], name)
	}
}

// create makes a key, and may revoke it.
func (o *office) create(m *member, userID string, revokes bool) {
	var k *apikey.Key
	if !o.try(func(ctx context.Context) (err error) {
		k, _, err = m.Registry.Create(ctx, root(), userID, apikey.Live, apikey.Change{})
		return err
	}) {
		return
	}
	revoked := revokes && o.try(func(ctx context.Context) error {
		_, err := m.Registry.Revoke(ctx, root(), k.ID, "")
		return err
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revoked[k.ID] = revoked
}

// isWhole compares the table with what the admins were told.
func (o *office) isWhole() {
	o.t.Helper()
	i := o.members[0]
	for _, k := range o.shared {
		names := o.trail(k.ID)
		for _, name := range o.answered[k.ID] {
			if n := len(slices.DeleteFunc(slices.Clone(names), func(is string) bool { return is != name })); n != 1 {
				o.t.Errorf("key %s got the name %q %d times", k.ID, name, n)
			}
		}
	}
	for id, revoked := range o.revoked {
		o.trail(id)
		if r, err := i.Table.Find(o.t.Context(), id); err != nil || revoked && r.Key.RevokedAt.IsZero() {
			o.t.Errorf("key %s, revoked %v: %+v, %v", id, revoked, r.Key, err)
		}
	}
	time.Sleep(time.Hour) // the places of revoked keys are free, and a recount trusts the index
	for n := range o.members {
		counted, err := i.Table.Places(o.t.Context(), user(n), time.Now())
		if err != nil {
			o.t.Fatal(err)
		}
		recounted, err := i.Table.Recount(o.t.Context(), user(n), time.Now())
		if free := counted.Taken - ended(counted); err != nil || free != recounted.Taken {
			o.t.Errorf("user %s has %+v keys, and %+v by a recount, %v", user(n), counted, recounted, err)
		}
	}
}

func ended(p registry.Places) (n int) {
	for _, e := range p.Ends {
		n += e.Count
	}
	return n
}

// trail returns the names that a key was given, by its trail, which must be authentic.
func (o *office) trail(id string) (names []string) {
	o.t.Helper()
	c, err := o.members[0].Registry.CheckTrail(o.t.Context(), id)
	if err != nil || c.Standing != audit.Authentic {
		o.t.Errorf("the trail of key %s: %v, %v", id, c.Standing, err)
		return nil
	}
	for _, sealed := range c.Entries {
		entry, err := sealed.Open()
		if err != nil {
			o.t.Fatal(err)
		}
		var name string
		if change, ok := entry.Changes["name"]; ok && json.Unmarshal(change.After, &name) == nil {
			names = append(names, name)
		}
	}
	return names
}
