package admission_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
)

// The headers of a server in Go and those of an event are read alike. Package authorizer tests events.
func TestHeadersOfAServer(t *testing.T) {
	for _, c := range []struct {
		name string
		sent [][2]string
		want admission.Headers
	}{
		{"none", nil, admission.Headers{}},
		{"the values of one name add up", [][2]string{{"x-api-key", "a"}, {"X-API-KEY", "b"}},
			admission.Headers{APIKey: []string{"a", "b"}}},
		{"each place", [][2]string{{"api-key", "a"}, {"authorization", "Bearer b"}, {"x-forwarded-for", "c"}, {"accept", "d"}},
			admission.Headers{APIKey: []string{"a"}, Authorization: []string{"Bearer b"}, ForwardedFor: []string{"c"}}},
		{"a forged identity", [][2]string{{"X_User_Id", "a"}}, admission.Headers{Forged: apikey.CodeIdentityHeader}},
		{"another method", [][2]string{{"x-http-method-override", ""}}, admission.Headers{Forged: apikey.CodeMethodOverride}},
		{"another path", [][2]string{{"x-original-url", "/"}}, admission.Headers{Forged: apikey.CodePathOverride}},
	} {
		sent := make(http.Header)
		for _, h := range c.sent {
			sent.Add(h[0], h[1])
		}
		if diff := cmp.Diff(c.want, admission.HeadersOf(sent)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestParametersOfAServer(t *testing.T) {
	for text, want := range map[string]admission.Query{
		"":                        {},
		"api_key=a&API_KEY=b":     {APIKey: []string{"a", "b"}},
		"_method=DELETE":          {Forged: apikey.CodeMethodOverride},
		"x-http-method=PUT&a=b":   {Forged: apikey.CodeMethodOverride},
		"api_key=a&.method[]=PUT": {APIKey: []string{"a"}, Forged: apikey.CodeMethodOverride},
	} {
		sent, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		got := admission.QueryOf(sent)
		if len(got.APIKey) == 2 && got.APIKey[0] == "b" { // names have no order
			got.APIKey[0], got.APIKey[1] = got.APIKey[1], got.APIKey[0]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// A sender may write each header twice: all values, and the last one alone.
func TestHeadersThatAreWrittenTwice(t *testing.T) {
	list := func(texts ...string) []string { return texts }
	for _, c := range []struct {
		name            string
		all, last, want admission.Headers
	}{
		{"the last value is among all", admission.Headers{APIKey: list("a", "b")}, admission.Headers{APIKey: list("b")},
			admission.Headers{APIKey: list("a", "b")}},
		{"only the last value", admission.Headers{}, admission.Headers{APIKey: list("a"), Authorization: list("b")},
			admission.Headers{APIKey: list("a"), Authorization: list("b")}},
		{"another value is not hidden", admission.Headers{Authorization: list("a")}, admission.Headers{Authorization: list("b")},
			admission.Headers{Authorization: list("a", "b")}},
		{"an address counts once", admission.Headers{ForwardedFor: list("a", "b")}, admission.Headers{ForwardedFor: list("b")},
			admission.Headers{ForwardedFor: list("a", "b")}},
		{"forged in one", admission.Headers{}, admission.Headers{Forged: apikey.CodeIdentityHeader},
			admission.Headers{Forged: apikey.CodeIdentityHeader}},
	} {
		if diff := cmp.Diff(c.want, c.all.With(c.last)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
