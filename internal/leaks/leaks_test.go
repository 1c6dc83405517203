package leaks_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"latchkey/internal/leaks"
	"latchkey/internal/leaks/leakstest"
)

const report = `[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]`

// clock is the time of a verifier.
type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

// The key, the report and the signature are those that GitHub has published for its programme.
func TestTheExampleOfTheProgramme(t *testing.T) {
	const id, key, signature = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
		"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n" +
			"AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n",
		"MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg=="
	scanner, _ := leakstest.New(t, "another")
	scanner.Keys = append(scanner.Keys, leakstest.Key{ID: id, PEM: key})
	v := leaks.New(leaks.Options{URL: scanner.URL, Now: newClock().time})
	if ok, err := v.Signed(t.Context(), id, signature, []byte(report)); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestWhichReportsAreSigned(t *testing.T) {
	scanner, key := leakstest.New(t, "first")
	second := scanner.Add(t, "second")
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scanner.Publish(t, "p384", wide.Public())
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scanner.Publish(t, "ed25519", edwards)
	scanner.Keys = append(scanner.Keys, leakstest.Key{ID: "no PEM", PEM: "x"}, leakstest.Key{ID: "", PEM: scanner.Keys[0].PEM})
	v := leaks.New(leaks.Options{URL: scanner.URL, Now: newClock().time})
	good := leakstest.Sign(t, key, report)
	raw, err := base64.StdEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, id, signature, body string
		want                      bool
	}{
		{"a report", "first", good, report, true},
		{"the same again", "first", good, report, true},
		{"of the other key", "second", leakstest.Sign(t, second, report), report, true},
		{"of an empty body", "first", leakstest.Sign(t, key, ""), "", true},
		{"other bytes", "first", good, report + " ", false},
		{"other bytes of the same value", "first", good, strings.ReplaceAll(report, `,"type"`, `, "type"`), false},
		{"an empty body with the signature of a report", "first", good, "", false},
		{"the signature of another key", "second", good, report, false},
		{"an unknown key", "third", good, report, false},
		{"no key", "", good, report, false},
		{"no signature", "first", "", report, false},
		{"a signature in hexadecimal", "first", "3045", report, false},
		{"a signature for URLs", "first", base64.URLEncoding.EncodeToString(append(raw[:len(raw):len(raw)], 0xff, 0xff, 0xff)), report, false},
		{"half a signature", "first", base64.StdEncoding.EncodeToString(raw[:len(raw)/2]), report, false},
		{"bytes after the signature", "first", base64.StdEncoding.EncodeToString(append(raw[:len(raw):len(raw)], 0)), report, false},
		{"a signature of zeros", "first", base64.StdEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 0, 2, 1, 0}), report, false},
		{"another curve", "p384", leakstest.Sign(t, wide, report), report, false},
		{"no ECDSA", "ed25519", good, report, false},
		{"no PEM", "no PEM", good, report, false},
	} {
		if got, err := v.Signed(t.Context(), c.id, c.signature, []byte(c.body)); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	if scanner.Fetched > 2 {
		t.Errorf("the keys were fetched %d times", scanner.Fetched)
	}
}

// Unknown keys cause a fetch at most every five minutes, a new key is then known, and a withdrawn one is
// not trusted for longer than an hour.
func TestKeysChange(t *testing.T) {
	scanner, key := leakstest.New(t, "first")
	c := newClock()
	v := leaks.New(leaks.Options{URL: scanner.URL, Now: c.time})
	is := func(what, id string, by *ecdsa.PrivateKey, want bool, fetched int) {
		t.Helper()
		got, err := v.Signed(t.Context(), id, leakstest.Sign(t, by, report), []byte(report))
		if got != want || err != nil || scanner.Fetched != fetched {
			t.Errorf("%s: %v, %v, fetched %d times", what, got, err, scanner.Fetched)
		}
	}
	is("the first", "first", key, true, 1)
	for range 50 {
		is("an unknown one", "unknown", key, false, 2)
	}
	second := scanner.Add(t, "second")
	is("a new one, at once", "second", second, false, 2)
	c.now = c.now.Add(5 * time.Minute)
	is("a new one, later", "second", second, true, 3)
	scanner.Keys = scanner.Keys[1:]
	c.now = c.now.Add(time.Hour - time.Millisecond)
	is("a withdrawn one", "first", key, true, 3)
	c.now = c.now.Add(time.Millisecond)
	is("a withdrawn one, after an hour", "first", key, false, 4)
	c.now = c.now.Add(-24 * time.Hour)
	is("after the clock was set back", "second", second, true, 5)
}

// Where the keys cannot be fetched, nothing is known about a report.
func TestKeysThatCannotBeFetched(t *testing.T) {
	scanner, key := leakstest.New(t, "first")
	scanner.Publish(t, "second", key.Public())
	big := `{"public_keys":[],"x":"` + strings.Repeat("x", 300<<10) + `"}`
	for _, c := range []struct {
		name   string
		status int
		text   string
	}{
		{"an error", 500, ""}, {"no answer of GitHub's", 404, ""}, {"a limit", 429, ""}, {"not JSON", 0, "<html>"}, {"an empty object", 0, "{}"},
		{"no keys", 0, `{"public_keys":[]}`}, {"another form", 0, `{"public_keys":{}}`}, {"keys of another form", 0, `{"public_keys":["x"]}`},
		{"a redirect", 302, ""}, {"a permanent redirect", 308, ""}, {"an answer without end", 0, big},
	} {
		clock := newClock()
		v := leaks.New(leaks.Options{URL: scanner.URL, Now: clock.time})
		scanner.Status, scanner.Text, scanner.Fetched = c.status, c.text, 0
		for range 3 {
			if ok, err := v.Signed(t.Context(), "first", leakstest.Sign(t, key, report), []byte(report)); ok || err == nil {
				t.Errorf("%s: %v, %v", c.name, ok, err)
			}
		}
		if scanner.Fetched != 1 {
			t.Errorf("%s: fetched %d times", c.name, scanner.Fetched)
		}
		scanner.Status, scanner.Text = 0, ""
		clock.now = clock.now.Add(5 * time.Second)
		if ok, err := v.Signed(t.Context(), "first", leakstest.Sign(t, key, report), []byte(report)); !ok || err != nil {
			t.Errorf("after %s: %v, %v", c.name, ok, err)
		}
	}
}

// A redirect to another host is not followed.
func TestNoRedirectIsFollowed(t *testing.T) {
	scanner, key := leakstest.New(t, "first")
	redirect := httptest.NewServer(http.RedirectHandler(scanner.URL, http.StatusFound))
	t.Cleanup(redirect.Close)
	v := leaks.New(leaks.Options{URL: redirect.URL, Now: newClock().time})
	if ok, err := v.Signed(t.Context(), "first", leakstest.Sign(t, key, report), []byte(report)); ok || err == nil || scanner.Fetched != 0 {
		t.Errorf("%v, %v, fetched %d times", ok, err, scanner.Fetched)
	}
}
