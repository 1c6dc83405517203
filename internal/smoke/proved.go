package smoke

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"latchkey/internal/api"
)

// proof checks what the backend learns of the caller's limit, and the assertion with which it can
// prove that a request came through latchkey.
func (e *echoed) proof(user, id, scopes string) {
	e.assumption = maps
	a := e.ask("a limited request", http.MethodGet, "proof", nil)
	e.expect(a, sawHeader("X-RateLimit-Limit", "1000"))
	e.expect(a, saw("X-RateLimit-Remaining", "below 1000", func(g Received) string {
		left, err := strconv.Atoi(g.Headers.Get("X-RateLimit-Remaining"))
		if err != nil || left < 0 || left >= 1000 {
			return g.Headers.Get("X-RateLimit-Remaining")
		}
		return "below 1000"
	}))
	e.assumption = proves
	claims, err := e.verified(a.received().Headers.Get("X-Latchkey-Assertion"))
	if errors.Is(err, errShared) {
		e.skip("the assertion: " + err.Error())
		return
	}
	got := "good"
	if err != nil {
		got = err.Error()
	}
	e.check("the assertion: its signature", err == nil, "good", got)
	want := strings.Join([]string{http.MethodGet, below + "proof", user, id, scopes}, " ")
	e.check("the assertion: its claims", claims == want, want, claims)
}

var errShared = errors.New("it is signed with HS256, whose key only the backend has")

// verified verifies an assertion with the key set of the stack. It returns method, path, user, key
// and scopes.
func (e *echoed) verified(text string) (claims string, err error) {
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.EdDSA, jose.HS256})
	if err != nil {
		return "", errors.New("no assertion arrived")
	}
	header := signed.Signatures[0].Header
	if header.Algorithm == string(jose.HS256) {
		return "", errShared
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal([]byte(e.send("the key set", http.MethodGet, api.OwnPrefix+api.KeySetPath, nil).body), &set) != nil {
		return "", errors.New("there is no key set")
	}
	keys := set.Key(header.KeyID)
	if len(keys) != 1 {
		return "", errors.New("the key set lacks its key")
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		return "", err
	}
	var c struct{ Method, Path, Sub, KeyID, Scopes string }
	err = json.Unmarshal(payload, &c)
	return strings.Join([]string{c.Method, c.Path, c.Sub, c.KeyID, c.Scopes}, " "), err
}
