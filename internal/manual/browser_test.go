//go:build browser

package manual_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/browsertest"
	"latchkey/internal/docs"
)

func TestMain(m *testing.M) { browsertest.Main(m) }

// The scripts are checked with the declarations of the console's libraries.
func TestTheScriptsHaveNoTypeErrors(t *testing.T) {
	dir, err := os.MkdirTemp(browsertest.Module(".latchkey", "browser"), "types")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	types := os.DirFS(filepath.Join("..", "console", "types"))
	for to, from := range map[string]fs.FS{"": os.DirFS("assets"), "vendor": types} {
		if err := os.CopyFS(filepath.Join(dir, to), from); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "vendor", "tsconfig.json"), filepath.Join(dir, "tsconfig.json")); err != nil {
		t.Fatal(err)
	}
	tsc := exec.CommandContext(t.Context(), browsertest.Module(".latchkey", "browser", "node_modules", ".bin", "tsc"), "-p", dir)
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func eachLook(t *testing.T, test func(t *testing.T, look browsertest.Look)) {
	for _, look := range browsertest.Looks() {
		t.Run(look.String(), func(t *testing.T) { test(t, look) })
	}
}

// The pages have each kind of content: a list of pages, pictures, code and tables. The API's page is
// tested below, in all looks.
func TestPagesAreAccessible(t *testing.T) {
	for _, look := range []browsertest.Look{browsertest.Wide, browsertest.NarrowDark} {
		for _, name := range []string{"", "start", "limits"} {
			p := browsertest.Open(t, look, "docs/"+name)
			p.Until("document.querySelector('main h1')")
			p.Axe()
			p.Fits()
			p.Shot("manual-" + cmp.Or(name, "index"))
		}
	}
}

