package gate_test

import (
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// Policy: a key that was deleted and imported again can be used, although its revisions are below
// those of its meter. An instance that remembers the new key's former terms still does not bring
// them back.
func TestAKeyThatWasImportedAgainKeepsItsNewestWindow(t *testing.T) {
	b := newBench(t)
	admin := registry.Caller{UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}}
	per := func(window time.Duration) apikey.Change {
		return apikey.Change{Limit: &ratelimit.Limit{Requests: 10, Window: window}}
	}
	token := b.Foreign()
	in := registry.Import{Token: token, UserID: "u1", Environment: apikey.Live, Change: per(time.Minute)}
	one, two := b.Gate(time.Second), b.Gate(time.Second)
	id, windows := "", []time.Duration{}
	check := func(g *gate.Gate) {
		t.Helper()
		id = b.Check(t, g, token.Reveal()).Key.ID
		m, err := b.Table.Meter(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		windows = append(windows, m.Window)
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	patch := func(c apikey.Change) {
		t.Helper()
		must(b.Registry.Update(t.Context(), admin, id, func(*apikey.Key) (apikey.Change, error) { return c, nil }))
	}
	must(b.Registry.Import(t.Context(), in))
	check(one)
	for _, seconds := range []time.Duration{20, 30, 40} {
		patch(per(seconds * time.Second))
		b.Clock.Pass(time.Second)
		check(one)
	}
	must(nil, b.Registry.Delete(t.Context(), admin, id))
	in.Change = per(50 * time.Second)
	must(b.Registry.Import(t.Context(), in))
	b.Clock.Pass(time.Second)
	check(one)
	patch(per(time.Hour))
	check(two) // it has not seen the key
	check(one) // it remembers the window of 50 s
	want := []time.Duration{60, 20, 30, 40, 50, 3600, 3600}
	for i, w := range want {
		if i >= len(windows) || windows[i] != w*time.Second {
			t.Fatalf("the windows of the meter are %v, want %v seconds", windows, want)
		}
	}
	if m, err := b.Table.Meter(t.Context(), id); err != nil || m.Used != int64(len(want)) {
		t.Errorf("%d requests are counted of %d, %v", m.Used, len(want), err)
	}
}
