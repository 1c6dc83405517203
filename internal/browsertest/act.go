//go:build browser

package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// finder finds what a person would: in the dialog that is on top, by its text or its label.
const finder = `
const top = [...document.querySelectorAll("dialog[open]")].at(-1) || document.body;
const text = (e) => (e.getAttribute("aria-label") || e.innerText || e.value || "").trim().replace(/\s+/g, " ");
const seen = (e) => e.checkVisibility({visibilityProperty: true});
const named = (name) => {
	const kinds = "button, a[href], summary, [role=tab], label, input[type=checkbox], input[type=radio]";
	const all = [...top.querySelectorAll(kinds)].filter(seen);
	return all.find((e) => text(e) === name) || all.find((e) => text(e).startsWith(name));
};
const field = (label) => {
	const all = [...top.querySelectorAll("label")];
	const found = all.find((e) => text(e) === label) || all.find((e) => text(e).startsWith(label));
	if (found) return found.control;
	return [...top.querySelectorAll("input, select, textarea")].find((e) => e.getAttribute("aria-label") === label);
};
`

// Eval evaluates a JavaScript expression, or the body of an async function that returns a value, and
// stores the result in out. If out is nil, the script may lead to another page.
func (p *Page) Eval(script string, out any) {
	p.t.Helper()
	if err := p.evaluate(script, out); err != nil && (out != nil || !leaves(err)) {
		p.t.Fatalf("%s: evaluate: %v", p.look, err)
	}
}

// leaves reports whether a script had no result because its page was left.
func leaves(err error) bool {
	return strings.Contains(err.Error(), "Inspected target navigated or closed")
}

func (p *Page) evaluate(script string, out any) error {
	if strings.Contains(script, "return ") {
		script = "(() => {" + finder + "return (async () => {" + script + "})()})()"
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](script, chromedp.EvalAwaitPromise))
	if err == nil && out != nil {
		err = json.Unmarshal(value, out)
	}
	return err
}

// Until waits until a JavaScript expression is true, on this page or on one to which it leads.
func (p *Page) Until(expression string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var ok bool
		err := p.evaluate("return !!("+expression+")", &ok)
		if ok {
			return
		}
		if err != nil && !leaves(err) {
			p.t.Fatalf("%s: evaluate: %v", p.look, err)
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: %s did not become true. The page says:\n%s", p.look, expression, p.Text())
		}
	}
}

// Wait waits until the page shows a text.
func (p *Page) Wait(text string) {
	p.t.Helper()
	p.Until("document.body.innerText.replace(/\\s+/g, ' ').includes(" + quote(text) + ")")
}

// WaitGone waits until the page no longer shows a text.
func (p *Page) WaitGone(text string) {
	p.t.Helper()
	p.Until("!document.body.innerText.replace(/\\s+/g, ' ').includes(" + quote(text) + ")")
}

// Text returns the text that the page shows.
func (p *Page) Text() (text string) {
	p.t.Helper()
	p.Eval("document.body.innerText", &text)
	return text
}

// Click clicks a button or a link by its text or label. If a dialog is open, it must be in the dialog
// on top. Like a person, it waits until the element stands still, and clicks again if the element was
// moved away under the mouse: then it got no click.
func (p *Page) Click(name string) {
	p.t.Helper()
	find := "named(" + quote(name) + ")"
	for end := time.Now().Add(patience); ; {
		p.Until(find + " && !" + find + ".disabled")
		var at struct{ X, Y float64 }
		p.Eval(`const e = `+find+`; if (!e) return {}; e.scrollIntoView({block: "center"});
			const place = () => { const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; };
			const frame = () => new Promise((done) => requestAnimationFrame(done));
			let was = place();
			for (let still = 0; still < 2;) {
				await frame();
				const now = place();
				still = now.X === was.X && now.Y === was.Y ? still + 1 : 0;
				was = now;
			}
			e.addEventListener("click", () => { window.testClicked = true; }, {capture: true, once: true});
			window.testClicked = false;
			return was`, &at)
		p.do(chromedp.MouseClickXY(at.X, at.Y))
		if p.clicked() {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: %s got no click. The page says:\n%s", p.look, name, p.Text())
		}
	}
}

// clicked reports whether the element of Click got the click. An error says that the click has led to
// another page.
func (p *Page) clicked() bool {
	var got bool
	err := p.evaluate("window.testClicked !== false", &got)
	return got || err != nil
}

