//go:build browser

package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"latchkey/internal/browsertest"
)

// keyPage makes a key and opens its page as an admin.
func keyPage(t *testing.T, look browsertest.Look, fields string) (p *browsertest.Page, id, token string) {
	t.Helper()
	id, token = browsertest.Create(t, fields)
	p = browsertest.Open(t, look, "console/")
	p.SignIn(browsertest.Root)
	p.Go("#/keys/" + id)
	p.Wait("Remaining now")
	return p, id, token
}

// api sends a request as an admin, and fails the test if it does not succeed.
func api(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	status, answer := browsertest.Call(t, browsertest.Root, method, "api/v1/api-keys/"+path, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

func TestAKeyShowsWhatRemains(t *testing.T) {
	inLooks(t, browsertest.WideDark, browsertest.Narrow, func(t *testing.T, look browsertest.Look) {
		p, id, token := keyPage(t, look, `{"name":"builds","userId":"anna","scopes":["tts"],"rateLimit":{"requests":100,"window":60},
			"limits":[{"amount":1000,"window":3600}],"quota":{"requests":5000,"period":"month"},"metadata":{"team":"builds"},"expiresInDays":90}`)
		p.Wait("100 left")
		p.Wait("5,000 left")
		p.Wait("1,000 left")
		for range 3 {
			browsertest.Call(t, browsertest.Root, "POST", "api/v1/api-keys/validate", `{"apiKey":"`+token+`","cost":10}`)
		}
		api(t, "PATCH", id, `{"name":"builds and deploys"}`)
		p.WaitGone("100 left") // the page reads it again by itself
		p.Wait("full again")
		p.Wait("builds and deploys")
		p.Wait("changed the key")
		p.Wait("from 127.0.0.1")
		p.Click("90 days")
		p.Until(`document.querySelectorAll(".bars tbody tr").length === 90`)
		p.Click("With these fields")
		p.Axe()
		p.Fits()
		p.Shot("key")
	})
}

// badge waits until the key has a status.
func badge(p *browsertest.Page, status string) {
	p.Until(`document.querySelector("h1 .badge")?.innerText === "` + status + `"`)
}

// TestPollingStopsWhileHidden hides the page as another tab does.
func TestPollingStopsWhileHidden(t *testing.T) {
	p, id, _ := keyPage(t, browsertest.Wide, `{"name":"hidden"}`)
	var reads atomic.Int32
	p.Fault(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, id) {
			reads.Add(1)
		}
		return false
	})
	hide := func(hidden string) {
		p.Eval(`Object.defineProperty(document, "hidden", {value: `+hidden+`, configurable: true});
			document.dispatchEvent(new Event("visibilitychange")); return 0`, nil)
	}
	hide("true")
	time.Sleep(200 * time.Millisecond) // a read that was on its way
	before := reads.Load()
	time.Sleep(6 * time.Second)
	if n := reads.Load() - before; n != 0 {
		t.Errorf("%d reads while the page is hidden", n)
	}
	hide("false")
	for end := time.Now().Add(2 * time.Second); reads.Load() == before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no read after the page is visible again")
		}
	}
}

func TestDisableEnableRevokeDelete(t *testing.T) {
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p, id, token := keyPage(t, look, `{"name":`+fmt.Sprintf("%q", hardName)+`}`)
		p.Click("Disable")
		badge(p, "Disabled")
		if status, _ := browsertest.Call(t, token, "GET", "api/v1/whoami", ""); status != http.StatusUnauthorized {
			t.Errorf("a disabled key: %d", status)
		}
		p.Click("Enable")
		badge(p, "Active")

		p.Click("Revoke")
		p.Wait("Revoking cannot be undone.")
		p.Axe()
		p.Fits()
		p.Shot("revoke")
		p.Fill("Type", "another name")
		p.Press(kb.Enter)
		p.Wait("Revoking cannot be undone.")
		p.Press(kb.Escape)
		p.WaitGone("Revoking cannot be undone.")
		p.Until(`document.activeElement.innerText === "Revoke"`)
		p.Click("Revoke")
		p.Fill("Reason", "laptop was stolen")
		p.Fill("Type", hardName)
		p.Click("Revoke key")
		badge(p, "Revoked")
		p.Wait("laptop was stolen")
		p.WaitGone("Rotate")
		if got := api(t, "GET", id, "")["status"]; got != "revoked" {
			t.Errorf("the status is %v", got)
		}
		p.Axe()
		p.Shot("key-revoked")

		p.Click("Delete")
		p.Wait("Deleting cannot be undone.")
		p.Axe()
		p.Fits()
		p.Shot("delete")
		p.Fill("Type", hardName)
		p.Click("Delete key")
		p.Until(`location.hash === "#/keys"`)
		if status, _ := browsertest.Call(t, browsertest.Root, "GET", "api/v1/api-keys/"+id, ""); status != http.StatusNotFound {
			t.Errorf("a deleted key: %d", status)
		}
	})
}

