package local_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// A function gets the path undecoded. A backend gets it decoded once, and encoded anew.
func TestPathsArriveAsFromAPIGateway(t *testing.T) {
	var event map[string]any // of the authorizer
	arrived := ""
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived = "backend " + r.URL.EscapedPath()
	}))
	defer backend.Close()
	s := &stack{
		authorize:  func(e map[string]any) (any, error) { event = e; return policy("Allow", e, nil), nil },
		parameters: map[string]string{"BackendUrl": backend.URL + "/base"},
		serve: func(e events.APIGatewayProxyRequest) (any, error) {
			arrived = e.Resource + " " + e.PathParameters["id"]
			return map[string]any{"statusCode": 200}, nil
		},
	}
	url := s.start(t)
	const ids = "/api/v1/api-keys/"
	for _, c := range []struct{ path, event, arrives string }{
		{"/", "/", "backend /base/"},
		{"/a", "/a", "backend /base/a"},
		{"/a/b.c", "/a/b.c", "backend /base/a/b.c"},
		// Escapes.
		{"/a%20b", "/a%20b", "backend /base/a%20b"},
		{"/a+b", "/a+b", "backend /base/a+b"},
		{"/a%2Bb", "/a%2Bb", "backend /base/a+b"},
		{"/%C3%BC", "/%C3%BC", "backend /base/%C3%BC"},
		{"/%c3%bc", "/%c3%bc", "backend /base/%C3%BC"},
		{"/%41", "/%41", "backend /base/A"},
		{"/a%2Fb", "/a%2Fb", "backend /base/a/b"},
		{"/a%252Fb", "/a%252Fb", "backend /base/a%252Fb"},
		{"/100%25", "/100%25", "backend /base/100%25"},
		{"/a%3Fb%23c", "/a%3Fb%23c", "backend /base/a%3Fb%23c"},
		{"/a;b=c", "/a;b=c", "backend /base/a;b=c"},
		{"/a%00b", "/a%00b", "backend /base/a%00b"},
		// Slashes.
		{"/a/", "/a/", "backend /base/a"},
		{"/a//b", "/a//b", "backend /base/a//b"},
		{"//a", "/a", "backend /base/a"},
		{"///a/", "/a/", "backend /base/a"},
		// Functions.
		{ids + "a%2Fb", ids + "a%2Fb", ids + "{id} a%2Fb"},
		{ids + "a%20b+c/", ids + "a%20b+c/", ids + "{id} a%20b+c"},
		{"/" + ids + "a", ids + "a", ids + "{id} a"},
		{"/%61pi/v1/api-keys/a", "/%61pi/v1/api-keys/a", "backend /base/api/v1/api-keys/a"},
	} {
		arrived = ""
		status, _, text := get(t, "GET", url+c.path)
		if status != 200 || event["path"] != c.event || arrived != c.arrives {
			t.Errorf("%s: %d %s, the event has %v, want %s; arrived: %s, want %s", c.path, status, text, event["path"], c.event,
				arrived, c.arrives)
		}
		if request := event["requestContext"].(map[string]any); request["path"] != c.path {
			t.Errorf("%s: requestContext.path is %v", c.path, request["path"])
		}
	}
	for _, wrong := range []string{"/a%zz", "/a%", "/a%2"} {
		if header := send(t, strings.TrimPrefix(url, "http://"), wrong, "X: x"); header == nil || arrived == "backend /base"+wrong {
			t.Errorf("%s arrives", wrong)
		}
	}
}

// The authorizer, a function and a backend get the same parameters, decoded once.
func TestQueriesArriveAsFromAPIGateway(t *testing.T) {
	var judged, arrived map[string][]string
	var last map[string]string
	raw := ""
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived, raw = r.URL.Query(), r.URL.RawQuery
	}))
	defer backend.Close()
	s := &stack{
		authorize: func(e map[string]any) (any, error) {
			judged = make(map[string][]string)
			all, _ := e["multiValueQueryStringParameters"].(map[string]any)
			for name, values := range all {
				for _, value := range values.([]any) {
					judged[name] = append(judged[name], value.(string))
				}
			}
			return policy("Allow", e, nil), nil
		},
		serve: func(e events.APIGatewayProxyRequest) (any, error) {
			arrived, last = e.MultiValueQueryStringParameters, e.QueryStringParameters
			return map[string]any{"statusCode": 200}, nil
		},
		parameters: map[string]string{"BackendUrl": backend.URL},
	}
	url := s.start(t)
	type query = map[string][]string
	for _, c := range []struct {
		query string
		want  query
		raw   string // as the backend gets it
	}{
		{"a=1&b=2", query{"a": {"1"}, "b": {"2"}}, "a=1&b=2"},
		{"a=1&b=2&a=3", query{"a": {"1", "3"}, "b": {"2"}}, "a=1&b=2&a=3"},
		{"a", query{"a": {""}}, "a="},
		{"a=", query{"a": {""}}, "a="},
		{"a=b=c", query{"a": {"b=c"}}, "a=b%3Dc"},
		{"&a=1&&", query{"a": {"1"}}, "a=1"},
		{"a=x+y&b=x%20y&c=x%2By", query{"a": {"x y"}, "b": {"x y"}, "c": {"x+y"}}, "a=x+y&b=x+y&c=x%2By"},
		{"a=%2F&b=/&%61=c", query{"a": {"/", "c"}, "b": {"/"}}, "a=%2F&b=%2F&a=c"},
		{"a=%2526", query{"a": {"%26"}}, "a=%2526"},
		{"a=x%26b=y", query{"a": {"x&b=y"}}, "a=x%26b%3Dy"},
		{"a=%C3%BC&b=ü", query{"a": {"ü"}, "b": {"ü"}}, "a=%C3%BC&b=%C3%BC"},
		{"a=1;b=2", query{"a": {"1"}, "b": {"2"}}, "a=1&b=2"},
		{"a=1%3Bb=2", query{"a": {"1;b=2"}}, "a=1%3Bb%3D2"},
		{"a=%zz&b=100%", query{"a": {"%zz"}, "b": {"100%"}}, "a=%25zz&b=100%25"},
		{"a=%00", query{"a": {"\x00"}}, "a=%00"},
		{"a=%7C%7B%7D", query{"a": {"|{}"}}, "a=%7C%7B%7D"},
		{"A=1&a=2", query{"A": {"1"}, "a": {"2"}}, "A=1&a=2"},
	} {
		for _, path := range []string{"/theirs?", "/api/v1/whoami?"} {
			judged, arrived, last, raw = nil, nil, nil, ""
			if status, _, text := get(t, "GET", url+path+c.query); status != 200 {
				t.Errorf("%s%s: %d %s", path, c.query, status, text)
			}
			if diff := cmp.Diff([]query{c.want, c.want}, []query{judged, arrived}); diff != "" {
				t.Errorf("%s%s: the authorizer and the integration get\n%s", path, c.query, diff)
			}
			for name, values := range c.want {
				if last != nil && last[name] != values[len(values)-1] {
					t.Errorf("%s%s: the last %s is %q", path, c.query, name, last[name])
				}
			}
			if path == "/theirs?" && raw != c.raw {
				t.Errorf("%s: the backend gets %s, want %s", c.query, raw, c.raw)
			}
		}
	}
	for _, query := range []string{"a=x|y", "a={x", "x}=1"} {
		if status, _, _ := get(t, "GET", url+"/theirs?"+query); status != 400 {
			t.Errorf("%s: %d, want 400", query, status)
		}
	}
}
