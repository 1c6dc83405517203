package smoke

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"

	"latchkey/internal/redact"
)

// report writes one line for each check. What a key was is in none of them, even
// if an answer repeats it.
type report struct {
	out                 io.Writer
	secrets             []redact.Secret[string]
	checks, differences int
}

const maxShown = 200

func (r *report) check(what string, ok bool, want, got string) {
	r.checks++
	if ok {
		r.line("ok       " + what + ": " + want)
		return
	}
	r.differences++
	if runes := []rune(r.redact(got)); len(runes) > maxShown {
		got = string(runes[:maxShown]) + "…"
	}
	r.line("DIFFERS  " + what + ": expected " + want + ", got " + cmp.Or(got, "nothing"))
}

func (r *report) skip(what string) { r.line("skipped  " + what) }

func (r *report) sum() {
	verdict := "all as expected"
	if r.differences > 0 {
		verdict = fmt.Sprintf("%d differ", r.differences)
	}
	r.line(fmt.Sprintf("%d checks, %s", r.checks, verdict))
}

func (r *report) line(text string) { fmt.Fprintln(r.out, r.redact(text)) }

// redact takes out keys, and what a terminal would obey.
func (r *report) redact(text string) string {
	for _, secret := range r.secrets {
		if secret := secret.Reveal(); secret != "" {
			text = strings.ReplaceAll(text, secret, redact.Redacted)
		}
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
}

// expect checks an answer. Once the run is stopped there is nothing to be said
// of answers that never came.
func (r *run) expect(a answer, all ...expectation) {
	if r.ctx.Err() != nil {
		return
	}
	for _, e := range all {
		got, ok := e.judge(a)
		r.check(a.name+": "+e.what, ok, e.want, got)
	}
}
