package authorizer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/authorizer"
)

// notary signs with a fixed text. It records the claims.
type notary struct {
	asked []assertion.Claims
	err   error
}

func (n *notary) Sign(_ context.Context, c assertion.Claims) (string, error) {
	n.asked = append(n.asked, c)
	return "signed", n.err
}

const audience = `"stageVariables":{"LATCHKEY_MANAGEMENT":"true","LATCHKEY_AUDIENCE":"https://api.example.com"}`

// assertionOf returns what the context of an Allow has as the assertion.
func assertionOf(t *testing.T, answer []byte) string {
	t.Helper()
	var r struct{ Context struct{ Assertion string } }
	unmarshal(t, answer, &r)
	return r.Context.Assertion
}

// Policy: a request has an assertion if and only if its stage names an audience. In latchkey's own
// API, only requests for the backend have one.
func TestRequestsForABackendCarryAnAssertion(t *testing.T) {
	key := assertion.Claims{
		Audience: "https://api.example.com", Subject: "u1", KeyID: "0123456789abcdef", Scopes: "tts stt", Environment: "live",
		Method: "GET", Path: "/a/é b",
	}
	anonymous := assertion.Claims{Audience: key.Audience, Subject: "anonymous", KeyID: "anonymous", Method: "GET", Path: key.Path}
	other := key
	other.Audience = "other"
	public := func(o *admission.Options) { o.Public = paths(t, "/*") }
	for _, c := range []struct {
		name, extra string
		gate        *judge
		set         settings
		want        []assertion.Claims
	}{
		{"a key", `"resource":"/{proxy+}",` + audience, says(apikey.CodeValid), nil, []assertion.Claims{key}},
		{"the root", `"resource":"/",` + audience, says(apikey.CodeValid), nil, []assertion.Claims{key}},
		{"a public path", `"resource":"/{proxy+}",` + audience, &judge{}, public, []assertion.Claims{anonymous}},
		{"an API whose audience is its URL", `"resource":"/x","stageVariables":{"LATCHKEY_AUDIENCE":"#other"}`, says(apikey.CodeValid), nil, []assertion.Claims{other}},
		{"an API with an audience and a URL", `"resource":"/x","stageVariables":{"LATCHKEY_AUDIENCE":"other#https://x.example.com"}`, says(apikey.CodeValid), nil, []assertion.Claims{other}},
		{"an API without a backend", `"resource":"/x","stageVariables":{"LATCHKEY_AUDIENCE":"#"}`, says(apikey.CodeValid), nil, nil},
		{"another API", `"resource":"/x","stageVariables":{"LATCHKEY_AUDIENCE":"other"}`, says(apikey.CodeValid), nil, []assertion.Claims{other}},
		{"a route of latchkey's own", `"resource":"/api/v1/whoami",` + audience, says(apikey.CodeValid), nil, nil},
		{"no backend", `"resource":"/{proxy+}",` + ownStage, says(apikey.CodeValid), nil, nil},
		{"another API without an audience", `"resource":"/x"`, says(apikey.CodeValid), nil, nil},
		{"a key over its limit", `"resource":"/{proxy+}",` + audience, says(apikey.CodeRateLimited), nil, nil},
	} {
		n := &notary{}
		set := func(o *admission.Options) {
			if o.Signer = n; c.set != nil {
				c.set(o)
			}
		}
		event := request("GET/a/%C3%A9%20b", c.extra)
		answer, err := newAuthorizer(t, c.gate, &bytes.Buffer{}, set).Invoke(t.Context(), []byte(event))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, n.asked); diff != "" || (assertionOf(t, answer) == "signed") != (c.want != nil) {
			t.Errorf("%s: %s\n%s", c.name, answer, diff)
		}
	}
	failing := func(o *admission.Options) { o.Signer = &notary{err: errors.New("no key")} }
	event := request("GET/a", `"resource":"/",`+audience)
	_, err := newAuthorizer(t, says(apikey.CodeValid), &bytes.Buffer{}, failing).Invoke(t.Context(), []byte(event))
	if err == nil || errors.Is(err, authorizer.ErrUnauthorized) {
		t.Errorf("without a key that signs: %v", err)
	}
}

