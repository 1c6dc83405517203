//go:build browser

package console_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/internal/browsertest"
)

// visit signs in at the issuer, whose button is the only one that names it.
func visit(p *browsertest.Page) { p.Click("Sign in at 127.0.0.1") }

func TestAUserSignsInAtTheIssuer(t *testing.T) {
	for _, look := range []browsertest.Look{browsertest.WideDark, browsertest.Narrow} {
		var token map[string]any
		browsertest.SetUser(t, map[string]any{"sub": "ada " + look.String(), "groups": []string{"ops"}},
			func(_ url.Values, answer map[string]any) {
				if answer != nil {
					token = answer
				}
			})
		p := browsertest.Open(t, look, "console/")
		visit(p)
		p.Wait("ada " + look.String())
		p.Wait("There are no keys yet")
		p.Axe()
		p.Fits()
		p.Shot("user")
		// A user sees no other user's keys, and has no view for admins.
		if text := p.Text(); strings.Contains(text, "Audit") || strings.Contains(text, "Users") || strings.Contains(text, "admin key") {
			t.Errorf("a user sees\n%s", text)
		}
		p.Fill("Owner", "team:ops")
		p.Wait("No key matches")
		p.Go("#/users")
		p.Wait("Only an admin may see this.")
		p.Click("Sign out")
		p.Wait("API key")
		everything := p.Everything()
		for _, name := range []string{"access_token", "id_token"} {
			if text, ok := token[name].(string); !ok || strings.Contains(everything, text) {
				t.Errorf("after the sign-out, the page has the %s %v", name, token[name])
			}
		}
	}
}

func TestAnAdminSignsInAtTheIssuer(t *testing.T) {
	browsertest.SetUser(t, map[string]any{"sub": "grace", "role": "admin"}, nil)
	p := browsertest.Open(t, browsertest.Wide, "console/")
	visit(p)
	p.Wait("Admin")
	p.Wait("Users")
	// Only a pasted key ends without input: the issuer bounds the life of its tokens.
	p.WaitGone("15 minutes")
}

func TestAWrongAnswerOfTheIssuerSignsNobodyIn(t *testing.T) {
	for name, c := range map[string]struct {
		back  func(url.Values)
		token func(map[string]any)
		want  string
	}{
		"a refusal": {func(v url.Values) {
			v.Del("code")
			v.Set("error", "access_denied")
			v.Set("error_description", "<b>No</b> 💥")
		}, nil, "The issuer refused: <b>No</b> 💥."},
		"another issuer": {func(v url.Values) { v.Set("iss", "https://evil.example") }, nil, "Another issuer has answered."},
		"a wrong code":   {func(v url.Values) { v.Set("code", "wrong") }, nil, "The issuer refused: invalid_grant."},
		"a wrong nonce": {nil, func(a map[string]any) { a["id_token"].(map[string]any)["nonce"] = "wrong" },
			"The issuer's answer belongs to another sign-in."},
		"another client": {nil, func(a map[string]any) { a["id_token"].(map[string]any)["aud"] = "another" },
			"The issuer's answer belongs to another sign-in."},
		"another audience": {nil, func(a map[string]any) { a["access_token"].(map[string]any)["aud"] = "another" },
			"The service does not accept the issuer's token."},
	} {
		t.Run(name, func(t *testing.T) {
			browsertest.SetUser(t, map[string]any{"sub": "eve"}, func(back url.Values, token map[string]any) {
				if back != nil && c.back != nil {
					c.back(back)
				}
				if token != nil && c.token != nil {
					c.token(token)
				}
			})
			p := browsertest.Open(t, browsertest.NarrowDark, "console/")
			visit(p)
			p.Wait(c.want)
			p.Axe()
			p.WaitGone("Sign out")
		})
	}
}

// An answer with a state that this page has not made is meant for another page, or is an attack.
func TestAnAnswerWithAForeignStateIsIgnored(t *testing.T) {
	browsertest.SetUser(t, map[string]any{"sub": "eve"}, func(back url.Values, _ map[string]any) {
		if back != nil {
			back.Set("state", "a state of another page")
		}
	})
	p := browsertest.Open(t, browsertest.Wide, "console/")
	visit(p)
	p.Wait("Go on in the window that has opened.")
	time.Sleep(time.Second)
	p.Wait("Go on in the window that has opened.")
	p.Click("Cancel")
	p.WaitGone("Go on in the window that has opened.")
	p.SignIn(browsertest.Root)
}

// The token ends while a person works. Signing in again loses nothing, and the work goes on.
func TestTheTokenEndsDuringWork(t *testing.T) {
	expires := func(at int64) { browsertest.SetUser(t, map[string]any{"sub": "linus", "exp": at}, nil) }
	expires(time.Now().Add(3 * time.Second).Unix())
	p := browsertest.Open(t, browsertest.Narrow, "console/")
	visit(p)
	p.Wait("There are no keys yet")
	time.Sleep(4 * time.Second)
	p.Fill("Search", "half a wo")
	p.Wait("Sign in again to go on; nothing that you typed is lost.")
	p.Axe()
	p.Fits()
	p.Shot("sign-in-again")
	p.Click("Close")
	p.Wait("If you do not sign in again")
	p.Click("Stay here")
	expires(time.Now().Add(time.Minute).Unix())
	visit(p)
	p.Wait("No key matches these filters.")
	if got := p.Value("Search"); got != "half a wo" {
		t.Errorf("the search is %q", got)
	}
}

// Another caller who signs in during the work of the first one sees nothing of it.
func TestAnotherCallerBeginsAnew(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "console/")
	many := &manyKeys{count: 3}
	p.Fault(many.answer)
	p.SignIn(browsertest.Root)
	p.Wait("service 1")
	p.Refuse("GET", "/api-keys", 401, "invalid_api_key", "The key was revoked")
	p.Fill("Search", "half a wo")
	p.Wait("Sign in again to go on")
	p.Fault(nil)
	browsertest.SetUser(t, map[string]any{"sub": "mallory"}, nil)
	visit(p)
	p.Wait("There are no keys yet")
	if got := p.Value("Search"); got != "" || strings.Contains(p.Everything(), "service 1") {
		t.Errorf("the search is %q, and the page has\n%s", got, p.Text())
	}
}
