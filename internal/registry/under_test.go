package registry_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// selfService lets users without a key make keys with these scopes.
func (b *bench) selfService(scopes ...string) registry.Caller {
	b.Configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Scopes: scopes, Limit: apikey.DefaultLimit()}
	})
	return registry.Caller{
		UserID: "u1", Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}, Groups: []string{"red"},
	}
}

func (b *bench) create(t *testing.T, who registry.Caller, user string, scopes ...string) error {
	t.Helper()
	_, _, err := b.Registry.Create(t.Context(), who, user, apikey.Live, apikey.Change{Scopes: (*apikey.Scopes)(&scopes)})
	return err
}

func TestTheNumberOfKeysMayBeSetForAUser(t *testing.T) {
	b := newBench(t) // three keys by the configuration
	user := b.selfService("tts")
	const team = "team:red"
	b.setUser(t, "u1", apikey.UserChange{MaxKeys: ptr(1)})
	b.setUser(t, team, apikey.UserChange{MaxKeys: ptr(4)})
	for owner, most := range map[string]int{"u1": 1, team: 4} {
		for range most {
			if err := b.create(t, user, owner); err != nil {
				t.Errorf("%s: %v", owner, err)
			}
		}
		if err := b.create(t, user, owner); !errors.Is(err, apikey.ErrTooManyKeys) {
			t.Errorf("%s: one key more: %v", owner, err)
		}
	}
	b.setUser(t, "u1", apikey.UserChange{MaxKeys: ptr(0)})
	for n := range 3 {
		if err := b.create(t, user, "u1"); (err == nil) != (n < 2) {
			t.Errorf("by the configuration: key %d: %v", n+2, err)
		}
	}
	if err := b.create(t, root(), "u1"); err != nil {
		t.Errorf("an admin: %v", err)
	}
}

func TestTheScopesThatAUserGrantsMayBeSet(t *testing.T) {
	b := newBench(t)
	user := b.selfService("tts:*", "stt")
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	b.setUser(t, "u1", apikey.UserChange{Scopes: &apikey.Scopes{"tts:fast", "stt", "more"}})
	b.setUser(t, "team:red", apikey.UserChange{Scopes: &apikey.Scopes{"tts:*"}})
	for _, c := range []struct{ owner, scope, field string }{
		{"u1", "tts:fast", ""}, {"u1", "stt", ""}, {"u1", "tts:slow", "scopes"}, {"u1", "more", "scopes"},
		{"team:red", "tts:fast", ""}, {"team:red", "stt", "scopes"}, {"team:red", "tts:slow", "scopes"},
	} {
		refused(t, c.owner+" creates "+c.scope, b.create(t, user, c.owner, c.scope), c.field)
		// A change grants no more than a creation.
		k := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = c.owner })
		_, err := b.Registry.Update(t.Context(), user, k.ID, to(apikey.Change{Scopes: &apikey.Scopes{c.scope}}))
		refused(t, c.owner+" changes to "+c.scope, err, c.field)
	}
	// The scopes bound a user without a key. A key has its own.
	refused(t, "a key", b.create(t, b.caller(t, "u1", nil), "u1", "tts"), "")
}

func TestASuspendedUserManagesNoKeys(t *testing.T) {
	b := newBench(t)
	user := b.selfService("tts")
	key := b.caller(t, "u1", nil)
	mine := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = "u1" }).ID
	team := b.Issue(t, b.Token(t), func(k *apikey.Key) { k.UserID = "team:red" }).ID
	try := func(what string, allowed bool, teams bool) {
		t.Helper()
		for name, who := range map[string]registry.Caller{"the user": user, "the user's key": key} {
			for _, id := range []string{mine, team} {
				if id == team && (!teams || name != "the user") {
					continue
				}
				_, err := b.Registry.Update(t.Context(), who, id, to(apikey.Change{Name: ptr(what)}))
				if allowed && err != nil || !allowed && !errors.Is(err, apikey.ErrForbidden) {
					t.Errorf("%s: %s changes %s: %v", what, name, id, err)
				}
			}
			_, err := b.Registry.Rotate(t.Context(), who, mine, 0)
			if allowed && err != nil || !allowed && !errors.Is(err, apikey.ErrForbidden) {
				t.Errorf("%s: %s rotates: %v", what, name, err)
			}
		}
	}
	try("before", true, true)
	b.setUser(t, "u1", apikey.UserChange{Suspended: ptr(true)})
	try("suspended", false, true)
	if err := b.Registry.Delete(t.Context(), user, mine); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("delete: %v", err)
	}
	if err := b.create(t, user, "team:red"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("a key for a team: %v", err)
	}
	b.setUser(t, "u1", apikey.UserChange{Suspended: ptr(false)})
	try("resumed", true, true)
	b.setUser(t, "team:red", apikey.UserChange{Suspended: ptr(true)})
	if err := b.create(t, user, "team:red"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("a key for a suspended team: %v", err)
	}
	if _, err := b.Registry.Update(t.Context(), root(), mine, to(apikey.Change{Name: ptr("by root")})); err != nil {
		t.Errorf("an admin: %v", err)
	}
}

