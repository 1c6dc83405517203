package registry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
)

// beforeTheWrite returns a store in which do runs before RevokeUser writes: it reads the caller's key, lists
// the user's keys, and writes.
func beforeTheWrite(s registry.Store, do func()) registry.Store {
	return &interrupted{Store: s, at: 3, do: do}
}

// beforeTheRead is a store in which do runs before many keys are read.
type beforeTheRead struct {
	registry.Store
	do func()
}

func (s beforeTheRead) Records(ctx context.Context, ids []string) (map[string]apikey.Record, error) {
	s.do()
	return s.Store.Records(ctx, ids)
}

// The keys of a user are revoked in one transaction after one for their fences. If others change keys
// meanwhile, all of them are revoked all the same, and counted once.
func TestRevokingAllOfAUserMeetsOthers(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	table := dynamo.Open(options)
	b := newBenchBefore(t, table)
	root := b.caller(t, "root", admin)
	live := func(n int) (ids []string) {
		for range n {
			ids = append(ids, b.caller(t, "u1", nil).KeyID)
			b.Clock.Pass(time.Second)
		}
		return ids
	}
	live(20)
	before := table.Writes()
	if n, _, err := b.Registry.RevokeUser(t.Context(), root, "u1", "", ""); n != 20 || err != nil || table.Writes() != before+2 {
		t.Errorf("%d revoked in %d writes, %v", n, table.Writes()-before, err)
	}

	ids := live(4)
	meddling := beforeTheWrite(b.Options.Store, func() {
		for _, err := range []error{
			b.patch(t, root, ids[0], apikey.Change{Name: ptr("renamed")}),
			b.patch(t, root, ids[1], apikey.Change{UserID: ptr("u2")}),
			b.Registry.Delete(t.Context(), root, ids[2]),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	if n, _, err := b.On(meddling).RevokeUser(t.Context(), root, "u1", "why", ""); n != 2 || err != nil {
		t.Errorf("%d revoked of two that are still the user's, %v", n, err)
	}
	for n, want := range map[int]string{0: "why", 1: "", 3: "why"} {
		r, err := b.Registry.Find(t.Context(), root, ids[n])
		if err != nil || r.Key.Revocation.Reason != want || r.Key.RevokedAt.IsZero() != (want == "") {
			t.Errorf("key %d: %+v, %v", n, r.Key, err)
		}
	}

	ids = live(2)
	lagging := beforeTheRead{b.Options.Store, func() {
		if err := b.patch(t, root, ids[0], apikey.Change{UserID: ptr("u3")}); err != nil {
			t.Error(err)
		}
	}}
	if n, _, err := b.On(lagging).RevokeUser(t.Context(), root, "u1", "", ""); n != 1 || err != nil {
		t.Errorf("%d revoked, and one is listed but has another user: %v", n, err)
	}

	ids = live(2)
	ended := beforeTheWrite(b.Options.Store, func() {
		if _, err := b.Registry.Revoke(t.Context(), root, root.KeyID, ""); err != nil {
			t.Error(err)
		}
	})
	if n, _, err := b.On(ended).RevokeUser(t.Context(), root, "u1", "", ""); n != 0 || !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("with a key that has ended: %d revoked, %v", n, err)
	}
	for _, id := range ids {
		if r, err := b.Options.Store.Find(t.Context(), id); err != nil || !r.Key.RevokedAt.IsZero() {
			t.Errorf("%+v, %v", r.Key, err)
		}
	}
}
