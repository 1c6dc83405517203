//go:build browser

package console_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"latchkey/internal/browsertest"
)

// hardName has all that a page may get wrong: markup, quotes, letters from right to left, and an emoji.
const hardName = `<script>alert(1)</script> "it's" שלום 🔑`

// create opens the list as an admin and the dialog that creates a key.
func create(t *testing.T, look browsertest.Look) *browsertest.Page {
	t.Helper()
	p := browsertest.Open(t, look, "console/")
	p.SignIn(browsertest.Root)
	p.Click("Create key")
	p.Wait("Create a key")
	return p
}

// shownToken returns the token that the panel shows.
func shownToken(p *browsertest.Page) (token string) {
	p.Wait("It is never shown again.")
	p.Eval(`return document.querySelector("dialog pre").innerText`, &token)
	return token
}

func TestCreateShowsATokenOnce(t *testing.T) {
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p := create(t, look)
		p.Axe()
		p.Fits()
		p.Shot("create")
		p.Fill("Name", hardName)
		p.Fill("Owner", "anna")
		p.Fill("Another scope", "tts stt")
		p.Press(kb.Enter)
		p.Click("Own limit")
		p.Fill("Rate limit: requests", "100")
		p.Click("Per month")
		p.Fill("Quota: requests", "5000")
		p.Click("30 days")
		p.Click("More")
		fillByKeyboard(p)
		p.Axe()
		p.Fits()
		p.Shot("create-filled")
		p.Click("Create key")

		token := shownToken(p)
		p.Axe()
		p.Fits()
		p.Shot("shown")
		_, verdict := browsertest.Call(t, browsertest.Root, "POST", "api/v1/api-keys/validate",
			`{"apiKey":"`+token+`","sourceIp":"192.0.2.7"}`)
		if verdict["valid"] != true || verdict["name"] != hardName || verdict["userId"] != "anna" {
			t.Fatalf("the token is judged as %v", verdict)
		}
		keepsOpen(t, p)
		p.Shot("shown-question")
		p.Click("Stay here")
		p.Click("I have stored the token")
		p.Click("Done")
		p.WaitGone("It is never shown again.")
		p.Wait("Remaining now")
		p.Wait(hardName)
		p.Axe()
		p.Fits()
		p.Shot("key-new")
		if all := p.Everything(); strings.Contains(all, token) || strings.Contains(all, token[24:]) {
			t.Error("the page still has the token")
		}

		_, record := browsertest.Call(t, browsertest.Root, "GET", "api/v1/api-keys/"+verdict["keyId"].(string), "")
		for field, want := range map[string]string{
			"scopes": "[tts stt]", "allowedCidrs": "[192.0.2.0/24 2001:db8::/32]", "metadata": "map[team:builds]",
			"environment": "live",
		} {
			if got := sprint(record[field]); got != want {
				t.Errorf("%s is %s, want %s", field, got, want)
			}
		}
	})
}

// fillByKeyboard fills the lists with keys alone: Enter adds a row, and the focus follows.
func fillByKeyboard(p *browsertest.Page) {
	p.Click("Add a network")
	p.Until(`document.activeElement.getAttribute("aria-label") === "Network 1"`)
	p.Press("192.0.2.0/24")
	p.Press(kb.Enter)
	p.Until(`document.activeElement.getAttribute("aria-label") === "Network 2"`)
	p.Press("2001:db8::/32")
	p.Press(kb.Enter)
	p.Press(kb.Tab) // the third row is empty: its button removes it
	p.Until(`document.activeElement.getAttribute("aria-label") === "Remove network 3"`)
	p.Press(kb.Enter)
	p.Until(`document.activeElement.getAttribute("aria-label") === "Network 2"`)
	p.Click("Add an entry")
	p.Until(`document.activeElement.getAttribute("aria-label") === "Entry 1: name"`)
	p.Press("team")
	p.Press(kb.Tab)
	p.Press("builds")
}

// keepsOpen fails the test if something closes the panel by accident.
func keepsOpen(t *testing.T, p *browsertest.Page) {
	t.Helper()
	for range 3 { // a browser closes a dialog at the second Escape unless the page prevents that
		p.Press(kb.Escape)
	}
	p.Wait("Close anyway")
	p.Wait("It is never shown again.")
	p.Go("#/audit")
	p.Wait("It is never shown again.")
	var prevented bool
	p.Eval(`return !dispatchEvent(new Event("beforeunload", {cancelable: true}))`, &prevented)
	if !prevented {
		t.Error("the browser does not ask before the page is left")
	}
}

