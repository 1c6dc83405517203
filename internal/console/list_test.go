//go:build browser

package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"latchkey/internal/browsertest"
)

func TestTheListShowsEveryKindOfKey(t *testing.T) {
	eachLook(t, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/")
		p.Fault((&manyKeys{count: 12}).answer)
		p.SignIn(browsertest.Root)
		for _, text := range []string{
			"service 0", "<script>alert(1)</script> & “quotes” 💥", "مفتاح الخدمة", "(no name)", "sk_live_ab12…", "imported",
			"Expires soon", "Old token works", "Test", "+2", "in 3 days",
		} {
			p.Wait(text)
		}
		p.Axe()
		p.Fits()
		p.Shot("list")
	})
}

func TestTenThousandKeysAreReadPageByPage(t *testing.T) {
	p := browsertest.Open(t, browsertest.Narrow, "console/")
	many := &manyKeys{count: 10_000}
	p.Fault(many.answer)
	p.SignIn(browsertest.Root)
	p.Wait("service 49")
	p.WaitGone("service 50")
	p.Click("Next")
	p.Wait("service 99")
	p.Click("Next")
	p.Wait("Page 3")
	p.Wait("service 120")

	// A key is opened and left again: the page, the scrolled place and the focus are as before.
	var before, after float64
	p.Click("service 120")
	p.Until(`location.hash === "#/keys/key0000000000120"`)
	p.WaitGone("service 121")
	p.Eval("history.back()", nil)
	p.Wait("service 120")
	p.Wait("Page 3")
	p.Until(`document.activeElement.innerText === "service 120"`)
	p.Eval("scrollY", &after)
	p.Eval(`document.activeElement.getBoundingClientRect().top`, &before)
	if after < 500 || before < 0 || before > 800 {
		t.Errorf("the list is scrolled to %v, and its key is at %v", after, before)
	}
	p.Click("Previous")
	p.Wait("service 99")
	p.Fill("Show", "Expiring within 7 days")
	p.Wait("service 49")
	p.WaitGone("Page 2")
	p.Fill("Sort", "Nearest their limits first")
	p.Fill("Owner", "u1")
	p.Wait("Revoke all keys of this user")
	p.Fill("Search", "ci")
	p.Until(`true`)
	p.Eval(`await new Promise((r) => setTimeout(r, 500)); return 0`, nil)
	queries := many.queries()
	last, err := url.ParseQuery(queries[len(queries)-1])
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"status": "active", "sort": "spent", "userId": "u1", "search": "ci", "include": "usage", "limit": "50", "cursor": "",
	} {
		if got := last.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if last.Get("expiresBefore") == "" {
		t.Errorf("the last query was %v", last)
	}
	// One request for each page and filter.
	if len(queries) > 10 {
		t.Errorf("the list was asked for %d times: %q", len(queries), queries)
	}
}

// A person who pastes a token into the search field must not put it into a URL.
func TestASearchNeverSendsAToken(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "console/")
	many := &manyKeys{count: 3}
	p.Fault(many.answer)
	p.SignIn(browsertest.Root)
	p.Wait("service 1")
	const secret = "3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"
	p.Fill("Search", "sk_live_"+secret)
	p.Until(`field("Search").value === "sk_live_3fGq"`)
	p.Eval(`await new Promise((r) => setTimeout(r, 500)); return 0`, nil)
	queries := many.queries()
	if q := queries[len(queries)-1]; !strings.Contains(q, "search=sk_live_3fGq&") && !strings.HasSuffix(q, "search=sk_live_3fGq") {
		t.Errorf("the search was %q", q)
	}
	if slices.ContainsFunc(queries, func(q string) bool { return strings.Contains(q, secret[4:20]) }) {
		t.Errorf("a query has the token: %q", queries)
	}
}

func TestAnEmptyListSaysWhatToDoFirst(t *testing.T) {
	for _, look := range []browsertest.Look{browsertest.Wide, browsertest.NarrowDark} {
		p := browsertest.Open(t, look, "console/")
		p.Fault((&manyKeys{}).answer)
		p.SignIn(browsertest.Root)
		p.Wait("There are no keys yet")
		p.Wait("Create the first key")
		p.Axe()
		p.Shot("empty")
		p.Fill("Show", "Revoked")
		p.Wait("No key matches these filters.")
		p.Click("Clear the filters")
		p.Wait("There are no keys yet")
	}
}

func TestEveryBadAnswerSaysWhatToDo(t *testing.T) {
	for _, look := range []browsertest.Look{browsertest.Wide, browsertest.NarrowDark} {
		p := browsertest.Open(t, look, "console/")
		p.Refuse("GET", "/api-keys", 503, "unavailable", "The service could not decide", "x-amzn-RequestId: 3f1c-77")
		p.SignIn(browsertest.Root)
		p.Wait("The service is unavailable.")
		p.Wait("3f1c-77")
		p.Axe()
		p.Shot("unavailable")
		p.Refuse("GET", "/api-keys", 429, "rate_limit_exceeded", "The limit is reached", "Retry-After: 2")
		p.Click("Try again")
		p.Wait("Too many requests.")
		p.Wait("Try again in 2 s.")
		p.Until(`named("Try again").disabled`)
		p.Axe()
		p.Shot("too-many")
		p.Until(`!named("Try again").disabled`)
		p.Refuse("GET", "/api-keys", 403, "forbidden", "keys:read is needed")
		p.Click("Try again")
		p.Wait("You may not do this. keys:read is needed")
		p.Refuse("GET", "/api-keys", 0, "", "")
		p.Click("Try again")
		p.Wait("latchkey does not answer.")
		p.Shot("offline")
		p.Fault(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				http.Error(w, "<html>Bad gateway", http.StatusBadGateway)
				return true
			}
			return false
		})
		p.Click("Try again")
		p.Wait("The service failed. The service answered with status 502.")
		p.Fault((&manyKeys{count: 2}).answer)
		p.Click("Try again")
		p.Wait("service 1")
		p.WaitGone("The service failed.")
		// A page that has keys keeps them beside a problem.
		p.Refuse("GET", "/api-keys", 503, "unavailable", "The service could not decide")
		p.Click("Refresh")
		p.Wait("The service is unavailable.")
		p.Wait("service 1")
	}
}

func TestTheConsoleSaysWhenItCannotLoad(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "health")
	p.Refuse("GET", "config.json", 503, "unavailable", "")
	p.Navigate("console/")
	p.Wait("The console's configuration was answered with status 503.")
	p.Fault(nil)
	p.Click("Try again")
	p.Wait("API key")
}

// With the keyboard alone, a person skips to the list and opens a key.
func TestTheKeyboardReachesEverything(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.Fault((&manyKeys{count: 2}).answer)
	p.SignIn(browsertest.Root)
	p.Wait("service 1")
	p.Eval("document.activeElement.blur()", nil)
	p.Press(kb.Tab)
	p.Until(`document.activeElement.innerText === "Skip to the content"`)
	p.Press(kb.Enter)
	p.Until(`document.activeElement.id === "main"`)
	for range 7 { // Create key, the filters, Refresh
		p.Press(kb.Tab)
	}
	p.Until(`document.activeElement.innerText === "service 0"`)
	p.Press(kb.Enter)
	p.Until(`location.hash === "#/keys/key0000000000000"`)
}
