//go:build browser

package console_test

import (
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