// TestATokenLeavesMemory reads the memory of the page: after the panel closes, nothing has the token.
func TestATokenLeavesMemory(t *testing.T) {
	p := create(t, browsertest.Wide)
	p.Fill("Name", "memory")
	p.Click("Create key")
	token := shownToken(p)
	if !strings.Contains(p.Heap(), token) {
		t.Fatal("the token is not in memory while it is shown, so this test could not fail")
	}
	p.Click("I have stored the token")
	p.Click("Done")
	p.Wait("Remaining now")
	p.Eval("document.activeElement.blur(), 0", nil)
	if strings.Contains(p.Heap(), token) {
		t.Error("the token is still in the memory of the page")
	}
}

func TestCreateShowsErrorsWhereTheyBelong(t *testing.T) {
	p := create(t, browsertest.Wide)
	p.Click("Own limit")
	p.Fill("Rate limit: requests", "many")
	p.Click("Create key")
	p.Wait("The number of requests must be a whole number of at least 1")
	p.Axe()
	p.Fill("Rate limit: requests", "99999999")
	p.Click("Create key")
	wrong(p, "Rate limit", "rateLimit.requests")
	p.Fill("Rate limit: requests", "10")
	p.Fill("Owner", "latchkey:plans")
	p.Click("Create key")
	p.Until(`document.querySelector("input[name=userId]").getAttribute("aria-invalid") === "true"`)
	p.Until(`document.activeElement.name === "userId"`)
	p.Fill("Owner", "")
	p.Click("More")
	p.Click("Add a network")
	p.Fill("Network 1", "everywhere")
	p.Click("More") // closed: an error in it opens it again
	p.Click("Create key")
	wrong(p, "Allowed networks", "allowedCidrs must be")
	p.Axe()
	p.Shot("create-error")
	p.Fill("Network 1", "192.0.2.1")
	p.Click("Add an entry")
	p.Fill("Entry 1: value", "without a name")
	p.Click("Create key")
	wrong(p, "Metadata", "must not have an empty name")
	p.Fill("Entry 1: name", "team")
	p.Fill("Entry 1: value", strings.Repeat("é", 1025))
	p.Click("Create key")
	wrong(p, "Metadata", "at most 2048 bytes")
	p.Fill("Entry 1: value", "x")
	p.Fill("Plan", "no-such-plan")
	p.Click("Create key")
	p.Wait("plan does not exist")
	p.Fill("Plan", "")
	p.Click("Create key")
	shownToken(p)
}

// wrong waits until a group of inputs has an error and the focus.
func wrong(p *browsertest.Page, legend, text string) {
	p.Until(`[...document.querySelectorAll("fieldset[data-invalid]")].some((e) => e.querySelector("legend").innerText === "` + legend +
		`" && e.innerText.includes("` + text + `") && e.contains(document.activeElement))`)
}

// TestAUserSeesWhatAUserMayGrant signs in with a key of a customer, up to the last key that fits.
func TestAUserSeesWhatAUserMayGrant(t *testing.T) {
	_, token := browsertest.Create(t, `{"name":"mine","userId":"full","scopes":["keys:read","keys:write","tts"]}`)
	p := browsertest.Open(t, browsertest.Narrow, "console/")
	p.SignIn(token)
	p.Click("Create key")
	p.Wait("Create a key")
	for _, absent := range []string{"Owner", "Environment", "Unlimited", "keys:admin"} {
		if strings.Contains(p.DialogText(), absent) {
			t.Errorf("a user is offered %q", absent)
		}
	}
	p.Click("tts")
	p.Fill("Name", "second")
	for n := 2; n <= 20; n++ {
		status, answer := browsertest.Call(t, token, "POST", "api/v1/api-keys", `{"name":"key `+strconv.Itoa(n)+`"}`)
		if status != http.StatusCreated {
			t.Fatalf("key %d: %d %v", n, status, answer)
		}
	}
	p.Click("Create key")
	p.Wait("This cannot be done now.")
	p.Wait("Revoke or delete one")
	p.Axe()
	p.Fits()
	p.Shot("create-full")
	if got := p.Value("Name"); got != "second" {
		t.Errorf("the name is %q after the refusal", got)
	}
}

