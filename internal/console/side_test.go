//go:build browser

package console_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey/internal/browsertest"
)

func TestExplainShowsWhatDecided(t *testing.T) {
	id, token := browsertest.Create(t, `{"name":"<b>explained</b>","scopes":["tts"],"allowedCidrs":["192.0.2.0/24"]}`)
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/#/explain")
		p.SignIn(browsertest.Root)
		p.Fill("Token or id of a key", token)
		p.Fill("Path", "/tts/speak")
		p.Fill("From address", "192.0.2.7")
		p.Click("Explain this request")
		p.Wait("The request would be allowed")
		if got := p.Value("Token or id of a key"); got != id {
			t.Errorf("the field has %q, and not the id of the key", got)
		}
		if strings.Contains(p.Everything(), token[24:]) {
			t.Error("the page still has the token")
		}
		p.Axe()
		p.Fits()
		p.Shot("explain-allowed")

		p.Fill("From address", "203.0.113.9")
		p.Click("Explain this request")
		p.Wait("The request would be refused: address_not_allowed")
		p.Axe()
		p.Fits()
		p.Shot("explain-refused")

		p.Fill("Token or id of a key", token[:len(token)-2]+"xx")
		p.Click("Explain this request")
		p.Wait("No key has this token")
		p.Fill("Token or id of a key", "AAAAAAAAAAAAAAAA")
		p.Expect("404")
		p.Click("Explain this request")
		p.Wait("Not found")
		p.Fill("Token or id of a key", id)
		p.Fill("From address", "nowhere")
		p.Expect("400")
		p.Click("Explain this request")
		p.Wait("sourceIp must be")
		p.Axe()
	})
	_, record := browsertest.Call(t, browsertest.Root, "GET", "api/v1/api-keys/"+id, "")
	if record["lastUsedAt"] != nil {
		t.Errorf("the key was used at %v by explaining it", record["lastUsedAt"])
	}
}

// A key may work although the token that somebody holds does not.
func TestExplainTellsOfATokenThatWasReplaced(t *testing.T) {
	id, old := browsertest.Create(t, `{"name":"rotated"}`)
	browsertest.Call(t, browsertest.Root, "POST", "api/v1/api-keys/"+id+"/rotate", `{"gracePeriod":0}`)
	p := browsertest.Open(t, browsertest.Wide, "console/#/explain")
	p.SignIn(browsertest.Root)
	p.Fill("Token or id of a key", old)
	p.Click("Explain this request")
	p.Wait("The request would be refused: revoked_key")
	p.Wait("Open key " + id)
	p.Click("Explain this request") // of the key itself, which has another token
	p.Wait("The request would be allowed")
}

func TestAKeyLeadsToExplainAndToTheManual(t *testing.T) {
	id, _ := browsertest.Create(t, `{"name":"linked"}`)
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/#/keys/"+id)
		p.SignIn(browsertest.Root)
		p.Click("Explain a refusal")
		p.Wait("The request would be allowed")
		p.Wait("Open key " + id)
		p.Axe()
		p.Fits()
		p.Click("Manual")
		p.Until("location.pathname.endsWith('/docs/')")
		p.Wait("Overview")
	})
}

func TestAuditShowsAllChanges(t *testing.T) {
	id, _ := browsertest.Create(t, `{"name":"audited","userId":"audit:anna"}`)
	browsertest.Call(t, browsertest.Root, "PATCH", "api/v1/api-keys/"+id, `{"description":"<script>alert(1)</script> שלום"}`)
	browsertest.Call(t, browsertest.Root, "PATCH", "api/v1/users/audit:anna", `{"suspended":true}`)
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/#/audit")
		p.SignIn(browsertest.Root)
		p.Wait("suspended the user audit:anna")
		p.Axe()
		p.Fits()
		p.Shot("audit")
		p.Fill("Action", "changed the key")
		p.WaitGone("suspended the user audit:anna")
		p.Wait("<script>alert(1)</script> שלום")
		p.Fill("User", "audit:anna")
		p.Wait("changed the key " + id)
		p.Fill("User", "nobody-of-this-name")
		p.Wait("No entry matches these filters.")
		p.Refuse("GET", "/audit", 503, "service_unavailable", "The table does not answer", "Retry-After: 7", "x-amzn-RequestId: r-1")
		p.Expect("503")
		p.Click("Refresh")
		p.Wait("The service is unavailable")
		p.Wait("r-1")
		p.Axe()
	})
}

func TestLimitsShowsTheNearestKeysFirst(t *testing.T) {
	_, far := browsertest.Create(t, `{"name":"far from it","rateLimit":{"requests":1000,"window":3600}}`)
	near, token := browsertest.Create(t, `{"name":"nearly spent","rateLimit":{"requests":5,"window":3600}}`)
	for range 4 {
		browsertest.Call(t, token, "GET", "api/v1/whoami", "")
	}
	browsertest.Call(t, far, "GET", "api/v1/whoami", "")
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/#/limits")
		p.SignIn(browsertest.Root)
		p.Wait("80 %")
		var order []string
		p.Eval(`return [...document.querySelectorAll("tbody th")].map((e) => e.innerText.trim())`, &order)
		first, second := strings.Join(order, "|"), "far from it"
		if strings.Index(first, "nearly spent") > strings.Index(first, second) || !strings.Contains(first, second) {
			t.Errorf("the order is %v", order)
		}
		p.Axe()
		p.Fits()
		p.Shot("limits")
		p.Click("nearly spent")
		p.Wait("id " + near)
	})
}

func TestUsersAreFoundAndSuspended(t *testing.T) {
	browsertest.Create(t, `{"name":"one","userId":"side:zoë/<b>"}`)
	browsertest.Create(t, `{"name":"two","userId":"side:zoë/<b>"}`)
	browsertest.Call(t, browsertest.Root, "PUT", "api/v1/plans/side", `{"user":{"limits":[{"amount":100,"window":60}]}}`)
	inLooks(t, browsertest.Wide, browsertest.NarrowDark, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "console/#/users")
		p.SignIn(browsertest.Root)
		p.Fill("Search", "side:zo")
		p.Wait("side:zoë/<b>")
		p.Axe()
		p.Fits()
		p.Shot("users")
		p.Click("side:zoë/<b>")
		p.Wait("Shared by all keys of the user")
		p.Fill("Plan of the keys that name no other", "side")
		p.Click("Change the plan")
		p.Wait("100 each minute")
		p.Axe()
		p.Fits()
		p.Shot("user")
		p.Click("Suspend")
		p.Fill("Type", "side:zoë/<b>")
		p.Click("Suspend user")
		p.Wait("Suspended")
		p.Click("Resume")
		p.WaitGone("Suspended")
		p.Fill("Plan of the keys that name no other", "None")
		p.Click("Change the plan")
		p.Wait("No limit and no quota is shared.")
		p.Fault(func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) })
		p.Expect("ERR_")
		p.Click("Suspend")
		p.Fill("Type", "side:zoë/<b>")
		p.Click("Suspend user")
		p.Wait("latchkey does not answer")
	})
}
