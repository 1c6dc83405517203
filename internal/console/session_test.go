//go:build browser

package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"latchkey/internal/browsertest"
)

func TestAnAdminKeyEndsWithoutInput(t *testing.T) {
	p := browsertest.Open(t, browsertest.NarrowDark, "console/")
	p.Fault((&manyKeys{count: 2}).answer)
	p.SignIn(browsertest.Root)
	p.Wait("You use an admin key: it may change the keys of all users.")
	p.Advance(14*time.Minute + 10*time.Second)
	p.Wait("You will be signed out within a minute")
	p.Axe()
	p.Press(kb.Shift)
	p.WaitGone("You will be signed out within a minute")
	p.Advance(14*time.Minute + 30*time.Second)
	p.Wait("You will be signed out within a minute")
	p.Advance(time.Minute)
	p.Wait("You were signed out after 15 minutes without input")
	if all := p.Everything(); strings.Contains(all, "service 1") || strings.Contains(all, browsertest.Root) {
		t.Errorf("after the end, the page has\n%s", all)
	}

	_, token := browsertest.Create(t, `{"userId":"idler","scopes":["keys:read"]}`)
	p.SignIn(token)
	p.Advance(time.Hour)
	time.Sleep(1500 * time.Millisecond)
	p.Wait("Sign out")
}

// A key without keys:read shows who it is, and no view.
func TestAKeyWithoutRightsSaysSo(t *testing.T) {
	_, token := browsertest.Create(t, `{"userId":"plain","name":"tts only","scopes":["tts"]}`)
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.SignIn(token)
	p.Wait("Your key works")
	p.Wait("It may not read keys.")
	p.Axe()
	p.Shot("no-rights")
	_, token = browsertest.Create(t, `{"userId":"plain","scopes":["keys:read"]}`)
	p.Click("Sign out")
	p.SignIn(token)
	p.Wait("tts only")
	if text := p.Text(); strings.Contains(text, "Create key") || strings.Contains(text, "Audit") {
		t.Errorf("a key that may read sees\n%s", text)
	}
}

// The token of the caller is in no place that lasts, neither during the work nor after it.
func TestTheCallersTokenIsNowhere(t *testing.T) {
	_, token := browsertest.Create(t, `{"userId":"canary","name":"canary","scopes":["keys:read","keys:write"]}`)
	p := browsertest.Open(t, browsertest.WideDark, "console/")
	var mu sync.Mutex
	var sent []string
	p.Fault(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.URL.String()+" "+r.Referer()+" "+r.Header.Get("Cookie"))
		return false
	})
	nowhere := func(when string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		for _, where := range []string{p.Everything(), strings.Join(sent, "\n")} {
			if strings.Contains(where, token) || strings.Contains(where, token[16:]) {
				t.Errorf("%s, the token is in\n%s", when, where)
			}
		}
	}
	p.SignIn(token)
	p.Wait("canary")
	nowhere("in the list")
	p.Click("canary")
	p.Until(`location.hash.startsWith("#/keys/")`)
	p.Wait("Remaining now")
	nowhere("in a key")
	p.Go("#/explain")
	p.Wait("Explain this request")
	nowhere("in another view")
	p.Click("Sign out")
	p.Wait("API key")
	nowhere("after the sign-out")
	p.Eval("history.back()", nil)
	p.Wait("API key")
	nowhere("after going back")
	if len(sent) < 3 {
		t.Errorf("only %d requests were seen", len(sent))
	}
}

// A page of another origin cannot show the console, steer it, or use its sign-in.
func TestAnotherSiteCanDoNothing(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "console/")
	many := &manyKeys{count: 2}
	var mu sync.Mutex
	var theirs []string
	started := 0 // how often the console has started anywhere
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>another site</title><iframe></iframe>")
	}))
	defer site.Close()
	p.Fault(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		if strings.HasSuffix(r.URL.Path, "/console/config.json") {
			started++
		}
		mu.Unlock()
		if strings.Contains(r.Referer()+r.Header.Get("Origin"), site.URL) {
			mu.Lock()
			theirs = append(theirs, r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("X-API-Key"))
			mu.Unlock()
		}
		return many.answer(w, r)
	})
	p.SignIn(browsertest.Root)
	p.Wait("service 1")
	evil := p.Beside(site.URL)
	mu.Lock()
	before := started
	mu.Unlock()
	evil.Eval(`const frame = document.querySelector("iframe");
		frame.src = "`+p.URL+`/console/";
		await new Promise((r) => frame.onload = r);
		await new Promise((r) => setTimeout(r, 1000)); return 0`, nil)
	mu.Lock()
	if started != before {
		t.Error("the console runs in a frame of another site")
	}
	mu.Unlock()
	attack := `
		const out = {}, console_ = "` + p.URL + `/console/", wait = (ms) => new Promise((r) => setTimeout(r, ms));
		const frame = document.querySelector("iframe");
		try { out.framed = String(frame.contentDocument?.title ?? frame.contentWindow.location.href); } catch (e) { out.framed = "unreachable"; }
		const opened = open(console_);
		await wait(1500);
		try { out.read = opened.document.title; } catch (e) { out.read = "unreachable"; }
		out.severed = opened.closed;
		for (const w of [frame.contentWindow, opened]) {
			try { w.postMessage({type: "answer", code: "x", state: "x"}, "*"); } catch (e) {}
		}
		new BroadcastChannel("latchkey-login").postMessage({type: "answer", code: "x", state: "x"});
		for (const credentials of ["include", "omit"]) {
			try { out[credentials] = await (await fetch(console_ + "../api/v1/api-keys", {credentials})).text(); } catch (e) { out[credentials] = "refused"; }
		}
		await wait(300);
		return out`
	var out struct{ Framed, Read, Include, Omit string }
	var raw map[string]any
	evil.Eval(attack, &raw)
	text := func(name string) string { return fmt.Sprint(raw[name]) }
	out.Framed, out.Read, out.Include, out.Omit = text("framed"), text("read"), text("include"), text("omit")
	if strings.Contains(out.Framed, "latchkey") || out.Read != "unreachable" && out.Read != "" && raw["severed"] != true ||
		out.Include != "refused" || out.Omit != "refused" {
		t.Errorf("another site gets %v", raw)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, credential := range theirs {
		if credential != "" {
			t.Errorf("a request of another site had the credential %q", credential)
		}
	}
	if len(theirs) == 0 {
		t.Error("no request of the other site arrived")
	}
	p.Click("Refresh")
	p.Wait("service 1")
}