// TestALostAnswerMakesNoSecondKey breaks the connection after the key is made. Trying again shows the
// token of the same key.
func TestALostAnswerMakesNoSecondKey(t *testing.T) {
	p := create(t, browsertest.Wide)
	p.Fill("Name", "lost answer")
	p.Fill("Owner", "lost")
	var posts atomic.Int32
	var broken atomic.Bool
	broken.Store(true)
	p.Fault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" || r.Header.Get("Again") != "" {
			return false
		}
		posts.Add(1)
		if !broken.Load() {
			return false
		}
		again, err := http.NewRequest("POST", "http://"+r.Host+"/api/v1/api-keys", r.Body)
		if err != nil {
			t.Error(err)
			return false
		}
		again.Header = r.Header.Clone()
		again.Header.Set("Again", "1")
		response, err := http.DefaultClient.Do(again)
		if err != nil {
			t.Error(err)
			return false
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		panic(http.ErrAbortHandler)
	})
	p.Click("Create key")
	p.Wait("latchkey does not answer")
	p.Axe()
	broken.Store(false)
	p.Click("Create key")
	shownToken(p)
	_, list := browsertest.Call(t, browsertest.Root, "GET", "api/v1/api-keys?userId=lost", "")
	if n := len(list["data"].([]any)); n != 1 || posts.Load() < 2 {
		t.Errorf("%d keys after %d requests, want 1 after at least 2", n, posts.Load())
	}
}

func TestCreateOnBadDays(t *testing.T) {
	p := create(t, browsertest.Narrow)
	p.Fill("Name", "bad days")
	p.Refuse("POST", "api-keys", 429, "rate_limit_exceeded", "Rate limit exceeded. Try again in 2 seconds.", "Retry-After: 2")
	p.Click("Create key")
	p.Wait("Too many requests")
	p.Wait("Try again in 1 s")
	p.Refuse("POST", "api-keys", 503, "unavailable", "The service cannot decide now", "X-Amzn-RequestId: request-4711")
	p.Click("Create key")
	p.Wait("request-4711")
	p.Axe()
	p.Fits()
	p.Shot("create-unavailable")
	if got := p.Value("Name"); got != "bad days" {
		t.Errorf("the name is %q after a 503", got)
	}
	p.Press(kb.Escape)
	p.Wait("What you typed is lost")
	p.Click("Stay here")
	p.Fault(nil)
	p.Click("Create key")
	shownToken(p)
}

func sprint(value any) string { return fmt.Sprint(value) }

// TestAMemberCreatesAKeyForTheTeam signs in at the issuer, so the caller has no key.
func TestAMemberCreatesAKeyForTheTeam(t *testing.T) {
	browsertest.SetUser(t, map[string]any{"sub": "linus", "groups": []string{"kernel"}}, nil)
	p := browsertest.Open(t, browsertest.WideDark, "console/")
	visit(p)
	p.Click("Create key")
	p.Wait("Create a key")
	p.Axe()
	p.Fill("Owner", "team:kernel")
	p.Click("stt")
	p.Click("Create key")
	token := shownToken(p)
	_, who := browsertest.Call(t, token, "GET", "api/v1/whoami", "")
	if who["userId"] != "team:kernel" || sprint(who["scopes"]) != "[stt]" {
		t.Errorf("the key is of %v with %v", who["userId"], who["scopes"])
	}
}

// TestTheDialogKnowsWhatTheCallersKeyMayGrant signs in with a key that is bounded in all ways.
func TestTheDialogKnowsWhatTheCallersKeyMayGrant(t *testing.T) {
	_, token := browsertest.Create(t, `{"name":"bounded","userId":"bounded","scopes":["keys:read","keys:write","tts:*"],"expiresInDays":10,
		"rateLimit":{"requests":600,"window":60},"quota":{"requests":1000,"period":"month"},"allowedCidrs":["127.0.0.0/8"]}`)
	p := browsertest.Open(t, browsertest.NarrowDark, "console/")
	p.SignIn(token)
	p.Click("Create key")
	p.Wait("At the latest")
	var late []string
	p.Eval(`return [...document.querySelectorAll("dialog input[type=radio]:disabled")].map((e) => e.value)`, &late)
	if sprint(late) != "[30 90 365]" {
		t.Errorf("the presets that are too late are %v", late)
	}
	p.Click("Own limit")
	p.Wait("At most 600 each minute")
	p.Click("Per month")
	p.Wait("At most 1,000 each month")
	p.Click("More")
	p.Wait("They must be within 127.0.0.0/8")
	p.Fill("Another scope", "tts:speak")
	p.Press(kb.Enter)
	p.Fill("Rate limit: requests", "601")
	p.Click("Create key")
	wrong(p, "Rate limit", "rateLimit must be within")
	p.Axe()
	p.Shot("create-bounded")
	p.Fill("Rate limit: requests", "600")
	p.Fill("Quota: requests", "1000")
	p.Click("Create key")
	_, who := browsertest.Call(t, shownToken(p), "GET", "api/v1/whoami", "")
	if sprint(who["scopes"]) != "[tts:speak]" {
		t.Errorf("the key has the scopes %v", who["scopes"])
	}
}
