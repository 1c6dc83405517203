// Command latchkey runs the service on this machine, creates its first key, imports keys from
// other services, checks a deployed stack, and calls the HTTP API.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "latchkey:", err)
		if ctx.Err() != nil {
			os.Exit(130) // interrupted, no matter how the command ended
		}
		os.Exit(exitCode(err))
	}
}

// usageError is an error in the command line or in a variable. Its exit code is 2.
type usageError struct{ error }

// exitCode returns the exit code for an error that a command returned. Scripts depend on these
// codes, so they must not change.
func exitCode(err error) int {
	switch {
	case errors.As(err, &usageError{}):
		return 2
	case errors.As(err, &verdictNo{}):
		return 3
	}
	var answer *client.Error
	if errors.As(err, &answer) {
		switch {
		case answer.Status == http.StatusBadRequest && answer.Code != "":
			return 2
		case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
			return 4
		}
	}
	return 1
}

func root() *cobra.Command {
	c := group("latchkey", "API keys with exact limits, on AWS or on this machine", []*cobra.Command{
		devCommand(), serveCommand(), configureCommand(), initCommand(), importCommand(), auditCommand(),
		smokeCommand(), echoCommand(),
		doctorCommand(),
		loginCommand(), logoutCommand(), whoamiCommand(),
		keysCommand(), usersCommand(), plansCommand(), validateCommand(), topCommand(), exportCommand(), tableCommand(),
		secretCommand(), leakRuleCommand(), openapiCommand(), manCommand(), versionCommand(),
	})
	c.Long = c.Short + `.

Exit codes:
  0    success
  1    failure
  2    the command line or a variable is wrong, or the API refused the request
       as invalid
  3    the verdict is no: the key is not valid, or the request would be refused
  4    the key is not accepted, or it may not make this request
  130  interrupted`
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(flagError)
	c.SetUsageTemplate(strings.ReplaceAll(c.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 80 "))
	c.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return checkFlags(c) }
	c.InitDefaultHelpCmd()
	c.InitDefaultCompletionCmd()
	// These two are cobra's own. Without the following, they print the help for a misspelt word
	// and succeed.
	for _, builtIn := range c.Commands() {
		switch builtIn.Name() {
		case "completion":
			builtIn.Args, builtIn.RunE = needsCommand, needsCommand
			for _, shell := range builtIn.Commands() { // one line has more than 80 columns
				shell.Long = strings.ReplaceAll(shell.Long, " via your OS's package manager", "")
			}
		case "help":
			builtIn.Args = func(_ *cobra.Command, args []string) error {
				if found, _, err := c.Find(args); err != nil || found == c && len(args) > 0 {
					return usageError{errors.New("there is no such command; see latchkey --help")}
				}
				return nil
			}
		}
	}
	return c
}

// group returns a command that only has subcommands. Running it alone is a usage error. Without
// that, cobra would print the help for a misspelt subcommand and succeed.
func group(use, short string, commands []*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: needsCommand, RunE: needsCommand}
	c.AddCommand(commands...)
	return c
}

// needsCommand reports that args names no subcommand of c. It does not repeat a long word, which
// may be a token.
func needsCommand(c *cobra.Command, args []string) error {
	see := "see " + c.CommandPath() + " --help"
	if len(args) == 0 {
		return usageError{errors.New("which command? " + see)}
	}
	if len(args[0]) > longestFlag {
		return usageError{errors.New("there is no such command; " + see)}
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usageError{fmt.Errorf("there is no command %q; did you mean %s? %s", args[0], near[0], see)}
	}
	return usageError{fmt.Errorf("there is no command %q; %s", args[0], see)}
}

func noArguments(c *cobra.Command, args []string) error { return upTo(0, "no arguments")(c, args) }

// upTo accepts at most n arguments. The error does not repeat them, because one may be a token.
func upTo(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError{fmt.Errorf("takes %s; see %s --help", what, c.CommandPath())}
		}
		return nil
	}
}