// A suspended user who is an admin manages nothing without a key either.
func TestASuspendedAdminManagesNothing(t *testing.T) {
	b := newBench(t)
	boss := registry.Caller{UserID: "boss", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	id := b.Issue(t, b.Token(t), nil).ID
	for _, suspended := range []bool{false, true} {
		if suspended {
			b.setUser(t, "boss", apikey.UserChange{Suspended: ptr(true)})
		}
		_, rename := b.Registry.Update(t.Context(), boss, id, to(apikey.Change{Name: ptr(strconv.FormatBool(suspended))}))
		_, set := b.Registry.SetUser(t.Context(), boss, "u2", apikey.UserChange{MaxKeys: ptr(b.Count())}, false)
		_, put := b.Registry.PutPlan(t.Context(), boss, apikey.Plan{Name: "pro", Life: apikey.Life{MaxDays: b.Count()}})
		_, _, revoke := b.Registry.RevokeUser(t.Context(), boss, "u3", "", "")
		for what, err := range map[string]error{
			"create": b.create(t, boss, "u1"), "update": rename, "set a user": set, "put a plan": put, "revoke": revoke,
		} {
			if suspended && !errors.Is(err, apikey.ErrForbidden) || !suspended && err != nil {
				t.Errorf("suspended %t: %s: %v", suspended, what, err)
			}
		}
	}
	if _, err := b.Registry.SetUser(t.Context(), boss, "boss", apikey.UserChange{Suspended: ptr(false)}, false); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("resumes itself: %v", err)
	}
}

// A stored answer has a token. Whoever may not make the request any more does not get it.
func TestAnAnswerIsRepeatedForWhoMayStillAsk(t *testing.T) {
	b := newBench(t)
	b.Configure(func(o *registry.Options) { o.MaxKeys = 0 })
	user := b.selfService("tts")
	user.Groups = []string{"red"}
	create := func(who registry.Caller, owner string) error {
		return b.create(t, asking(who, name+"-of-"+owner, owner), owner)
	}
	for _, owner := range []string{"u1", "team:red"} {
		if err := create(user, owner); err != nil {
			t.Fatal(err)
		}
		if err := create(user, owner); err != nil {
			t.Errorf("%s: repeated: %v", owner, err)
		}
	}
	left := user
	left.Groups = nil
	if err := create(left, "team:red"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("by one who has left the team: %v", err)
	}
	b.setUser(t, "team:red", apikey.UserChange{Suspended: ptr(true)})
	if err := create(user, "team:red"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("of a suspended team: %v", err)
	}
	b.setUser(t, "u1", apikey.UserChange{Suspended: ptr(true)})
	if err := create(user, "u1"); !errors.Is(err, apikey.ErrForbidden) {
		t.Errorf("by a suspended user: %v", err)
	}
}

// What is set for a user while the user's change is under way bounds that change, or comes after it.
func TestWhatIsSetMeanwhileIsReadAgain(t *testing.T) {
	for _, before := range []bool{true, false} { // whether something was set before
		for name, do := range map[string]func(t *testing.T, r *registry.Registry, who registry.Caller, id string) error{
			"create": func(t *testing.T, r *registry.Registry, who registry.Caller, _ string) error {
				_, _, err := r.Create(t.Context(), who, "u1", apikey.Live, apikey.Change{Scopes: &apikey.Scopes{"tts"}})
				return err
			},
			"update": func(t *testing.T, r *registry.Registry, who registry.Caller, id string) error {
				_, err := r.Update(t.Context(), who, id, to(apikey.Change{Scopes: &apikey.Scopes{"tts"}}))
				return err
			},
			"rotate": func(t *testing.T, r *registry.Registry, who registry.Caller, id string) error {
				_, err := r.Rotate(t.Context(), who, id, 0)
				return err
			},
			"delete": func(t *testing.T, r *registry.Registry, who registry.Caller, id string) error {
				return r.Delete(t.Context(), who, id)
			},
		} {
			b := newBench(t)
			user := b.selfService("tts")
			if before {
				b.setUser(t, "u1", apikey.UserChange{MaxKeys: ptr(9)})
			}
			id := b.Issue(t, b.Token(t), nil).ID
			store := &once{Store: b.Options.Store, do: func() { b.setUser(t, "u1", apikey.UserChange{Suspended: ptr(true)}) }}
			if err := do(t, b.On(store), user, id); !errors.Is(err, apikey.ErrForbidden) {
				t.Errorf("%s, set before %t: %v", name, before, err)
			}
		}
	}
}

// once is a store in which something happens before the first write.
type once struct {
	registry.Store
	once sync.Once
	do   func()
}

func (s *once) Write(ctx context.Context, changes ...registry.Write) error {
	s.once.Do(s.do)
	return s.Store.Write(ctx, changes...)
}
