//go:build browser

package manual_test

import (
	"strings"
	"testing"

	"latchkey/internal/browsertest"
)

// A developer signs in with a key of their own, creates a key and rotates it. With SCREENSHOTS=folder,
// make browser takes the pictures of the manual in this test: see internal/docs/doc.go.
func TestADeveloperHelpsThemselvesAsTheManualSays(t *testing.T) {
	look := browsertest.Wide
	_, own := browsertest.Create(t, `{"name":"console","userId":"erin","scopes":["keys:read","keys:write","tts","stt"],"rateLimit":{"requests":1000,"window":60}}`)
	for _, fields := range []string{
		`{"name":"mobile app","userId":"erin","scopes":["tts"],"expiresInDays":5}`,
		`{"name":"nightly build","userId":"erin","scopes":["stt"],"rateLimit":{"requests":50,"window":60},"quota":{"requests":10000,"period":"month"}}`,
		`{"name":"old laptop","userId":"erin","scopes":["tts","stt"],"enabled":false}`,
	} {
		_, token := browsertest.Create(t, fields)
		for range 12 {
			browsertest.Call(t, token, "GET", "api/v1/whoami", "")
		}
	}
	p := browsertest.Open(t, look, "console/")
	p.SignIn(own)
	p.Wait("old laptop")
	for _, view := range []string{"Users", "Limits"} {
		if strings.Contains(p.Text(), view) {
			t.Errorf("a developer sees %s", view)
		}
	}
	p.Shot("screen-keys")
	p.Click("Create key")
	p.Wait("Create a key")
	p.Fill("Name", "reading service")
	p.Shot("screen-create")
	p.Click("Create key")
	p.Wait("It is never shown again.")
	p.Shot("screen-token")
	p.Click("I have stored the token")
	p.Click("Done")
	p.WaitGone("It is never shown again.")
	p.Wait("Remaining now")
	p.Click("Rotate")
	p.Wait("The present token still works for")
	p.Shot("screen-rotate")
	p.Click("7 days")
	p.Click("Rotate")
	p.Wait("It is never shown again.")
	p.Click("I have stored the token")
	p.Click("Done")
	p.Until(`document.querySelector(".tokens").innerText.includes("Older")`)
	p.Shot("screen-key")
}
