//go:build browser

package console_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey/internal/browsertest"
)

func TestSignInAndOut(t *testing.T) {
	eachLook(t, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/")
		p.Wait("latchkey console")
		p.Axe()
		p.Fits()
		p.Shot("login")
		p.Click("Sign in with this key")
		p.Wait("Paste a key.")
		p.Fill("API key", "sk_live_no such key 💥")
		p.Click("Sign in with this key")
		p.Wait("A key has no spaces")
		p.Fill("API key", "sk_live_wrong")
		p.Click("Sign in with this key")
		p.Wait("The service does not know this key")
		p.Axe()
		p.Shot("login-wrong")
		p.SignIn(browsertest.Root)
		p.Click("Sign out")
		p.Wait("API key")
	})
}

func TestABadDayAtTheSignIn(t *testing.T) {
	p := browsertest.Open(t, browsertest.NarrowDark, "console/")
	try := func(token, want string) {
		t.Helper()
		p.Fill("API key", token)
		p.Click("Sign in with this key")
		p.Wait(want)
	}
	p.Refuse("GET", "whoami", 503, "unavailable", "The service could not decide", "x-amzn-RequestId: 4d-99")
	try(browsertest.Root, "4d-99")
	p.Axe()
	p.Refuse("GET", "whoami", 429, "rate_limit_exceeded", "The limit is reached", "Retry-After: 77")
	try(browsertest.Root, "Try again in 77 s.")
	p.Refuse("GET", "whoami", 0, "", "")
	try(browsertest.Root, "latchkey does not answer.")
	p.Fault(nil)
	try(strings.Repeat("x", 513), "A key has at most 512 characters.")
	try("<script>alert(1)</script>", "The service does not know this key")
	if strings.Contains(p.Everything(), "Sign out") {
		t.Error("a bad key signs in")
	}
	p.SignIn(browsertest.Root)
}

// A wait is shown once it is felt, and not before.
func TestAWaitIsShown(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "console/")
	many, release := &manyKeys{count: 2}, make(chan struct{})
	p.Fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/api-keys" {
			<-release
		}
		return many.answer(w, r)
	})
	p.SignIn(browsertest.Root)
	p.Wait("Loading keys…")
	close(release)
	p.Wait("service 1")
	p.WaitGone("Loading keys…")
}

func TestTheHarnessSeesWhatAPageMustNotDo(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.Wait("API key")
	p.Expect("CSP")
	p.Expect("Content Security Policy")
	p.Expect("a test's own")
	p.Eval(`document.body.setAttribute("style", "color: red");
		setTimeout(() => { throw new Error("a test's own exception"); });
		console.warn("a test's own warning");
		await new Promise((r) => setTimeout(r, 200)); return 0`, nil)
	all := strings.Join(p.Problems(), "\n")
	for _, want := range []string{"CSP violation", "a test's own exception", "a test's own warning"} {
		if !strings.Contains(all, want) {
			t.Errorf("the harness does not see %s in %q", want, all)
		}
	}
}

// Latchkey's own paths are below /latchkey too. There a backend may have a console of its own.
func TestTheConsoleBelowItsPrefix(t *testing.T) {
	p := browsertest.Open(t, browsertest.WideDark, "latchkey/console")
	p.Until(`location.pathname === "/prod/latchkey/console/index.html"`)
	p.SignIn(browsertest.Root)
	p.Wait("root")
	p.WaitGone("Try again")
}
