package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}

// holder is one who has credits: a key or a user.
type holder struct {
	name string
	add  func(who registry.Caller, n int64) (int64, error)
	has  func() int64
}

func (b *bench) holders(t *testing.T, q ratelimit.Quota) []holder {
	t.Helper()
	k := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.Quota = q })
	b.setUser(t, "u1", apikey.UserChange{Quota: &q})
	return []holder{
		{"a key", func(who registry.Caller, n int64) (int64, error) {
			r, err := b.Registry.AddKeyCredits(t.Context(), who, k.ID, n)
			if err != nil {
				return 0, err
			}
			return r.Key.Quota.Requests, nil
		}, func() int64 {
			r, err := b.Registry.Find(t.Context(), root(), k.ID)
			if err != nil {
				t.Fatal(err)
			}
			return r.Key.Quota.Requests
		}},
		{"a user", func(who registry.Caller, n int64) (int64, error) {
			u, err := b.Registry.AddUserCredits(t.Context(), who, "u1", n)
			if err != nil {
				return 0, err
			}
			return u.Quota.Requests, nil
		}, func() int64 {
			u, err := b.Registry.User(t.Context(), root(), "u1")
			if err != nil {
				t.Fatal(err)
			}
			return u.Quota.Requests
		}},
	}
}

func TestCreditsAreAdded(t *testing.T) {
	b := newBench(t)
	for _, h := range b.holders(t, ratelimit.Quota{Requests: 500, Period: ratelimit.Lifetime}) {
		for _, c := range []struct {
			add, has int64
			bad      bool
		}{
			{500, 1000, false}, {-999, 1, false}, {-1, 1, true}, {0, 1, true}, {apikey.MaxQuota, 1, true},
			{apikey.MaxQuota - 1, apikey.MaxQuota, false}, {1, apikey.MaxQuota, true}, {apikey.MaxQuota + 1, apikey.MaxQuota, true},
			{-apikey.MaxQuota, apikey.MaxQuota, true}, {-1 << 63, apikey.MaxQuota, true}, {1<<63 - 1, apikey.MaxQuota, true},
			{10 - apikey.MaxQuota, 10, false},
		} {
			got, err := h.add(root(), c.add)
			field := ""
			if c.bad {
				field = "add"
			}
			invalid(t, fmt.Sprintf("%s: add %d", h.name, c.add), err, field)
			if has := h.has(); has != c.has || err == nil && got != has {
				t.Errorf("%s: add %d: has %d, told %d, want %d", h.name, c.add, has, got, c.has)
			}
		}
	}
	b.trail(t, apikey.UserSubject("u1"))
	// The bound that a key shares with those that it makes follows.
	quota := ratelimit.Quota{Requests: 5, Period: ratelimit.Lifetime}
	k := b.Issue(t, b.Token(t), func(k *apikey.Key) {
		k.Scopes, k.Quota, k.Shared = apikey.Scopes{apikey.ScopeWrite}, quota, apikey.Bounds{Quota: quota}
	})
	if r, err := b.Registry.AddKeyCredits(t.Context(), root(), k.ID, 7); err != nil || r.Key.Shared.Quota.Requests != 12 {
		t.Errorf("shared credits: %+v, %v", r.Key, err)
	}
	for _, q := range []ratelimit.Quota{{}, {Requests: 5, Period: ratelimit.Month}} {
		for _, h := range b.holders(t, q) {
			_, err := h.add(root(), 1)
			invalid(t, fmt.Sprintf("%s with %+v", h.name, q), err, "add")
		}
	}
	_, err := b.Registry.AddUserCredits(t.Context(), root(), "nobody", 1)
	invalid(t, "a user for whom nothing is set", err, "add")
	if _, err := b.Registry.AddKeyCredits(t.Context(), root(), "0000000000000000", 1); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("a missing key: %v", err)
	}
}

