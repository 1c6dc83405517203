package smoke

import (
	"cmp"
	"strings"
	"unicode"

	"latchkey/internal/redact"
)

// The verdicts of a check.
const (
	OK      = "ok"
	Differs = "DIFFERS"
	Skipped = "skipped" // the check was not made
)

// Row is the result of one check. None of its texts contains a token or a control character.
type Row struct {
	Verdict string `json:"verdict"` // OK, Differs or Skipped
	Check   string `json:"check"`   // such as "no key: status"; for Skipped, with the reason
	// Assumption and Assumes are the name and the text of what the check rests on.
	Assumption string `json:"assumption"`
	Assumes    string `json:"assumes"`
	Want       string `json:"want,omitempty"`
	Got        string `json:"got,omitempty"` // at most 200 characters
}

// String returns the row as one line. The line of a difference has the text of the assumption, and
// any other line has its name.
func (r Row) String() string {
	switch r.Verdict {
	case OK:
		return "ok       " + r.Check + ": " + r.Want + "  [" + r.Assumption + "]"
	case Differs:
		return "DIFFERS  " + r.Check + ": expected " + r.Want + ", got " + cmp.Or(r.Got, "nothing") +
			"  [" + r.Assumption + ": " + r.Assumes + "]"
	}
	return "skipped  " + r.Check + "  [" + r.Assumption + "]"
}

const maxShown = 200 // characters of an actual value

// check reports one check, and skip one that was not made. Both rest on the assumption that was set
// last.
func (r *run) check(what string, ok bool, want, got string) {
	r.checkOn(r.assumption, what, ok, want, got)
}

func (r *run) checkOn(on Assumption, what string, ok bool, want, got string) {
	verdict := OK
	if !ok {
		verdict = Differs
	}
	r.add(Row{Verdict: verdict, Check: what, Assumption: on.Name, Assumes: on.Text, Want: want, Got: got})
}

func (r *run) skip(what string) {
	r.add(Row{Verdict: Skipped, Check: what, Assumption: r.assumption.Name, Assumes: r.assumption.Text})
}

// add reports a row without the secrets, even if an answer repeats one. It does nothing once the run
// has been stopped, because the answer may be missing for that reason.
func (r *run) add(row Row) {
	if r.ctx.Err() != nil {
		return
	}
	if row.Verdict != Skipped {
		r.checks++
	}
	for _, text := range []*string{&row.Check, &row.Want, &row.Got} {
		*text = r.redact(*text)
	}
	if runes := []rune(row.Got); len(runes) > maxShown {
		row.Got = string(runes[:maxShown]) + "…"
	}
	r.Report(row)
}

// redact replaces the secrets in a text, and the characters that could control a terminal.
func (r *run) redact(text string) string {
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

// expect checks an answer.
func (r *run) expect(a answer, all ...expectation) {
	for _, e := range all {
		got, ok := e.judge(a)
		on := r.assumption
		if strings.HasPrefix(e.what, "header Access-Control-") && on != preflights {
			on = browsers
		}
		r.checkOn(on, a.name+": "+e.what, ok, e.want, got)
	}
}
