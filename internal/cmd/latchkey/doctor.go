package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
)

// The verdicts of doctor.
const (
	doctorOK         = "ok"
	doctorWarn       = "warn"
	doctorFail       = "FAIL"
	doctorNotChecked = "not checked"
)

// diagnosis is the result of one check of doctor.
type diagnosis struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
	Next    string `json:"next,omitempty"` // the next command to type, if any
}

// report collects the results of doctor's checks.
type report struct{ all []diagnosis }

func (r *report) add(check, verdict, detail, next string) {
	r.all = append(r.all, diagnosis{check, verdict, detail, next})
}

func (r *report) ok(check, detail string)         { r.add(check, doctorOK, detail, "") }
func (r *report) warn(check, detail, next string) { r.add(check, doctorWarn, detail, next) }
func (r *report) fail(check, detail, next string) { r.add(check, doctorFail, detail, next) }
func (r *report) skip(check, why string)          { r.add(check, doctorNotChecked, why, "") }

// failed returns the number of checks that failed.
func (r *report) failed() (n int) {
	for _, d := range r.all {
		if d.Verdict == doctorFail {
			n++
		}
	}
	return n
}

func doctorCommand() *cobra.Command {
	var stack string
	var in account
	var out *output
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check settings, service and machine, and say what to do next",
		Long: `Checks the variables and the profile, the service, its clock, the key that calls
it, and the local stack's engine, files and secret. With --stack it checks a
deployed stack with your own AWS credentials: region, stack, the table and its
settings, the secret, alarms and their topic, the retention of logs, and how
many functions may run at once.

Each line is ok, warn, FAIL or "not checked", with the next command to type
where there is one. The exit code is 1 if a check fails. The output has no
secret. The check of the key counts as one request of that key.` + apiHelp,
		Example: `  latchkey doctor
  latchkey doctor --stack latchkey -o json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := in.check(stack); err != nil {
				return err
			}
			var r report
			settings, known := r.checkSettings(c)
			if stack != "" {
				deployed := r.checkStack(c.Context(), in, stack)
				if known && settings.keyless(deployed) {
					settings.url = deployed
				}
			}
			if known {
				r.checkService(c, settings)
			}
			if stack == "" {
				r.checkMachine(c.Context())
			}
			if c.Context().Err() != nil {
				return errInterrupted
			}
			if err := r.print(c, out); err != nil {
				return err
			}
			if n := r.failed(); n > 0 {
				return fmt.Errorf("%s", plural(n, "check fails", "checks fail"))
			}
			return nil
		},
	}
	out = apiOutput(c)
	c.Flags().StringVar(&stack, "stack", "", "`NAME` of a deployed CloudFormation stack to check")
	in.addFlags(c)
	return c
}

// print prints the results. On a terminal, the next command stands below the line that it is for.
func (r *report) print(c *cobra.Command, out *output) error {
	if !out.asJSON() && out.form == formTable && isTerminal(c.OutOrStdout()) {
		return r.printLines(c.OutOrStdout(), canvasOf(c).width)
	}
	body, err := json.Marshal(map[string][]diagnosis{"data": r.all})
	if err != nil {
		return err
	}
	return printPage("No checks.", []string{"VERDICT", "CHECK", "DETAIL", "NEXT"}, func(d diagnosis) []string {
		return []string{d.Verdict, d.Check, d.Detail, d.Next}
	})(c, client.Answer{Body: body}, out)
}

// printLines prints the results for people, wrapped to width columns.
func (r *report) printLines(w io.Writer, width int) error {
	const indent = 24
	var b strings.Builder
	for _, d := range r.all {
		for i, line := range wrap(oneLine(d.Detail), max(width-indent, 20)) {
			if i == 0 {
				fmt.Fprintf(&b, "%-11s  %-9s  %s\n", d.Verdict, d.Check, line)
			} else {
				fmt.Fprintf(&b, "%*s%s\n", indent, "", line)
			}
		}
		if d.Next != "" {
			fmt.Fprintf(&b, "%*s-> %s\n", indent, "", oneLine(d.Next))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text at spaces into lines of at most width bytes. A longer word has a line of its own.
func wrap(text string, width int) (lines []string) {
	for word := range strings.FieldsSeq(text) {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(word) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