// On a narrow screen, long names and wide tables show whether a page fits.
func TestEachPageFitsItsWindow(t *testing.T) {
	files, err := fs.Glob(docs.Files, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	p := browsertest.Open(t, browsertest.Narrow, "docs/")
	for _, file := range files {
		at := browsertest.Narrow.Prefix + pageOf(file)
		p.Eval("location.href = '"+at+"'; return 0", nil)
		p.Until("location.pathname === '" + at + "' && document.readyState === 'complete' && document.querySelector('main h1')")
		p.Until("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
		p.Fits()
	}
}

func TestTheSearchLeadsToAHeading(t *testing.T) {
	for _, look := range []browsertest.Look{browsertest.WideDark, browsertest.Narrow} {
		p := browsertest.Open(t, look, "docs/start")
		p.Fill("Search the headings", "leases")
		p.Wait("Limits and quotas")
		p.Axe()
		p.Click("Leases")
		p.Until("location.pathname.endsWith('/docs/limits') && location.hash === '#leases'")
		p.Fill("Search the headings", `<script>alert("שלום 🔑")</script>`)
		p.Wait("No heading has these words")
	}
}

// stored is all that outlives the page, or that others see: its address, its history and its storage.
const stored = `const stores = [localStorage, sessionStorage].map((s) => JSON.stringify({...s}));
	const databases = (await indexedDB.databases()).map((d) => d.name), caches = await globalThis.caches.keys();
	const loaded = performance.getEntriesByType("resource").map((e) => e.name);
	return [location.href, document.title, document.cookie, name, JSON.stringify(history.state), document.referrer, ...loaded, ...stores,
		...databases, ...caches].join("\n")`

func TestAKeyIsCreatedInTheBrowser(t *testing.T) {
	eachLook(t, func(t *testing.T, look browsertest.Look) {
		p := browsertest.Open(t, look, "docs/api#create-key")
		p.Wait("Without a key, the answer is 401.")
		p.Fill("API key", browsertest.Root)
		p.Axe()
		p.Fits()
		p.Eval(`document.querySelector("#create-key button[type=submit]").click(); return 0`, nil)
		p.Wait("201")
		p.Wait("Headers")
		p.Axe()
		p.Fits()
		p.Shot("manual-try")
		var answer, command, kept, id string
		p.Eval(`document.querySelector("#create-key .answer pre").innerText`, &answer)
		p.Eval(`[...document.querySelectorAll("#create-key pre")].at(-1).innerText`, &command)
		_, token, _ := strings.Cut(answer, `"key": "`)
		token, _, found := strings.Cut(token, `"`)
		if !found || !strings.HasPrefix(token, "sk_live_") {
			t.Fatalf("the answer has no token: %s", answer)
		}
		if status, me := browsertest.Call(t, token, "GET", "api/v1/whoami", ""); status != 200 || me["userId"] != "u1" {
			t.Errorf("the token that was shown: %d %v", status, me)
		}
		if !strings.Contains(command, `Bearer $LATCHKEY_KEY`) || !strings.Contains(command, p.URL+"/api/v1/api-keys'") {
			t.Errorf("the command is %s", command)
		}
		p.Eval(stored, &kept)
		for _, secret := range []string{token, browsertest.Root} {
			if strings.Contains(kept+command, secret) {
				t.Errorf("%s is in the address, the storage or the command:\n%s", secret, kept)
			}
		}
		// The next request is about the same key.
		p.Go("#get-key")
		p.Until(`document.querySelector("#get-key form")`)
		p.Eval(`document.getElementById("get-key-path-id").value`, &id)
		if id != token[len("sk_live_"):][:16] {
			t.Errorf("the id is %q, of the token %s", id, token)
		}
	})
}

// Each route is opened and sent as it is shown, those that end something last.
func TestTheExamplesOfAllRoutesWork(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "docs/api")
	p.Fill("API key", browsertest.Root)
	var routes []string
	p.Eval(`[...document.querySelectorAll(".operation")].map((e) => e.id)`, &routes)
	if len(routes) < 25 {
		t.Fatalf("only the routes %q are shown", routes)
	}
	order := []string{"create-key", "put-plan", "put-user"}
	last := []string{"rotate-key", "end-grace", "revoke-key", "revoke-user-keys", "delete-key"}
	for _, id := range routes {
		if !strings.Contains(strings.Join(append(order, last...), " ")+" ", id+" ") {
			order = append(order, id)
		}
	}
	for _, id := range append(order, last...) {
		var answer struct{ Status, Text string }
		p.Eval(fmt.Sprintf(`const e = document.getElementById(%[1]q); e.open = true;
			for (const end = Date.now() + 8000; Date.now() < end; await new Promise((r) => setTimeout(r, 20))) {
				const form = e.querySelector("form");
				if (!form) continue;
				if (!form.dataset.sent) { form.dataset.sent = "1"; form.requestSubmit(); }
				const status = e.querySelector(".status, .error");
				if (status) {
					const answer = {Status: status.innerText, Text: e.querySelector(".answer, form").innerText};
					e.open = false;
					return answer;
				}
			}
			return {Status: "no answer", Text: e.innerText}`, id), &answer)
		want := map[string]string{
			"lookup-key":      "404",                            // the document's token belongs to no key
			"add-key-credits": "400", "add-user-credits": "400", // nothing was prepaid
			"authorize":    "400", // it needs the headers of a proxy
			"report-leaks": "404", // no scanner is configured
		}
		if !strings.HasPrefix(answer.Status, cmp.Or(want[id], "2")) {
			t.Errorf("%s: %s\n%s", id, answer.Status, answer.Text)
		}
	}
}

func TestARequestThatCannotBeSentIsExplained(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "docs/api#get-key")
	p.Until(`document.querySelector("#get-key form")`)
	p.Fill("id path, required", "")
	p.Eval(`document.querySelector("#get-key form").requestSubmit(); return 0`, nil)
	p.Wait("The route needs this.")
	p.Fill("id path, required", "🔑/../../<script>")
	p.Eval(`document.querySelector("#get-key form").requestSubmit(); return 0`, nil)
	p.Wait("401")
	p.Refuse("GET", "/api/v1/api-keys/", 0, "", "")
	p.Eval(`document.querySelector("#get-key form").requestSubmit(); return 0`, nil)
	p.Wait("No answer came.")
	p.Axe()
}

func TestThePageSaysThatTheDocumentCannotBeRead(t *testing.T) {
	p := browsertest.Open(t, browsertest.Wide, "docs/")
	p.Refuse("GET", "/openapi.json", 503, "unavailable", "no")
	p.Eval(`location.href = "api"; return 0`, nil)
	p.Until(`document.querySelector(".problem")`)
	p.Wait("The OpenAPI document cannot be read.")
	p.Fault(nil)
	p.Click("Try again")
	p.Wait("Create a key")
}