func TestAReaderIsOfferedNoChange(t *testing.T) {
	_, token := browsertest.Create(t, `{"name":"reader","userId":"reads","scopes":["keys:read"]}`)
	id, _ := browsertest.Create(t, `{"name":"other","userId":"reads"}`)
	api(t, "POST", id+"/rotate", `{}`)
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.SignIn(token)
	p.Go("#/keys/" + id)
	p.Wait("not used since the rotation")
	for _, verb := range []string{"Edit", "Rotate", "Disable", "Revoke", "Delete", "End grace now"} {
		var n int
		p.Eval(`return [...document.querySelectorAll("button")].filter((b) => b.innerText === "`+verb+`").length`, &n)
		if n > 0 {
			t.Errorf("a reader is offered %s", verb)
		}
	}
}

func TestAKeyThatSomeoneDeletes(t *testing.T) {
	p, id, _ := keyPage(t, browsertest.Narrow, `{"name":"gone"}`)
	p.Click("Edit")
	p.Fill("Name", "gone too late")
	api(t, "DELETE", id, "")
	p.Click("Save")
	p.Wait("No such API key")
	if got := p.Value("Name"); got != "gone too late" {
		t.Errorf("the name is %q after the refusal", got)
	}
	p.Axe()
	p.Shot("edit-gone")
	p.Click("Cancel")
	p.WaitGone("Rotate")
	p.Wait("Not found.")
	p.Go("#/keys/no-such-key")
	p.Wait("No such API key")
	p.Axe()
	p.Shot("key-none")
	p.Click("← All keys")
	p.Until(`location.hash === "#/keys"`)
}

func TestAKeyPageOnBadDays(t *testing.T) {
	p, id, _ := keyPage(t, browsertest.Wide, `{"name":"bad days"}`)
	p.Refuse("", "", 0, "", "")
	p.Wait("not up to date") // the next read fails, and the figures stay
	p.Wait("bad days")
	p.Click("Disable")
	p.Wait("latchkey does not answer")
	p.Axe()
	p.Shot("key-offline")
	p.Fault(nil)
	p.Click("Try again")
	badge(p, "Disabled")
	if got := api(t, "GET", id, "")["enabled"]; got != false {
		t.Errorf("enabled is %v", got)
	}
	p.Refuse("GET", "/usage", 429, "rate_limit_exceeded", "Rate limit exceeded. Try again in 2 seconds.", "Retry-After: 2")
	p.Click("90 days")
	p.Wait("Try again in 1 s")
	p.Fault(nil)
	p.Click("Try again")
	p.Until(`document.querySelectorAll(".bars tbody tr").length === 90`)
}

// inLooks runs a test in two looks: both widths, light and dark.
func inLooks(t *testing.T, one, other browsertest.Look, test func(t *testing.T, look browsertest.Look)) {
	t.Helper()
	for _, look := range []browsertest.Look{one, other} {
		t.Run(look.String(), func(t *testing.T) { test(t, look) })
	}
}

// TestUsageShowsWhatWasRefused answers for the service: its counts come a minute late.
func TestUsageShowsWhatWasRefused(t *testing.T) {
	id, _ := browsertest.Create(t, `{"name":"refused"}`)
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.SignIn(browsertest.Root)
	p.Fault(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/usage") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"total":1500,"data":[{"date":"2026-11-28","requests":500},{"date":"2026-11-29","requests":1000,
			"refused":{"rate_limited":20,"a_code_of_tomorrow":1}},{"date":"2026-11-30","requests":0,"refused":{"quota_exceeded":300}}]}`)
		return true
	})
	p.Go("#/keys/" + id)
	p.Wait("Refused, at least: 300 quota, 20 rate limit, 1 a_code_of_tomorrow.")
	p.Wait("1,500 requests, at most 1,000 a day")
	p.Until(`document.querySelector(".bars tbody").innerText.replace(/\s+/g, " ").includes("2026-11-29 1,000 21")`)
	p.Axe()
	p.Shot("key-refused")
}
