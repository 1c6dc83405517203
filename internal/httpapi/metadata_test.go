package httpapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whoever may read the other fields of a key in a verdict may read its metadata.
func TestVerdictsHaveTheMetadata(t *testing.T) {
	s := newService(t)
	want := map[string]any{"team": "a", "größe": "50 %"}
	path, token, mine := s.made(`,"metadata":{"team":"a","größe":"50 %"}`)
	_, bare, _ := s.made("")
	expect := func(what, token string, want any) {
		t.Helper()
		if diff := cmp.Diff(want, s.validate(token).json["metadata"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("a valid key", token, want)
	expect("a key without metadata", bare, nil)
	next := s.send(mine, "POST", path+"/rotate", `{"gracePeriod":0}`).json["key"].(string)
	expect("a token that was replaced for good", token, nil)
	s.send(mine, "PATCH", path, `{"enabled":false}`)
	expect("a disabled key", next, want)
	expect("a forged token", unknown(t, s), nil)
}

// A proxy gets the metadata for its backend only if the deployment says so.
func TestProxiesGetTheMetadata(t *testing.T) {
	for _, pass := range []bool{false, true} {
		s := newService(t, func(s *service) { s.metadata = pass })
		key := s.key(`{"userId":"u1","metadata":{"team":"a b","größe":"x,y"}}`)
		want := ""
		if pass {
			want = `{"gr%C3%B6%C3%9Fe":"x%2Cy"%2C"team":"a%20b"}`
		}
		a := s.ask("GET", authorize, append(asks("GET", "/v1/models"), key)...)
		if got := a.header.Get("X-Latchkey-Metadata"); a.status != 200 || got != want {
			t.Errorf("%v: %d %q, want %q", pass, a.status, got, want)
		}
		for _, name := range []string{"X-Latchkey-Metadata", "x_latchkey_metadata"} {
			if a := s.ask("GET", authorize, append(asks("GET", "/v1/models"), key, name+": {}")...); a.status != 401 {
				t.Errorf("a client sends %s: %d", name, a.status)
			}
		}
		if a := s.ask("GET", authorize, asks("GET", "/docs")...); a.status != 200 || a.header.Get("X-Latchkey-Metadata") != "" {
			t.Errorf("a public path: %d %v", a.status, a.header)
		}
	}
}
