package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/redact"
	"latchkey/internal/smoke"
)

func smokeCommand() *cobra.Command {
	var f smokeFlags
	c := &cobra.Command{
		Use:   "smoke [URL]",
		Short: "Check a deployed stack from outside",
		Long: `Checks, with requests from outside, everything that latchkey expects of API
Gateway in front of it. It prints a line for each check: ok, or DIFFERS with the
expected and the actual value. The line names the assumption that the check
rests on. It makes two keys, uses up the limit of one, revokes the other, and
deletes both. It ends with the first request that has no answer.

With --echo it checks what API Gateway makes of requests on their way to your
own API. For this run, latchkey echo must be the API at the stack's BackendUrl.

  LATCHKEY_KEY  an admin key, as latchkey init prints it
  LATCHKEY_URL  the URL of the API, used if no URL is given: the output ApiUrl

With --stack, the URL and the parameters are read from the stack, with your own
AWS credentials. With --aws as well, it then checks the stack's alarms, metrics,
dashboard, access log and quota, and waits for those that arrive late.

The exit code is 0 if everything is as expected, 1 if something differs, and 2
if the command line or one of these variables is wrong.`,
		Example: `  latchkey smoke --stack latchkey --region us-east-1
  LATCHKEY_URL=http://127.0.0.1:3000 latchkey smoke --freshness 2s
  latchkey smoke --echo -o json
  latchkey smoke --stack latchkey --aws --wait 10m`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("takes one URL; see --help")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	f.add(c)
	return c
}

// smokeFlags are the flags of the smoke command.
type smokeFlags struct {
	smoke.Options
	denyStatus, form, stack string
	in                      account
	own                     inAccount
}

func (f *smokeFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.stack, "stack", "", "`NAME` of the deployed CloudFormation stack")
	f.in.addFlags(c)
	f.own.addFlags(c)
	c.Flags().DurationVar(&f.Freshness, "freshness", time.Second, "the stack's parameter Freshness")
	c.Flags().BoolVar(&f.QueryAPIKey, "query-api-key", true, "the stack's parameter QueryApiKey")
	c.Flags().BoolVar(&f.ProtectValidate, "protect-validate", false, "the stack's parameter ProtectValidate")
	choiceFlag(c, &f.denyStatus, "deny-status", "429", "the stack's parameter DenyStatus", "429", "403")
	c.Flags().BoolVar(&f.Backend, "backend", false, "the stack has a BackendUrl")
	c.Flags().BoolVar(&f.Echo, "echo", false,
		"the stack's BackendUrl is a latchkey echo: check what reaches it, and nothing else")
	c.Flags().BoolVar(&f.Console, "console", true, "the stack's parameter ConsoleEnabled")
	c.Flags().BoolVar(&f.Outage, "outage", false, "expect 503: its functions cannot reach the table")
	c.Flags().IntVar(&f.Throttle, "throttle", 0, "send up to so many requests at once, to be throttled by the stage")
	c.MarkFlagsMutuallyExclusive("echo", "outage")
	choiceFlagP(c, &f.form, "output", "o", formTable, "`FORM`: table or json", formTable, formJSON)
}

func (f *smokeFlags) run(c *cobra.Command, args []string) error {
	if f.Freshness < 0 || f.Freshness > time.Hour {
		return usageError{errors.New("--freshness must be between 0 and 1h, such as 1s")}
	}
	if err := f.in.check(f.stack); err != nil {
		return err
	}
	if f.Throttle < 0 || f.Throttle > 10000 {
		return usageError{errors.New("--throttle must be a number of requests from 0 to 10000")}
	}
	if err := f.own.check(f.stack); err != nil {
		return err
	}
	at := os.Getenv("LATCHKEY_URL")
	var deployed deployedStack
	var err error
	if f.stack != "" {
		if deployed, err = smokeStack(c, f.in, f.stack); err != nil {
			return err
		}
		at = deployed.values["ApiUrl"]
	}
	if f.DenyStatus, err = strconv.Atoi(f.denyStatus); err != nil {
		return usageError{errors.New("--deny-status must be 429 or 403")}
	}
	if len(args) == 1 {
		at = args[0]
	}
	if f.URL, err = smoke.ParseURL(at); err != nil {
		return usageError{err}
	}
	key := strings.TrimSpace(os.Getenv("LATCHKEY_KEY"))
	if key == "" && !f.Outage {
		return usageError{errors.New("LATCHKEY_KEY must hold an admin key; latchkey init makes one")}
	}
	f.Key = redact.New(key)
	f.Now = time.Now
	begun := time.Now()
	return printSmoke(c, f.form == formJSON, func(report func(smoke.Row)) error {
		f.Report = report
		err := smoke.Run(c.Context(), f.Options)
		if err == nil && f.own.asked {
			err = smokeAccount(c.Context(), f.in, f.stack, deployed, f.own, begun, report)
		}
		return err
	})
}

// printSmoke runs checks. It prints each row when it is known or, as JSON, all rows at the end.
func printSmoke(c *cobra.Command, asJSON bool, run func(report func(smoke.Row)) error) error {
	rows, checks, differences := []smoke.Row{}, 0, 0
	err := run(func(row smoke.Row) {
		rows = append(rows, row)
		switch row.Verdict {
		case smoke.OK:
			checks++
		case smoke.Differs:
			checks++
			differences++
		}
		if !asJSON {
			fmt.Fprintln(c.OutOrStdout(), row)
		}
	})
	switch {
	case asJSON:
		printed := json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
			"data": rows, "checks": checks, "differences": differences,
		})
		if err == nil {
			err = printed
		}
	case err == nil && differences == 0:
		fmt.Fprintf(c.OutOrStdout(), "%d checks, all as expected\n", checks)
	case err == nil:
		fmt.Fprintf(c.OutOrStdout(), "%d checks, %d differ\n", checks, differences)
	}
	if err == nil && differences > 0 {
		err = fmt.Errorf("the stack is not as expected: %d checks differ", differences)
	}
	return err
}
