//go:build browser

package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/internal/browsertest"
)

func TestRotate(t *testing.T) {
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p, id, old := keyPage(t, look, `{"name":"rotated","userId":"anna"}`)
		p.Click("Rotate")
		p.Wait("The present token still works for")
		p.Axe()
		p.Fits()
		p.Shot("rotate")
		p.Click("Other")
		p.Fill("Time", "31")
		p.Click("Rotate")
		p.Wait("at most 30 days")
		p.Click("7 days")
		p.Click("Rotate")
		token := shownToken(p)
		p.Wait("The older token works until")
		p.Axe()
		p.Shot("rotated")
		works(t, token, http.StatusOK)
		works(t, old, http.StatusOK)
		p.Click("I have stored the token")
		p.Click("Done")
		p.Until(`/Older.*last used/s.test(document.querySelector(".tokens").innerText)`)
		if all := p.Everything(); strings.Contains(all, token) {
			t.Error("the page still has the token")
		}
		if got := api(t, "GET", id, "")["id"]; got != id {
			t.Errorf("the id is %v", got)
		}
		p.Axe()
		p.Shot("key-rotated")

		p.Click("Rotate")
		p.Wait("at most two may work")
		p.Axe()
		p.Shot("rotate-again")
		p.Click("End grace now")
		p.WaitGone("at most two may work")
		p.Click("None: it ends now")
		p.Click("Rotate")
		last := shownToken(p)
		p.Wait("The older token has ended.")
		p.Click("I have stored the token")
		p.Click("Done")
		time.Sleep(time.Second) // FRESHNESS of the stack
		works(t, last, http.StatusOK)
		works(t, token, http.StatusUnauthorized)
		works(t, old, http.StatusUnauthorized)
	})
}

// works fails the test if a request with a token is not answered with a status.
func works(t *testing.T, token string, want int) {
	t.Helper()
	if status, _ := browsertest.Call(t, token, "GET", "api/v1/whoami", ""); status != want {
		t.Errorf("a token is answered with %d, want %d", status, want)
	}
}

func TestEndGrace(t *testing.T) {
	id, old := browsertest.Create(t, `{"name":"ends"}`)
	api(t, "POST", id+"/rotate", `{}`)
	p := browsertest.Open(t, browsertest.Narrow, "console/")
	p.SignIn(browsertest.Root)
	p.Go("#/keys/" + id)
	p.Click("End grace now")
	p.WaitGone("End grace now")
	p.Until(`!document.querySelector(".tokens").innerText.includes("Older")`)
	time.Sleep(time.Second) // FRESHNESS of the stack
	works(t, old, http.StatusUnauthorized)
}

// TestARotationIsOfWhatWasSeen changes the key behind the dialog.
func TestARotationIsOfWhatWasSeen(t *testing.T) {
	p, id, old := keyPage(t, browsertest.Wide, `{"name":"seen"}`)
	p.Click("Rotate")
	p.Click("1 hour")
	api(t, "PATCH", id, `{"name":"changed behind"}`)
	p.Click("Rotate")
	p.Wait("Someone else changed it in the meantime")
	p.Axe()
	p.Click("Show the key as it is now")
	p.Wait("changed behind")
	works(t, old, http.StatusOK)
	p.Refuse("POST", "/rotate", 503, "unavailable", "The service cannot decide now", "X-Amzn-RequestId: request-4711")
	p.Click("Rotate")
	p.Click("1 hour")
	p.Click("Rotate")
	p.Wait("request-4711")
	p.Fault(nil)
	p.Click("Rotate")
	shownToken(p)
}

// TestRotateTheKeyOfTheCaller goes on with the new token.
func TestRotateTheKeyOfTheCaller(t *testing.T) {
	id, token := browsertest.Create(t, `{"name":"own","userId":"own","scopes":["keys:read","keys:write"]}`)
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.SignIn(token)
	p.Go("#/keys/" + id)
	p.Wait("Remaining now")
	p.Click("Rotate")
	p.Wait("You are signed in with this key")
	p.Click("None: it ends now")
	p.Click("Rotate")
	shownToken(p)
	p.Click("I have stored the token")
	p.Click("Done")
	time.Sleep(time.Second) // FRESHNESS of the stack
	p.Click("Disable")
	p.Wait("You have disabled the key that you were signed in with")
}