func TestCreditsOfARequestThatIsRepeatedAreAddedOnce(t *testing.T) {
	b := newBench(t)
	for _, h := range b.holders(t, ratelimit.Quota{Requests: 500, Period: ratelimit.Lifetime}) {
		who := asking(root(), name, "+500")
		who.Idempotency.Key = name + h.name[2:]
		for _, want := range []int64{1000, 1000, 1000} {
			if got, err := h.add(who, 500); err != nil || got != want {
				t.Errorf("%s: %d, %v, want %d", h.name, got, err, want)
			}
		}
		if _, err := h.add(root(), 1); err != nil {
			t.Fatal(err)
		}
		if got, err := h.add(who, 500); err != nil || got != 1000 || h.has() != 1001 {
			t.Errorf("%s: later: %d of %d, %v", h.name, got, h.has(), err)
		}
		other := who
		other.Idempotency.Body = []byte("+501")
		if _, err := h.add(other, 501); !errors.Is(err, apikey.ErrReused) {
			t.Errorf("%s: another body: %v", h.name, err)
		}
		b.Clock.Pass(24 * time.Hour)
		if got, err := h.add(who, 500); err != nil || got != 1501 {
			t.Errorf("%s: after the reply has ended: %d, %v", h.name, got, err)
		}
	}
}

func TestCreditsThatAreAddedAtOnceAreAllAdded(t *testing.T) {
	b := newBench(t)
	for _, h := range b.holders(t, ratelimit.Quota{Requests: 500, Period: ratelimit.Lifetime}) {
		for _, same := range []bool{false, true} {
			before, done := h.has(), int64(0)
			var mu sync.Mutex
			var wg sync.WaitGroup
			for n := range 5 {
				wg.Go(func() {
					who := asking(root(), fmt.Sprintf("0123456789-%s-%d", h.name[2:], n), "+1")
					if same {
						who = asking(root(), "0123456789-the-same-"+h.name[2:], "+1")
					}
					_, err := h.add(who, 1)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						done++
					} else if !errors.Is(err, apikey.ErrConflict) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if same {
				done = min(done, 1)
			}
			if has := h.has(); has != before+done || done == 0 {
				t.Errorf("%s: %d after %d, %d were added", h.name, has, before, done)
			}
		}
	}
}

// An admin whose rights are gone by then gets no answer again.
func TestTheAnswerToCreditsIsNotForAFormerAdmin(t *testing.T) {
	b := newBench(t)
	was := asking(b.caller(t, "root", admin), name, "x")
	holders := b.holders(t, ratelimit.Quota{Requests: 500, Period: ratelimit.Lifetime})
	for _, revoked := range []bool{false, true} {
		for _, h := range holders {
			was.Idempotency.Key = name + h.name[2:]
			if _, err := h.add(was, 1); revoked != errors.Is(err, apikey.ErrForbidden) || !revoked && err != nil {
				t.Errorf("%s, by a revoked key %t: %v", h.name, revoked, err)
			}
		}
		if _, err := b.Registry.Revoke(t.Context(), root(), was.KeyID, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// Requests and replies are lost, and each request is repeated until it is answered. Still, all
// credits are added once, and each addition has one entry.
func TestCreditsAreAddedOnceOnABadNetwork(t *testing.T) {
	options, faults := dynamotest.Faulty(t)
	b := newBenchBefore(t, dynamo.Open(options))
	for _, h := range b.holders(t, ratelimit.Quota{Requests: 500, Period: ratelimit.Lifetime}) {
		faults.Set(0.06, append(dynamotest.Before(), dynamotest.After()...)...)
		for n := range 12 {
			who := asking(root(), fmt.Sprintf("%s-%s-%02d", name, h.name[2:], n), "+1")
			answered := false
			for try := 0; try < 60 && !answered; try++ {
				_, err := h.add(who, 1)
				answered = err == nil
			}
			if !answered {
				t.Fatalf("%s: no answer", h.name)
			}
		}
		faults.Set(0)
		if has := h.has(); has != 512 {
			t.Errorf("%s: %d", h.name, has)
		}
	}
	added := 0
	for _, e := range b.trail(t, apikey.UserSubject("u1")) {
		if strings.Contains(e, registry.ActionAddCredits) {
			added++
		}
	}
	if added != 12 {
		t.Errorf("%d entries", added)
	}
}
