package dynamo_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// policies changes the plan pro and the record of u1, with every attribute set.
func (w *world) policies(name string) {
	w.t.Helper()
	if err := w.tryPolicies(name); err != nil {
		w.t.Fatal(err)
	}
	w.pass()
}

// tryPolicies puts plans and records of users with name in each.
func (w *world) tryPolicies(name string) error {
	bounds := apikey.Bounds{
		Limits: []ratelimit.Limit{{Requests: 10, Window: 2 * time.Second}, {Requests: 100, Window: time.Minute}},
		Quota:  ratelimit.Quota{Requests: 1000, Period: ratelimit.Month},
	}
	for _, plan := range []string{"pro", "basic"} {
		_, err := w.r.PutPlan(w.t.Context(), w.root(), apikey.Plan{
			Name: plan, Scopes: apikey.Scopes{"tts", "scope-of-" + name}, Key: bounds, User: bounds,
			Life: apikey.Life{MaxDays: 100, DefaultDays: 50, IdleDays: 20},
		})
		if err != nil {
			return err
		}
	}
	for _, user := range []string{"u1", "u2"} {
		_, err := w.r.SetUser(w.t.Context(), w.root(), user, apikey.UserChange{
			Plan: ptr("pro"), Suspended: ptr(true), Limits: &bounds.Limits, Quota: &bounds.Quota, MaxKeys: ptr(7),
			Scopes: &apikey.Scopes{"tts"}, Metadata: &map[string]string{"name": name},
		}, false)
		if err != nil {
			return err
		}
	}
	return nil
}

// policyDeeds are the deeds that are done to the records of users and to plans.
func policyDeeds(t *testing.T) map[string][]deed {
	deeds := make(map[string][]deed)
	add := func(published, name string, derived bool, do func(w *world, victim policy)) {
		for _, v := range []policy{
			{"user", "u1", "user#u1", "user#u2", "user#u9"}, {"plan", "pro", "plan#pro", "plan#basic", "plan#another"},
		} {
			deeds[published] = append(deeds[published], deed{v.kind + " " + name, func(w *world) { do(w, v) }, derived})
		}
	}
	deeds["edit any attribute of a user or a plan"] = append(
		edits(t, "storedUser", "user"), edits(t, "storedPlan", "plan")...)

	const remove = "remove a user or a plan"
	add(remove, "alone", false, func(w *world, v policy) { w.remove(v.of(v.kind)) })
	add(remove, "with its entries", false, func(w *world, v policy) { w.remove(v.of(v.kind, "entry")) })
	add(remove, "with its witness", false, func(w *world, v policy) { w.remove(v.of(v.kind, "witness")) })
	add(remove+", its entries and its witness", "all of it", false, func(w *world, v policy) {
		w.remove(v.of(v.kind, "entry", "witness"))
	})

	const copied = "copy a user or a plan to another"
	for name, to := range map[string]func(policy) string{
		"to another": func(v policy) string { return v.other }, "to none": func(v policy) string { return v.free },
	} {
		add(copied, name, true, func(w *world, v policy) {
			i := with(w.the(v.of(v.kind)), "pk", letters(to(v)))
			if v.kind == "plan" {
				_, plan, _ := strings.Cut(to(v), "#")
				i = with(i, "createdKey", letters(plan))
			}
			put(w.t, w.o, i)
		})
		add(copied, name+" with all that belongs to it", true, func(w *world, v policy) {
			for p, i := range w.items() {
				if v.of(v.kind, "entry", "witness")(p) {
					put(w.t, w.o, with(i, "pk", letters(strings.Replace(p.pk, v.partition, to(v), 1))))
				}
			}
		})
	}

	const back = "put a user or a plan back, alone or with its entries"
	add(back, "alone", false, func(w *world, v policy) { w.back(w.early, v.of(v.kind)) })
	add(back, "with its entries", false, func(w *world, v policy) { w.back(w.early, v.of(v.kind, "entry")) })
	add(back, "with its witness", false, func(w *world, v policy) { w.back(w.early, v.of(v.kind, "witness")) })
	add(back, "its partition", false, func(w *world, v policy) {
		w.back(w.early, func(p place) bool { return p.pk == v.partition })
	})
	add(back, "its entries and its witness alone", false, func(w *world, v policy) { w.back(w.early, v.of("entry", "witness")) })
	add("put a user or a plan, its entries and its witness back", "all of it", false, func(w *world, v policy) {
		w.back(w.early, v.of(v.kind, "entry", "witness"))
	})

	add("take the trail and the witness off a user or a plan", "all of it", false, func(w *world, v policy) {
		i := w.the(v.of(v.kind))
		delete(i, "trail")
		put(w.t, w.o, i)
		w.remove(v.of("entry", "witness"))
	})
	add("add a user or a plan without a trail", "a copy", false, func(w *world, v policy) {
		i := with(w.the(v.of(v.kind)), "pk", letters(v.free))
		delete(i, "trail")
		put(w.t, w.o, i)
	})
	return deeds
}

// policy is a user's record or a plan, and two other places.
type policy struct{ kind, id, partition, other, free string }

// of picks the items of some kinds that belong to the policy.
func (v policy) of(kinds ...string) func(place) bool {
	return func(p place) bool {
		return (p.pk == v.partition || p.pk == "heads#"+v.partition) && slices.Contains(kinds, kindOf(p.sk))
	}
}
