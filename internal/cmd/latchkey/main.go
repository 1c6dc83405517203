// Command latchkey runs the service on a laptop, makes its first key, and checks
// a deployed stack.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "latchkey:", err)
		os.Exit(exitCode(err))
	}
}

// usageError is a command line that cannot be understood: exit code 2.
type usageError struct{ error }

func exitCode(err error) int {
	if errors.As(err, &usageError{}) {
		return 2
	}
	return 1
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "latchkey",
		Short:         "API keys with exact limits, on AWS or on this machine",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		// Without this a misspelt command prints the help and succeeds.
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{errors.New("which command? See latchkey --help")}
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("there is no command %q; see latchkey --help", args[0])}
		}
		return nil
	}
	c.AddCommand(devCommand(), initCommand(), smokeCommand())
	return c
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{errors.New("takes no arguments; see --help")}
	}
	return nil
}
