package gate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

func (b *bench) configure(t *testing.T, entries, internal string) {
	t.Helper()
	s, err := apikey.Static{}.With(entries, ratelimit.Limit{Requests: 3, Window: time.Minute})
	if err == nil {
		s, err = s.WithInternal(internal)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Static = s
}

func TestStaticKeysAreKnownWithoutTheTable(t *testing.T) {
	b := newBench(t)
	b.configure(
		t,
		" the-static-key-k1:alice, the-static-key-k2:bob,the-static-key-k3 ,the-static-key-k4,",
		"the-internal-key",
	)
	g, other := b.Gate(time.Second), b.Gate(time.Second)
	for i, c := range []struct {
		gate  *gate.Gate
		value string
		want  apikey.Code
		id    string
	}{
		{g, "the-static-key-k1", apikey.CodeValid, "static-alice"}, {g, "the-static-key-k1", apikey.CodeValid, "static-alice"}, {other, "the-static-key-k1", apikey.CodeValid, "static-alice"},
		{other, "the-static-key-k1", apikey.CodeRateLimited, "static-alice"}, {g, "the-static-key-k1", apikey.CodeRateLimited, "static-alice"},
		{g, "the-static-key-k2", apikey.CodeValid, "static-bob"}, {g, "the-static-key-k3", apikey.CodeValid, "static-default"}, {g, "the-static-key-k4", apikey.CodeValid, "static-default#2"},
		{g, "THE-STATIC-KEY-K1", apikey.CodeUnknown, ""}, {g, "the-static-key-k1x", apikey.CodeUnknown, ""}, {g, "k5-but-long-enough", apikey.CodeUnknown, ""},
	} {
		v := b.Check(t, c.gate, c.value)
		id := ""
		if v.Key != nil {
			id = v.Key.ID
		}
		if v.Code != c.want || id != c.id {
			t.Errorf("step %d: %s of %q, want %s of %q", i, v.Code, id, c.want, c.id)
		}
	}
	for range 100 {
		if v := b.Check(t, g, "the-internal-key"); !v.Valid() || !v.Key.Internal {
			t.Fatalf("internal: %s", v.Code)
		}
	}
	for scope, want := range map[string]apikey.Code{"tts": apikey.CodeValid, "keys:read": apikey.CodeInsufficientScope} {
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential("the-internal-key"), Scope: scope})
		if err != nil || v.Code != want {
			t.Errorf("scope %s: %s, %v", scope, v.Code, err)
		}
	}
	// A check that costs nothing sees the requests of other instances.
	if v, err := b.Gate(time.Second).Check(t.Context(), gate.Request{Credential: b.Format.Credential("the-static-key-k1")}); err != nil ||
		v.Status.Remaining != 0 {
		t.Errorf("a look: %d left, %v", v.Status.Remaining, err)
	}
}

// While the table does not answer, each instance limits static keys by itself. When the table answers
// again, it counts again.
func TestStaticKeysSurviveAnOutage(t *testing.T) {
	b := newBench(t)
	b.configure(t, "the-static-key-k1:alice", "the-internal-key")
	token := b.Token(t)
	b.Issue(t, token, nil)
	down := &apikeytest.Outage{Store: b.Meters, Err: errors.New("no route to host")}
	b.Meters, b.Table.Err = down, down.Err
	b.Table.FailMeter = down.Err
	g := b.Gate(time.Second)
	for i, want := range []apikey.Code{apikey.CodeValid, apikey.CodeValid, apikey.CodeValid, apikey.CodeRateLimited} {
		if v := b.Check(t, g, "the-static-key-k1"); v.Code != want {
			t.Errorf("step %d: %s, want %s", i, v.Code, want)
		}
	}
	if down.Tries != 1 {
		t.Errorf("the table was tried %d times, want 1 in five seconds", down.Tries)
	}
	if v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential("the-static-key-k1")}); err != nil ||
		v.Status.Remaining != 0 {
		t.Errorf("a look: %+v, %v", v.Status, err)
	}
	if v := b.Check(t, g, "the-internal-key"); !v.Valid() {
		t.Errorf("internal: %s", v.Code)
	}
	if v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token.Reveal()), Cost: 1}); err == nil {
		t.Errorf("another key: %s", v.Code)
	}
	down.Err, b.Table.Err, b.Table.FailMeter = nil, nil, nil
	b.Clock.Pass(6 * time.Second)
	if v := b.Check(t, g, "the-static-key-k1"); !v.Valid() || v.Status.Remaining != 2 {
		t.Errorf("when it is back: %s, %d left", v.Code, v.Status.Remaining)
	}
}

