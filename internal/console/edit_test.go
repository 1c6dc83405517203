//go:build browser

package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"latchkey/internal/browsertest"
)

func TestEdit(t *testing.T) {
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p, id, _ := keyPage(t, look, `{"name":"before","userId":"anna","scopes":["tts"],"rateLimit":{"requests":100,"window":60},
			"metadata":{"team":"builds","gone":"soon"},"allowedCidrs":["192.0.2.0/24"],"expiresInDays":90}`)
		p.Click("Edit")
		p.Until(`document.activeElement.name === "name"`)
		p.Axe()
		p.Fits()
		p.Shot("edit")
		p.Fill("Name", hardName)
		p.Fill("Rate limit: requests", "200")
		p.Click("Remove network 1")
		p.Fill("Entry 2: value", "more")
		p.Click("Save")
		closed(p)
		p.Wait(hardName)
		p.Until(`document.activeElement.innerText === "Edit"`)
		record := api(t, "GET", id, "")
		for field, want := range map[string]string{"name": hardName, "allowedCidrs": "[]", "scopes": "[tts]"} {
			if got := sprint(record[field]); got != want {
				t.Errorf("%s is %s, want %s", field, got, want)
			}
		}
		if record["expiresAt"] == nil {
			t.Error("the expiry is lost, which nobody changed")
		}
	})
}

// TestOnlyChangesAreSent changes one field of a key that has all fields.
func TestOnlyChangesAreSent(t *testing.T) {
	p, id, _ := keyPage(t, browsertest.Wide, `{"name":"all set","userId":"anna","description":"Builds","scopes":["tts"],"rateLimit":{"requests":7,"window":7},
		"limits":[{"amount":1000,"window":3600}],"quota":{"requests":5000,"period":"lifetime"},"metadata":{"__proto__":"x"},
		"allowedCidrs":["192.0.2.0/24"],"expiresAt":"2099-01-31T12:34:56.789Z","notBefore":"2026-01-02T03:04:05.678Z"}`)
	p.Click("Edit")
	p.Fill("Description", "")
	p.Click("Save")
	closed(p)
	entries := api(t, "GET", id+"/audit", "")["data"].([]any)
	entry := entries[0].(map[string]any)
	if changes := entry["changes"].(map[string]any); len(changes) != 1 || changes["description"] == nil {
		t.Errorf("the edit changed %v", changes)
	}
}

func TestAConflictShowsBothVersions(t *testing.T) {
	inLooks(t, browsertest.WideDark, browsertest.Narrow, func(t *testing.T, look browsertest.Look) {
		p, id, _ := keyPage(t, look, `{"name":"before","description":"old","quota":{"requests":5000,"period":"month"}}`)
		edit := func(mine string) {
			p.Click("Edit")
			p.Fill("Name", mine)
			p.Click("Per day")
		}
		edit("mine")
		api(t, "PATCH", id, `{"name":"theirs","description":"new"}`)
		p.Click("Save")
		p.Wait("Someone else changed this key while you edited it")
		p.Wait("Choose for Name")
		p.Axe()
		p.Fits()
		p.Shot("conflict")
		p.Click("Back to the form")
		if got := p.Value("Name"); got != "mine" {
			t.Errorf("the name is %q back in the form", got)
		}
		p.Click("Save")
		p.Click("Name: Yours")
		p.Click("Save these choices")
		closed(p)
		record := api(t, "GET", id, "")
		quota, _ := record["quota"].(map[string]any)
		if record["name"] != "mine" || record["description"] != "new" || quota["period"] != "day" {
			t.Errorf("after the choices: %v", record)
		}

		edit("mine again")
		api(t, "PATCH", id, `{"name":"theirs again"}`)
		p.Click("Save")
		p.Click("Take theirs")
		p.Wait("theirs again")
		if got := api(t, "GET", id, "")["name"]; got != "theirs again" {
			t.Errorf("the name is %v after theirs was taken", got)
		}
	})
}

// TestSignInMidEdit revokes the key that the caller is signed in with while a form is filled.
func TestSignInMidEdit(t *testing.T) {
	mine, token := browsertest.Create(t, `{"name":"mine","userId":"mid-edit","scopes":["keys:read","keys:write"]}`)
	_, next := browsertest.Create(t, `{"name":"next","userId":"mid-edit","scopes":["keys:read","keys:write"]}`)
	id, _ := browsertest.Create(t, `{"name":"edited","userId":"mid-edit"}`)
	p := browsertest.Open(t, browsertest.Narrow, "console/")
	p.SignIn(token)
	p.Go("#/keys/" + id)
	p.Wait("Remaining now")
	p.Click("Edit")
	p.Fill("Name", "typed before")
	api(t, "POST", mine+"/revoke", "")
	time.Sleep(time.Second) // FRESHNESS of the stack
	p.Click("Save")
	p.Wait("Sign in again")
	p.Axe()
	p.Shot("edit-signed-out")
	p.Fill("API key", next)
	p.Click("Sign in with this key")
	p.Wait("typed before")
	closed(p)
	if got := api(t, "GET", id, "")["name"]; got != "typed before" {
		t.Errorf("the name is %v", got)
	}
}

func TestEditOnBadDays(t *testing.T) {
	p, id, _ := keyPage(t, browsertest.Wide, `{"name":"bad days"}`)
	p.Click("Edit")
	p.Fill("Name", strings.Repeat("n", 256))
	p.Click("Save")
	p.Until(`document.querySelector("input[name=name]").getAttribute("aria-invalid") === "true"`)
	p.Fill("Name", "typed")
	p.Refuse("PATCH", "", 0, "", "")
	p.Click("Save")
	p.Wait("Nothing that you typed is lost")
	p.Refuse("PATCH", "", 503, "unavailable", "The service cannot decide now", "X-Amzn-RequestId: request-4711")
	p.Click("Save")
	p.Wait("request-4711")
	p.Refuse("PATCH", "", 429, "rate_limit_exceeded", "Rate limit exceeded. Try again in 2 seconds.", "Retry-After: 2")
	p.Click("Save")
	p.Wait("Try again in 1 s")
	p.Press(kb.Escape)
	p.Wait("Discard your changes?")
	p.Click("Stay here")
	p.Fault(nil)
	api(t, "POST", id+"/revoke", "")
	p.Click("Save")
	p.Wait("Someone else changed this key")
	p.Click("Save these choices")
	p.Wait("The API key is revoked or has expired")
	p.Axe()
	p.Click("Take theirs")
	badge(p, "Revoked")
}

// TestAnEditIsNeverSentTwice presses the button twice.
func TestAnEditIsNeverSentTwice(t *testing.T) {
	p, _, _ := keyPage(t, browsertest.Wide, `{"name":"twice"}`)
	patches := make(chan struct{}, 10)
	p.Fault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PATCH" {
			patches <- struct{}{}
			time.Sleep(300 * time.Millisecond)
		}
		return false
	})
	p.Click("Edit")
	p.Fill("Name", "once")
	p.Eval(`for (let i = 0; i < 3; i++) document.querySelector("dialog form").requestSubmit(); return 0`, nil)
	closed(p)
	if n := len(patches); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// closed waits until no dialog is open.
func closed(p *browsertest.Page) { p.Until(`!document.querySelector("dialog")`) }