// Fill replaces what a field contains, by its label. Of a select it chooses the option with the text.
func (p *Page) Fill(label, text string) {
	p.t.Helper()
	find := "field(" + quote(label) + ")"
	p.Until(find + " && seen(" + find + ")")
	var kind string
	p.Eval("const e = "+find+"; e.focus(); if (e.select) e.select(); return e.tagName", &kind)
	switch {
	case kind == "SELECT":
		p.Eval(`const e = `+find+`; const o = [...e.options].find((o) => o.text.trim() === `+quote(text)+`);
			if (!o) throw new Error("there is no option " + `+quote(text)+`);
			e.value = o.value;
			for (const name of ["input", "change"]) e.dispatchEvent(new Event(name, {bubbles: true}));
			return 0`, nil)
	case text == "":
		p.do(chromedp.KeyEvent("\b"))
	default:
		p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := cdp.Call(ctx, tab, input.InsertText, input.InsertTextParams{Text: text})
			return err
		}))
	}
}

// Value returns what a field contains, by its label.
func (p *Page) Value(label string) (value string) {
	p.t.Helper()
	find := "field(" + quote(label) + ")"
	p.Until(find)
	p.Eval("return "+find+".value", &value)
	return value
}

// Press presses keys, such as kb.Escape.
func (p *Page) Press(keys string) {
	p.t.Helper()
	for _, key := range keys {
		if key == '\r' {
			p.enter()
			continue
		}
		p.do(chromedp.KeyEvent(string(key)))
	}
}

// enter presses Enter as a keyboard does: a page that prevents what keydown does sends no form. The
// events of [chromedp.KeyEvent] send it all the same.
func (p *Page) enter() {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		for _, k := range kb.Encode('\r') {
			if k.Type == kb.KeyChar {
				continue
			}
			if k.Type == kb.KeyDown {
				k.Type, k.Text = input.DispatchKeyEventTypeKeyDown, "\r"
			}
			if _, err := cdp.Call(ctx, tab, input.DispatchKeyEvent, *k); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Go shows another view of the console, such as #/audit.
func (p *Page) Go(hash string) {
	p.t.Helper()
	p.Eval("location.hash = "+quote(hash)+"; return 0", nil)
}

// SignIn signs in with a key, on the console's first page.
func (p *Page) SignIn(token string) {
	p.t.Helper()
	p.Fill("API key", token)
	p.Click("Sign in with this key")
	p.Wait("Sign out")
}

// Advance moves the page's clock.
func (p *Page) Advance(d time.Duration) {
	p.t.Helper()
	p.Eval(fmt.Sprintf("testAdvance(%d)", d.Milliseconds()), nil)
}

// Everything returns all that the page holds on to: its elements, the values of its fields, its
// address and history, and its storage.
func (p *Page) Everything() (all string) {
	p.t.Helper()
	p.Eval(`const values = [...document.querySelectorAll("input, textarea, select")].map((e) => e.value);
		const stores = [localStorage, sessionStorage].map((s) => JSON.stringify({...s}));
		const databases = (await indexedDB.databases()).map((d) => d.name), caches = await globalThis.caches.keys();
		const loaded = performance.getEntriesByType("resource").map((e) => e.name);
		return [document.documentElement.outerHTML, location.href, document.title, document.cookie, name,
			JSON.stringify(history.state), ...loaded, ...values, ...stores, ...databases, ...caches].join("\n")`, &all)
	return all
}

// Axe fails the test if axe-core finds a violation. The page is then light or dark by its look, and the
// contrast of its colours is judged in the other one as well.
func (p *Page) Axe() {
	p.t.Helper()
	var loaded bool
	p.Eval("typeof axe === 'object'", &loaded)
	if !loaded {
		source, err := os.ReadFile(Module(".latchkey", "browser", "node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			p.t.Fatalf("make browser installs axe-core: %v", err)
		}
		p.Eval(string(source)+";0", nil)
	}
	p.axe("")
	p.shade(!p.look.Dark)
	p.axe(`runOnly: ["color-contrast"],`)
	p.shade(p.look.Dark)
}

func (p *Page) axe(options string) {
	p.t.Helper()
	var violations []struct {
		ID, Help string
		Nodes    []struct {
			Target         []any
			FailureSummary string
		}
	}
	p.Eval(`const r = await axe.run(document, {`+options+` resultTypes: ["violations"]});
		const node = (n) => ({Target: n.target, FailureSummary: n.failureSummary});
		return r.violations.map((v) => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(node)}))`, &violations)
	for _, v := range violations {
		for _, n := range v.Nodes {
			p.t.Errorf("%s: axe: %s %s (%s) at %v: %s", p.look, options, v.ID, v.Help, n.Target, n.FailureSummary)
		}
	}
}

// Fits fails the test if the page is wider than its window.
func (p *Page) Fits() {
	p.t.Helper()
	var wide []string
	p.Eval(`if (document.documentElement.scrollWidth <= innerWidth) return [];
		return [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
			.map((e) => e.tagName + "." + e.getAttribute("class") + " " + text(e).slice(0, 40))`, &wide)
	if len(wide) > 0 {
		p.t.Errorf("%s: the page is wider than its window: %v", p.look, wide)
	}
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // cannot happen: a text can be encoded
	}
	return string(b)
}