// Text around a key in a configuration file, or in its place, is refused. The error has the number of
// the entry, and not its text.
func TestAWrongStaticKeyIsRefusedByItsNumber(t *testing.T) {
	const first, key = "canary-of-a-static-key-1:a", "canary-7Hq2mZ4xV9"
	for _, c := range []struct{ entry, says string }{
		{":canary", "16 to 128 characters"},
		{"canary-of-15-ch", "16 to 128 characters"},
		{"canary-of-15-ch:bob", "16 to 128 characters"},
		{"bob:" + key, "16 to 128 characters"},
		{strings.Repeat("canary7", 30), "16 to 128 characters"},
		{"can ary-of-a-static-key:bob", "visible ASCII"},
		{"canäry-of-a-static-key:bob", "visible ASCII"},
		{"canary-of-a-static\u00a0key:bob", "visible ASCII"},
		{"\ufeff" + key + ":bob", "visible ASCII"},
		{`"` + key + `:bob"`, "visible ASCII"}, {`'` + key + `:bob'`, "visible ASCII"}, {"`" + key + "`:bob", "visible ASCII"},
		{`["` + key + `:bob"]`, "visible ASCII"}, {`[{"key":"` + key + `"}]`, "16 to 128 characters"}, {`{"canary-of-a-json":"` + key + `"}`, "visible ASCII"},
		{key + ";" + key + "2", "visible ASCII"}, {key + ":bob;" + key + "2:carol", "name must be letters"}, {key + "|bob", "visible ASCII"},
		{key + ":bob|carol", "name must be letters"}, {key + "\n" + key + "2", "visible ASCII"}, {key + ":bob\n" + key + "2:carol", "name must be"},
		{key + `:bob\n` + key + `2:carol`, "name must be letters"}, {key + ":bob " + key + "2:carol", "name must be letters"}, {key + " " + key + "2", "visible ASCII"},
		{key + ":bob 9f86d081884c7d659a2feaa0c55ad015", "looks like a key"}, {key + ":bob sk-canary-of-another-key", "looks like a key"},
		{key + ":bob:100", "name must be letters"}, {key + ":bob # the third", "name must be letters"}, {key + `:"bob"`, "name must be letters"},
		{key + ":${BOB}", "name must be letters"}, {key + ":bob=carol", "name must be letters"}, {key + ":", "name must be"}, {key + ":bob\x00", "name must be"},
		{key + ":" + strings.Repeat("n", 200), "name must be"},
		{"API_KEYS=" + key + ":bob", "before its end"}, {"key=" + key, "before its end"},
		{"${CANARY_STATIC_KEY}:bob", "visible ASCII"}, {"$CANARY_STATIC_KEY:bob", "visible ASCII"}, {`canary-of-a-static\:bob`, "visible ASCII"},
		{"<canary-static-key>:bob", "visible ASCII"}, {"{{canary-static-key}}:bob", "visible ASCII"}, {"$(canary-static-key):bob", "visible ASCII"},
		{"CANARY_STATIC_KEY:bob", "the name of a variable"}, {"changeme-canary-1:bob", "a placeholder"}, {"canary1canary1canary1:bob", "a repeated pattern"},
		{"canary-1canary-1:bob", "a repeated pattern"}, {"deadbeefdeadbeef", "a repeated pattern"}, {"secretsecretsecr", "a repeated pattern"},
		{"0123456789abcdef", "a repeated pattern"},
		{"internal-api-key", "such as secret and key"}, {"my-internal-api-key", "such as secret and key"}, {"latchkey-internal", "such as secret and key"},
		{"supersecretpassword", "such as secret and key"}, {"password12345678", "such as secret and key"}, {"development-only-key", "such as secret and key"},
		{"TestApiKey-000001", "such as secret and key"}, {"Super_Secret_Key_1!", "such as secret and key"}, {"local.dev.api.key", "such as secret and key"},
		{"sk-canary*********1:bob", "masked"}, {"/run/secrets/canary:bob", "a reference"},
		{"eyJcanary.canary.canary:b", "JSON Web Token"}, {"pk_live_canary0123456789:bob", "public keys"},
		{"pk_0123456789canary:sk_0123456789canary", "public keys"},
		{"customer-eight-canary:sk_live_0123456789canary0123456789", "looks like a key"}, {"customer-eight-canary:9f86d081884c7d659a2feaa0c55ad015", "looks like a key"},
		{"customer-eight-canary:550e8400-e29b-41d4-a716-446655440000", "looks like a key"},
		{"canary-of-a-static-key-1:b", "there already"},
	} {
		_, err := apikey.Static{}.With(first+","+c.entry, apikey.DefaultLimit())
		if err == nil || !strings.HasPrefix(err.Error(), "entry 2: ") || !strings.Contains(err.Error(), c.says) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want an error of entry 2 with %q", c.entry, err, c.says)
		}
		if err != nil && (strings.Contains(strings.ToLower(err.Error()), "canary") || strings.Contains(err.Error(), "bob")) {
			t.Errorf("the error tells: %v", err)
		}
	}
	s, err := apikey.Static{}.With(first, apikey.DefaultLimit())
	if err != nil {
		t.Fatal(err)
	}
	for _, internal := range []string{
		"canary-of-a-static-key-1", "can ary-of-a-static-key", strings.Repeat("canary7", 30), "changeme", "${CANARY_API_KEY}", "canary", key + ":internal", key + ",",
		`"` + key + `"`, key + "\n", " " + key, "$CANARY_API_KEY", "CANARY_API_KEY_OF_OURS", "eyJcanary.canary.canary", "changeme-canary-changeme", "INTERNAL_API_KEY=" + key,
	} {
		if _, err := s.WithInternal(internal); err == nil || strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("%q: %v", internal, err)
		}
	}
}

