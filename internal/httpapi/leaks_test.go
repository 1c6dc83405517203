package httpapi_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/leaks"
	"latchkey/internal/leaks/leakstest"
	"latchkey/internal/registry"
)

const leaksPath = "/api/v1/leaks/github"

// scanned is a service that takes the reports of a scanner.
type scanned struct {
	*service
	scanner *leakstest.Scanner
	key     *ecdsa.PrivateKey
}

func newScanned(t *testing.T) *scanned {
	t.Helper()
	scanner, key := leakstest.New(t, "k1")
	s := newService(t, func(s *service) {
		s.reports = leaks.New(leaks.Options{URL: scanner.URL, Now: func() time.Time { return s.now }})
		s.upstream = "up-"
	})
	return &scanned{s, scanner, key}
}

// report sends a report that the scanner has signed.
func (s *scanned) report(body string) answer {
	s.t.Helper()
	return s.send(nil, "POST", leaksPath, body,
		"Github-Public-Key-Identifier: k1", "Github-Public-Key-Signature: "+leakstest.Sign(s.t, s.key, body))
}

// matchOf returns a report of tokens, each found in the same place.
func matchOf(t *testing.T, tokens ...string) string {
	t.Helper()
	all := []map[string]any{}
	for _, token := range tokens {
		all = append(all, map[string]any{"token": token, "type": "ours", "url": "https://github.com/a/b", "source": "commit", "later": 1})
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// labels returns the labels of an answer by the hashes of the tokens.
func labels(t *testing.T, a answer) map[string]string {
	t.Helper()
	var all []struct {
		Hash  string `json:"token_hash"`
		Type  string `json:"token_type"`
		Label string `json:"label"`
	}
	if err := json.Unmarshal([]byte(a.text), &all); err != nil || a.status != 200 {
		t.Fatalf("%d %s: %v", a.status, a.text, err)
	}
	found := make(map[string]string)
	for _, f := range all {
		if found[f.Hash] != "" || f.Type != "ours" {
			t.Errorf("twice, or of another type: %+v", f)
		}
		found[f.Hash] = f.Label
	}
	return found
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// A report revokes the keys of its tokens, says which ones were any, and changes nothing when repeated.
func TestReportLeaks(t *testing.T) {
	s := newScanned(t)
	path, token, _ := s.made("")
	other, kept, _ := s.made("")
	forged, err := s.options.Format.Next(apikey.Live, other[len(keys)+1:], rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	nobody := unknown(t, s.service)
	body := matchOf(t, token, token, " "+token+"\n", forged.Reveal(), nobody, "up-a-token-of-the-other-service", "x", "pk_live_"+other[len(keys)+1:])
	want := map[string]string{
		hashOf(token): "true_positive", hashOf(" " + token + "\n"): "true_positive", hashOf(forged.Reveal()): "false_positive",
		hashOf(nobody): "false_positive", hashOf("x"): "false_positive", hashOf("pk_live_" + other[len(keys)+1:]): "false_positive",
	}
	for n := range 2 {
		if diff := cmp.Diff(want, labels(t, s.report(body))); diff != "" {
			t.Errorf("report %d (-want +got):\n%s", n, diff)
		}
	}
	got := s.send(s.root, "GET", path, "")
	if got.json["status"] != "revoked" || got.json["revocationReason"] != "leaked" || got.json["revocationSource"] != "https://github.com/a/b" || got.header.Get("ETag") != `"1"` {
		t.Errorf("the key: %s %v", got.text, got.header)
	}
	if s.validate(kept).json["valid"] != true {
		t.Error("a forged token, or a public key, has revoked a key")
	}
	entries := s.send(s.root, "GET", path+"/audit", "").json["data"].([]any)
	if actor := entries[0].(map[string]any)["actor"].(map[string]any); len(entries) != 2 || actor["type"] != "scanner" || actor["id"] != "github" {
		t.Errorf("the trail: %v", entries)
	}
	if v := s.validate(token); v.json["error"] != "Invalid or revoked API key: revoked: leaked" {
		t.Errorf("validate: %s", v.text)
	}
	log := s.log.String()
	if !strings.Contains(log, `"msg":"leaked keys","scanner":"github","matches":8,"known":1,"revoked":1,"keyIds":["`+path[len(keys)+1:]+`"]`) {
		t.Errorf("the log: %s", log)
	}
	for _, secret := range []string{token[8:], forged.Reveal()[8:], nobody[8:]} {
		if strings.Contains(log, secret) || strings.Contains(got.text, secret) {
			t.Error("a token is in the log or in the record")
		}
	}
	if got := labels(t, s.report("[]")); len(got) != 0 {
		t.Errorf("an empty report: %v", got)
	}
}

// A static key is told in the log alone: nobody but the operator can end it.
func TestAStaticKeyHasLeaked(t *testing.T) {
	s := newScanned(t)
	static, err := apikey.Static{}.With("hV7mK2pX9qR4tB8w:partner", apikey.DefaultLimit())
	if err != nil {
		t.Fatal(err)
	}
	s.configure(func(o *registry.Options) {
		o.Static = func(context.Context) (apikey.Static, error) { return static, nil }
	})
	if got := labels(t, s.report(matchOf(t, "hV7mK2pX9qR4tB8w"))); got[hashOf("hV7mK2pX9qR4tB8w")] != "true_positive" {
		t.Errorf("%v", got)
	}
	if log := s.log.String(); !strings.Contains(log, `"level":"ERROR","msg":"a static key has leaked: replace it in the configuration","keyId":"static-partner"`) ||
		strings.Contains(log, "hV7mK2pX9qR4tB8w") {
		t.Errorf("the log: %s", log)
	}
}

// A report that is not the scanner's, and one that cannot be read, change nothing.
func TestReportsThatAreRefused(t *testing.T) {
	s := newScanned(t)
	_, token, _ := s.made("")
	body := matchOf(t, token)
	good := leakstest.Sign(t, s.key, body)
	for _, c := range []struct {
		name, body, id, signature string
	}{
		{"no signature", body, "k1", ""}, {"no key", body, "", good}, {"another key", body, "k2", good}, {"other bytes", body + " ", "k1", good},
		{"a signature of nothing", body, "k1", leakstest.Sign(t, s.key, "")}, {"not base64", body, "k1", "%"},
	} {
		var headers []string
		if c.id != "" {
			headers = append(headers, "Github-Public-Key-Identifier: "+c.id)
		}
		if c.signature != "" {
			headers = append(headers, "GITHUB-PUBLIC-KEY-SIGNATURE: "+c.signature)
		}
		a := s.send(nil, "POST", leaksPath, c.body, headers...)
		a.isError(t, c.name, 401, "")
		if code := a.json["error"].(map[string]any)["code"]; code != "invalid_signature" {
			t.Errorf("%s: %v", c.name, code)
		}
	}
	for _, text := range []string{
		"", "null", "{}", `"x"`, "[", `[{"token":1}]`, `[{"token":"` + token + `"}] x`, `[1]`, "\xff", `{"token":"` + token + `"}`,
	} {
		s.report(text).isError(t, fmt.Sprintf("%q", text), 400, "")
	}
	s.report(`["`+strings.Repeat("x", 1<<20)+`"]`).isError(t, "too large", 413, "")
	s.send(nil, "GET", leaksPath, "").isError(t, "GET", 405, "")
	s.send(nil, "POST", leaksPath+"?x=1", body).isError(t, "a parameter", 400, "x")
	if s.validate(token).json["valid"] != true {
		t.Error("a report that was refused has revoked a key")
	}
	if a := s.report(`[null,{},{"token":""},{"type":"ours"}]`); a.status != 200 || strings.Contains(a.text, "true_positive") {
		t.Errorf("matches without a token: %d %s", a.status, a.text)
	}
	encoded := events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Path: leaksPath, Body: base64.StdEncoding.EncodeToString([]byte(body)), IsBase64Encoded: true,
		MultiValueHeaders: map[string][]string{"Github-Public-Key-Identifier": {"k1"}, "Github-Public-Key-Signature": {good}},
	}
	if a := s.invoke(encoded); labels(t, a)[hashOf(token)] != "true_positive" {
		t.Errorf("as base64: %s", a.text)
	}
	newService(t).send(nil, "POST", leaksPath, body).isError(t, "where no scanner is named", 404, "")
}

// brokenStore fails every write.
type brokenStore struct{ registry.Store }

func (brokenStore) Write(context.Context, ...registry.Write) error { return errors.New("away") }

// Where a report cannot be decided or done, the answer is 503, and the same report can be repeated.
func TestReportsThatFail(t *testing.T) {
	s := newScanned(t)
	_, token, _ := s.made("")
	body := matchOf(t, token)
	s.scanner.Status = 500
	if a := s.report(body); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("without public keys: %d %s", a.status, a.text)
	}
	s.scanner.Status = 0
	s.now = s.now.Add(10 * time.Second)
	whole := s.options.Store
	s.configure(func(o *registry.Options) { o.Store = brokenStore{whole} })
	s.report(body).isError(t, "without a table", 503, "")
	s.configure(func(o *registry.Options) { o.Store = whole })
	if got := labels(t, s.report(body)); got[hashOf(token)] != "true_positive" || s.validate(token).json["code"] != "revoked_key" {
		t.Errorf("repeated: %v", got)
	}
}

func TestWhatIsStoredOfASource(t *testing.T) {
	s := newScanned(t)
	for _, c := range []struct{ url, source, want string }{
		{"https://github.com/a/b", "commit", "https://github.com/a/b"}, {"", "commit", "commit"}, {"", "", ""},
		{"https://github.com/$TOKEN", "", ""}, {"https://github.com/a\n", "", "https://github.com/a"}, {"a\x00b", "", ""}, {"a\u202eb", "", ""},
		{"https://github.com/" + strings.Repeat("é", 300), "", "https://github.com/" + strings.Repeat("é", 246)},
	} {
		path, token, _ := s.made("")
		text, err := json.Marshal([]map[string]string{{"token": token, "type": "ours", "url": strings.ReplaceAll(c.url, "$TOKEN", token), "source": c.source}})
		if err != nil {
			t.Fatal(err)
		}
		labels(t, s.report(string(text)))
		got, _ := s.send(s.root, "GET", path, "").json["revocationSource"].(string)
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.url, got, c.want)
		}
		s.send(s.root, "DELETE", path, "")
	}
}