func TestAllKeysOfAUserAreRevoked(t *testing.T) {
	for i, look := range []browsertest.Look{browsertest.Wide, browsertest.NarrowDark} {
		user := fmt.Sprintf("leaver %d", i)
		for n := range 3 {
			browsertest.Create(t, fmt.Sprintf(`{"userId":%q,"name":"key %d"}`, user, n))
		}
		browsertest.Create(t, fmt.Sprintf(`{"userId":%q,"name":"key of another"}`, user+"x"))
		p := browsertest.Open(t, look, "console/")
		p.SignIn(browsertest.Root)
		p.Fill("Owner", user)
		p.Wait("key 2")
		p.WaitGone("key of another")
		p.Click("Revoke all keys of this user")
		p.Wait(": 3 of 3. All will be revoked.")
		p.Until(`named("Revoke all keys").disabled`)
		p.Axe()
		p.Fits()
		p.Shot("revoke-all")
		p.Press(kb.Escape)
		p.Until(`!document.querySelector("dialog") && document.activeElement.innerText.startsWith("Revoke all keys")`)
		p.Click("Revoke all keys of this user")
		p.Fill("Type "+user, user+"x")
		p.Until(`named("Revoke all keys").disabled`)
		p.Fill("Type "+user, user)
		p.Fill("Reason", "has left <us>")
		p.Refuse("POST", "revoke-keys", 503, "unavailable", "The service could not decide")
		p.Click("Revoke all keys")
		p.Wait("The service is unavailable.")
		p.Fault(nil)
		p.Click("Revoke all keys")
		p.Wait("Revoked 3 of the keys of " + user + ".")
		p.Until(`document.querySelectorAll("tbody .badge.revoked").length === 3`)
		p.Axe()
		ended := "api/v1/api-keys?status=revoked&userId=" + url.QueryEscape(user)
		if _, answer := browsertest.Call(t, browsertest.Root, "GET", ended, ""); !reasonsAre(answer, "has left <us>", 3) {
			t.Errorf("the reasons: %v", answer)
		}
		left := "api/v1/api-keys?status=active&userId=" + url.QueryEscape(user+"x")
		if status, answer := browsertest.Call(t, browsertest.Root, "GET", left, ""); len(answer["data"].([]any)) != 1 {
			t.Errorf("the keys of another user: %d %v", status, answer)
		}
	}
}

// reasonsAre reports whether a list has so many keys, each revoked for a reason.
func reasonsAre(list map[string]any, reason string, n int) bool {
	keys, _ := list["data"].([]any)
	return len(keys) == n && !slices.ContainsFunc(keys, func(k any) bool {
		return k.(map[string]any)["revocationReason"] != reason
	})
}

// The figures are printed, and are no test: they depend on the machine.
func TestHowLongFiftyKeysTake(t *testing.T) {
	for n := range 50 {
		browsertest.Create(t, fmt.Sprintf(`{"userId":"fifty","name":"service %d","scopes":["tts"]}`, n))
	}
	p := browsertest.Open(t, browsertest.Wide, "console/")
	p.SignIn(browsertest.Root)
	p.Fill("Owner", "fifty")
	p.Until(`document.querySelectorAll("tbody tr").length === 50`)
	var took struct{ Paint, Script, Rows, Request float64 }
	p.Eval(`
		const seen = () => performance.getEntriesByType("resource").filter((e) => e.name.includes("/api-keys?"));
		const before = seen().length, start = performance.now();
		named("Refresh").click();
		while (seen().length === before || document.querySelector("table[aria-busy]")) await new Promise(requestAnimationFrame);
		const rows = performance.now() - start;
		return {Paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, Rows: rows, Request: seen().at(-1).duration}`, &took)
	t.Logf("measured: first paint %.0f ms, 50 rows %.0f ms of which the request took %.0f ms", took.Paint, took.Rows, took.Request)
}