func TestStaticKeysOfEveryUsualFormAreAccepted(t *testing.T) {
	for _, entries := range []string{
		"sk_live_0123456789abcdef0123456789abcdef:alice", "550e8400-e29b-41d4-a716-446655440000:alice", "550e8400-e29b-41d4-a716-446655440000:550e8400-e29b-41d4-a716-446655440001",
		"sk-proj-4eC39HqLyjWDarjtT1zdp7dc:Customer Eight GmbH", "fI9kLm2+/4eC39HqLyjWDQ==:alice@example.com", "a-passphrase.of_some~words!#%^&*?@2:team/tts",
		"sk_live_0123456789ABCDEFabcdefghijklmnopqrstuvwxyz0123456789:José", " the-static-key-k1 : alice ,\n\tthe-static-key-k2:bob,,", "the-static-key-k1:李雷",
		"key_1839201938475629:alice", "test-api-token-839201938:alice", "internal-key-of-mine:alice", "deadbeefdeadbeee:alice", "prod-4eC39HqLyjWD:alice",
	} {
		if s, err := (apikey.Static{}).With(entries, apikey.DefaultLimit()); err != nil || len(s.Keys()) == 0 {
			t.Errorf("%q: %v", entries, err)
		}
	}
}

// Static keys with one name, in one place or in two, have a meter each.
func TestNoTwoStaticKeysShareAMeter(t *testing.T) {
	s, err := apikey.Static{}.With("the-static-key-k1:a,the-static-key-k2:a2,the-static-key-k3:a", apikey.DefaultLimit())
	if err == nil {
		s, err = s.WithInternal("the-static-key-k4")
	}
	var secret apikey.Static
	if err == nil {
		secret, err = secret.With(
			"the-static-key-k3:moved,the-static-key-k5:a,the-static-key-k6:internal",
			apikey.DefaultLimit(),
		)
	}
	if err == nil {
		secret, err = secret.WithInternal("the-static-key-k4")
	}
	s = s.Merge(secret)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range s.Keys() {
		ids = append(ids, k.ID)
	}
	if diff := cmp.Diff([]string{"static-a", "static-a2", "static-a#2", "static-internal", "static-a#3", "static-internal#2"}, ids); diff != "" {
		t.Error(diff)
	}
	if _, err := (apikey.Static{}).With("the-static-key-k7:a,the-static-key-k7:b", apikey.DefaultLimit()); err == nil {
		t.Error("a key that is there twice in one place is accepted")
	}
}

