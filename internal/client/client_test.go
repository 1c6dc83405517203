package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

const token = "canary-of-a-key"

func TestABaseIsAURLOfAService(t *testing.T) {
	for base, allowed := range map[string]bool{
		"http://127.0.0.1:3000":         true,
		"https://keys.example.com":      true,
		"https://keys.example.com/prod": true,
		"https://keys.example.com/":     true,

		"":                                  false,
		"keys.example.com":                  false,
		"ftp://keys.example.com":            false,
		"https://":                          false,
		"https://" + token + "@example.com": false,
		"https://example.com?key=" + token:  false,
		"https://example.com#" + token:      false,
		"https://%zz" + token:               false,
	} {
		c, err := client.New(base, token)
		if (err == nil) != allowed {
			t.Errorf("%q: %v", base, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %v", c, c, c, err); strings.Contains(text, token) {
			t.Errorf("%q: the key is printed: %s", base, text)
		}
	}
}

func TestARequestCarriesKeyQueryAndBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprint(w, strings.Join([]string{
			r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body),
		}, "|"))
	}))
	defer server.Close()
	name := "ci"
	for _, c := range []struct {
		key, method string
		query       url.Values
		body        any
		want        string
	}{
		{"", "GET", nil, nil, "GET|/prod/x|||"},
		{token, "GET", url.Values{"limit": {"5"}}, nil, "GET|/prod/x?limit=5|Bearer " + token + "||"},
		{token, "POST", nil, api.Fields{Name: &name}, "POST|/prod/x|Bearer " + token + `|application/json|{"name":"ci"}`},
	} {
		service, err := client.New(server.URL+"/prod/", c.key)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := service.Do(t.Context(), c.method, "/x", c.query, c.body)
		if err != nil || string(answer) != c.want {
			t.Errorf("%s, %v; want %s", answer, err, c.want)
		}
	}
}

func TestAnAnswerOtherThan2xxIsAnError(t *testing.T) {
	const foreign = "the answer is not from latchkey: "
	redirected := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { redirected = true }))
	defer elsewhere.Close()
	const envelope = `{"error":{"message":"No such API key","type":"invalid_request_error",` +
		`"param":"id","code":"not_found"}}`
	for _, c := range []struct {
		status int
		body   string
		want   *client.Error // nil for no error
	}{
		{200, "{}", nil},
		{201, "{}", nil},
		{204, "", nil},
		{404, envelope, &client.Error{Status: 404, Code: "not_found", Message: "No such API key", Param: "id"}},
		{
			503, strings.Replace(envelope, `"id"`, "null", 1),
			&client.Error{Status: 503, Code: "not_found", Message: "No such API key"},
		},
		{302, "", &client.Error{Status: 302, Message: foreign + "302 Found"}},
		{404, "<h1>", &client.Error{Status: 404, Message: foreign + "404 Not Found"}},
		{
			500, `{"message":"Internal server error"}`,
			&client.Error{Status: 500, Message: foreign + "500 Internal Server Error"},
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		service, err := client.New(server.URL, token)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := service.Do(t.Context(), "GET", "/x", nil, nil)
		server.Close()
		var got *client.Error
		errors.As(err, &got)
		if diff := cmp.Diff(c.want, got); diff != "" || c.want == nil && (err != nil || string(answer) != c.body) {
			t.Errorf("%d %s: %q, %v\n%s", c.status, c.body, answer, err, diff)
		}
	}
	if redirected {
		t.Error("the client followed a redirect with the key")
	}
}
