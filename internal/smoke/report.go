package smoke

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"

	"latchkey/internal/redact"
)

// report writes one line for each check and counts them. It removes the secrets from every line,
// even if an answer repeats one.
type report struct {
	out                 io.Writer
	secrets             []redact.Secret[string]
	checks, differences int
}

const maxShown = 200 // characters of an actual value

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

// redact replaces the secrets in a text, and the characters that could control a terminal.
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

// expect checks an answer. It does nothing once the run has been stopped, because the answer may be
// missing for that reason.
func (r *run) expect(a answer, all ...expectation) {
	if r.ctx.Err() != nil {
		return
	}
	for _, e := range all {
		got, ok := e.judge(a)
		r.check(a.name+": "+e.what, ok, e.want, got)
	}
}
