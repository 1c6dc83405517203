package console_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"latchkey/internal/console"
)

func TestConfigTellsThePageWhereToSignIn(t *testing.T) {
	for _, c := range []struct {
		options          console.Options
		want, connectSrc string
	}{
		{console.Options{}, `{"issuers":[],"clientId":"","apiBase":"../"}`, "connect-src 'self';"},
		{console.Options{Prefix: "/latchkey"}, `{"issuers":[],"clientId":"","apiBase":"../../"}`, "connect-src 'self';"},
		{
			console.Options{Issuers: []string{"https://id.example.com/realms/a", "https://two.example.com"}, ClientID: `</script>"ü`, Audience: "latchkey"},
			`{"issuers":["https://id.example.com/realms/a","https://two.example.com"],"clientId":"\u003c/script\u003e\"ü","audience":"latchkey","apiBase":"../"}`,
			"connect-src 'self' https://id.example.com https://two.example.com;",
		},
	} {
		w := httptest.NewRecorder()
		console.New(c.options).ServeHTTP(w, httptest.NewRequest("GET", c.options.Prefix+"/console/config.json", nil))
		if w.Code != 200 || w.Body.String() != c.want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d %s %s; want %s", w.Code, w.Header().Get("Content-Type"), w.Body, c.want)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, c.connectSrc) {
			t.Errorf("%s; want %s", policy, c.connectSrc)
		}
	}
}

// A module that the page does not name is only asked for after the modules that import it.
func TestThePageNamesEachModuleOnce(t *testing.T) {
	all := served(t)
	page := string(all["index.html"])
	for name := range all {
		want := 1
		if !strings.HasSuffix(name, ".js") || name == "callback.js" || name == "app.js" {
			want = 0
		}
		if got := strings.Count(page, `<link rel="modulepreload" href="`+name+`">`); got != want {
			t.Errorf("the page names %s %d times, want %d", name, got, want)
		}
	}
	if strings.Count(page, "modulepreload") > len(all) {
		t.Error("the page names modules that do not exist")
	}
}