// A caller who hangs up proves nothing about the table, so the limit of all instances stays.
func TestACallerWhoHangsUpIsNoOutage(t *testing.T) {
	b := newBench(t)
	b.configure(t, "the-static-key-k1:alice", "")
	g := b.Gate(time.Second)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if v, err := g.Check(gone, gate.Request{Credential: b.Format.Credential("the-static-key-k1"), Cost: 1}); err == nil {
		t.Errorf("who hung up: %s", v.Code)
	}
	for i, c := range []struct {
		gate *gate.Gate
		want apikey.Code
	}{
		{b.Gate(time.Second), apikey.CodeValid}, {g, apikey.CodeValid}, {b.Gate(time.Second), apikey.CodeValid}, {g, apikey.CodeRateLimited},
	} {
		if v := b.Check(t, c.gate, "the-static-key-k1"); v.Code != c.want {
			t.Errorf("step %d: %s, want %s", i, v.Code, c.want)
		}
	}
}

// Both parts of a pair must belong to one key, and a static key has no public one.
func TestAStaticKeyIsNoHalfOfAPair(t *testing.T) {
	b := newBench(t)
	b.configure(t, "a-static-key-of-alice:alice", "the-internal-key")
	g := b.Gate(time.Second)
	for _, token := range []string{"a-static-key-of-alice", "the-internal-key"} {
		for _, public := range []string{"pk_0123456789abcdef0123456789abcdef", "pk_live_0123456789abcdef"} {
			if v := b.Check(t, g, public+":"+token); v.Valid() {
				t.Errorf("%s beside %s: %s", token, public, v.Code)
			}
		}
	}
}

// rereading is an upstream whose limit was changed. Its memory has the old limit.
type rereading struct{ remembered, now *apikey.Key }

func (r rereading) Ask(_ context.Context, _ apikey.Token, _ string, fresh bool) (apikey.Verdict, error) {
	if fresh {
		return apikey.Verdict{Code: apikey.CodeValid, Key: r.now}, nil
	}
	return apikey.Verdict{Code: apikey.CodeValid, Key: r.remembered}, nil
}

// If another instance knows a newer window, an upstream is asked again for a fresh answer.
func TestAnUpstreamIsAskedAgainWhenItsTermsHaveChanged(t *testing.T) {
	b := newBench(t)
	key := func(rev int64, window time.Duration) *apikey.Key {
		return &apikey.Key{
			ID:      "upstream-u",
			UserID:  "u",
			Enabled: true,
			Rev:     rev,
			Limit:   ratelimit.Limit{Requests: 3, Window: window},
		}
	}
	before, after := key(1, time.Minute), key(2, time.Hour)
	for i, c := range []struct {
		upstream gate.Upstream
		want     apikey.Code
	}{
		{elsewhere{before}, apikey.CodeValid}, {elsewhere{after}, apikey.CodeValid}, {rereading{before, after}, apikey.CodeValid},
	} {
		b.Upstream = c.upstream
		v := b.Check(t, b.Gate(time.Second), "a-token-of-elsewhere")
		if v.Code != c.want || i > 0 && v.Key.Limit.Window != time.Hour {
			t.Errorf("step %d: %s, a window of %v; want %s", i, v.Code, v.Key.Limit.Window, c.want)
		}
	}
}

type elsewhere struct{ key *apikey.Key }

func (e elsewhere) Ask(context.Context, apikey.Token, string, bool) (apikey.Verdict, error) {
	return apikey.Verdict{Code: apikey.CodeValid, Key: e.key}, nil
}

// A refusal for another reason than the limit also has the window status of the key.
func TestARefusalHasTheWindowStatusOfAnUpstreamsKey(t *testing.T) {
	b := newBench(t)
	b.configure(t, "the-static-key-k1:alice", "")
	b.Upstream = elsewhere{
		&apikey.Key{ID: "upstream-u", UserID: "u", Enabled: true, Limit: ratelimit.Limit{Requests: 3, Window: time.Minute}},
	}
	g := b.Gate(time.Second)
	for _, token := range []string{"the-static-key-k1", "a-token-of-elsewhere"} {
		v, err := g.Check(t.Context(), gate.Request{Credential: b.Format.Credential(token), Scope: "keys:read"})
		if err != nil || v.Code != apikey.CodeInsufficientScope || v.Status.Remaining != 3 || v.Status.Reset.IsZero() {
			t.Errorf("%s: %s, %+v, %v", token, v.Code, v.Status, err)
		}
	}
}