// Policy: every kind of API whose events tell the variables of a stage gets assertions.
func TestEachShapeCarriesAnAssertion(t *testing.T) {
	for name, want := range map[string]string{
		"authorizer-http-1": "GET /v1/models", "authorizer-http-2": "GET /v1/models", "authorizer-websocket": "GET /$connect",
	} {
		var event map[string]any
		unmarshal(t, read(t, name+".json"), &event)
		event["stageVariables"] = map[string]any{"LATCHKEY_AUDIENCE": "other#https://x.example.com"}
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		n := &notary{}
		set := func(o *admission.Options) { o.Signer = n }
		answer, err := newAuthorizer(t, says(apikey.CodeValid), &bytes.Buffer{}, set).Invoke(t.Context(), payload)
		if err != nil || assertionOf(t, answer) != "signed" {
			t.Errorf("%s: %s, %v", name, answer, err)
			continue
		}
		if got := n.asked[0].Method + " " + n.asked[0].Path; got != want || n.asked[0].Audience != "other" {
			t.Errorf("%s: %+v, want %s", name, n.asked[0], want)
		}
	}
}

// API Gateway takes at most 8 KB of an authorizer. The largest key that can be created fits with its
// assertion. A larger one, which an earlier version could create, is answered without an assertion.
func TestTheLargestAnswerFits(t *testing.T) {
	scopes := make(apikey.Scopes, 0, apikey.MaxScopes)
	for n := range 16 {
		scopes = append(scopes, fmt.Sprintf("%02d", n)+strings.Repeat("s", 61)) // with a space, 64 characters
	}
	scopes[0] += "s"
	if err := (apikey.Change{Scopes: &scopes}).Check(time.Unix(1795521600, 0)); err != nil {
		t.Fatal(err)
	}
	more := append(scopes[:len(scopes):len(scopes)], "x")
	if err := (apikey.Change{Scopes: &more}).Check(time.Unix(1795521600, 0)); err == nil || !strings.Contains(err.Error(), "1024") {
		t.Errorf("a key with more scopes is accepted: %v", err)
	}
	old := make(apikey.Scopes, 0, apikey.MaxScopes)
	for n := range apikey.MaxScopes {
		old = append(old, fmt.Sprintf("%02d", n)+strings.Repeat("s", apikey.MaxScope-2))
	}
	keys, err := assertion.NewKeys(strings.Repeat("m", 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := assertion.New(assertion.Options{
		Issuer: strings.Repeat("i", 128), Algorithm: assertion.EdDSA, Now: time.Now,
		Keys: func(context.Context) (assertion.Keys, error) { return keys, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	url := "https://" + strings.Repeat("a", 248)
	event, err := json.Marshal(map[string]any{
		"methodArn": methodArn + "DELETE/" + strings.Repeat("%22", assertion.MaxPath-1), "resource": "/{proxy+}",
		"stageVariables": map[string]string{"LATCHKEY_MANAGEMENT": "true", "LATCHKEY_AUDIENCE": url},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		scopes apikey.Scopes
		user   string
		has    bool
	}{
		{"the largest key", scopes, strings.Repeat("🔑", apikey.MaxUserID), true},
		{"a user of brackets", scopes, strings.Repeat("<", apikey.MaxUserID), true},
		{"a key of an earlier version", old, "u1", false},
	} {
		j := says(apikey.CodeValid)
		j.verdict.Key.Scopes, j.verdict.Key.UserID, j.verdict.Key.Name = c.scopes, c.user, strings.Repeat("<", apikey.MaxName)
		set := func(o *admission.Options) { o.Signer = signer }
		answer, err := newAuthorizer(t, j, &bytes.Buffer{}, set).Invoke(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", c.name, len(answer))
		if has := assertionOf(t, answer) != ""; has != c.has || has && len(answer) > 8192 {
			t.Errorf("%s: the answer has %d bytes, an assertion: %v", c.name, len(answer), has)
		}
	}
}
