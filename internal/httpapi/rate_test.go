package httpapi_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// Each route that sets a limit refuses one that the table cannot count, and says what is possible.
func TestALimitThatTheTableCannotCountIsRefusedEverywhere(t *testing.T) {
	s := newService(t)
	path, _, _ := s.made("")
	for _, c := range []struct {
		method, path, body, param string
		most                      int
	}{
		// The meters of a key count its rateLimit together, unless its keys or its quota share it.
		{"POST", keys, `{"rateLimit":{"requests":%d,"window":2}}`, "rateLimit.requests", 33_500},
		{"POST", keys, `{"rateLimit":{"requests":%d,"window":2},"scopes":["keys:write"]}`, "rateLimit.requests", 2000},
		{"POST", keys, `{"rateLimit":{"requests":%d,"window":2},"quota":{"requests":10,"period":"day"}}`, "rateLimit.requests", 2000},
		{"PATCH", path, `{"rateLimit":{"requests":%d,"window":2}}`, "rateLimit.requests", 2000},
		{"PATCH", path, `{"rateLimit":{"requests":%d,"window":2},"scopes":[]}`, "rateLimit.requests", 2000},
		{"POST", keys, `{"limits":[{"amount":%d,"window":2}]}`, "limits.amount", 2000},
		{"PATCH", "/api/v1/users/u1", `{"limits":[{"amount":%d,"window":2}]}`, "limits.amount", 2000},
		{"PUT", "/api/v1/plans/pro", `{"key":{"limits":[{"amount":%d,"window":2}]}}`, "key.limits.amount", 2000},
		{"PUT", "/api/v1/plans/pro", `{"user":{"limits":[{"amount":%d,"window":2}]}}`, "user.limits.amount", 2000},
	} {
		a := s.send(s.root, c.method, c.path, fmt.Sprintf(c.body, c.most+1))
		a.isError(t, c.method+" "+c.path, 400, c.param)
		if want := fmt.Sprintf("must be at most %d in 2 seconds", c.most); !strings.Contains(a.message(), want) {
			t.Errorf("%s %s: %q", c.method, c.path, a.message())
		}
		if a := s.send(s.root, c.method, c.path, fmt.Sprintf(c.body, c.most)); a.status >= 300 {
			t.Errorf("%s %s of %d: %d %s", c.method, c.path, c.most, a.status, a.text)
		}
	}
}

// An earlier version has stored such limits. Their keys work, and their other fields may change.
func TestAKeyWithAnOlderLimitMayChange(t *testing.T) {
	s := newService(t)
	token, err := s.options.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{})
	if err != nil {
		t.Fatal(err)
	}
	k.Limit = ratelimit.Limit{Requests: 5000, Window: time.Second}
	if err := s.options.Store.Write(t.Context(), registry.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	if a := s.send(s.root, "PATCH", keys+"/"+k.ID, `{"name":"renamed"}`); a.status != 200 || a.json["name"] != "renamed" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if v, err := s.gate.Check(t.Context(), gate.Request{Credential: s.options.Format.Credential(token.Reveal()), Cost: 1}); err != nil || !v.Valid() {
		t.Errorf("%s, %v", v.Code, err)
	}
}
