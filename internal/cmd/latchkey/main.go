// Command latchkey runs the service on a laptop, makes its first key, brings old
// ones in, checks a deployed stack, and speaks to the service wherever it runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
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
			os.Exit(130) // interrupted, whatever came of that
		}
		os.Exit(exitCode(err))
	}
}

// usageError is a command line that cannot be understood: exit code 2.
type usageError struct{ error }

// exitCode is what scripts go by.
func exitCode(err error) int {
	var answer *client.Error
	switch {
	case errors.As(err, &usageError{}), errors.As(err, &answer) && answer.Status == http.StatusBadRequest && answer.Code != "":
		return 2
	case errors.As(err, &verdictNo{}):
		return 3
	case errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden):
		return 4
	}
	return 1
}

func root() *cobra.Command {
	c := group("latchkey", "API keys with exact limits, on AWS or on this machine", []*cobra.Command{
		devCommand(), initCommand(), importCommand(), auditCommand(), smokeCommand(),
		keysCommand(), validateCommand(), whoamiCommand(), openapiCommand(), versionCommand(),
	})
	c.Long = c.Short + `.

Exit codes: 0 done, 1 failed, 2 not understood, 3 the verdict is no, 4 the key
is not accepted or may not, 130 interrupted.`
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(flagError)
	c.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return checkFlags(c) }
	c.InitDefaultHelpCmd()
	c.InitDefaultCompletionCmd()
	for _, own := range c.Commands() { // cobra's: a misspelt word prints a help and succeeds
		switch own.Name() {
		case "completion":
			own.Args, own.RunE = needsCommand, needsCommand
		case "help":
			own.Args = func(help *cobra.Command, args []string) error {
				if found, _, err := c.Find(args); err != nil || found == c && len(args) > 0 {
					return usageError{errors.New("there is no such command; see latchkey --help")}
				}
				return nil
			}
		}
	}
	return c
}

// group is a command that has others. By itself it does nothing: without that,
// a misspelt one would print the help and succeed.
func group(use, short string, commands []*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: needsCommand, RunE: needsCommand}
	c.AddCommand(commands...)
	return c
}

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

// upTo accepts at most n arguments. They are not repeated: one may be a key.
func upTo(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError{fmt.Errorf("takes %s; see %s --help", what, c.CommandPath())}
		}
		return nil
	}
}
