package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
)

func auditCommand() *cobra.Command {
	return group("audit", "What was done to keys", []*cobra.Command{auditVerifyCommand()})
}

func auditVerifyCommand() *cobra.Command {
	var stateDir, stack, key, user string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that what was done to keys is told as it was written",
		Long: `Reads the trails of keys from the table itself, with your own rights, and checks
that no entry was altered, moved, added or removed: of one key, of all keys of a
user, or of all that there are, for which it reads the whole table.

Prints a line for each place where a trail is broken and ends with 1, or says
how much is intact. An entry that is older than AUDIT_DAYS may be missing. It
cannot see that the whole table was put back to what it was before, nor that
everything is gone that there was of a key: keep the figures of earlier runs.`,
		Example: `  latchkey audit verify                       # all keys, on this machine
  latchkey audit verify --stack latchkey --user u1
  latchkey audit verify --key 3fGq8ZpLw1xKc0Ty`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			where, err := configOf(ctx, state(stateDir), stack)
			if err != nil {
				return err
			}
			e, err := newEnvironment(ctx, where, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			ids := []string{key}
			switch {
			case user != "":
				ids, err = e.Registry.Trails(ctx, user)
			case key == "":
				ids, err = e.Table.Trails(ctx)
			}
			if err != nil {
				return err
			}
			entries, broken := 0, 0
			for _, id := range ids {
				n, err := e.Registry.CheckTrail(ctx, id)
				var found *audit.Break
				switch {
				case errors.As(err, &found):
					broken++
					fmt.Fprintln(c.OutOrStdout(), found)
				case errors.Is(err, apikey.ErrNotFound) && key == "": // forgotten meanwhile
				case err != nil:
					return fmt.Errorf("key %s: %w", id, err)
				}
				entries += n
			}
			if broken > 0 {
				return fmt.Errorf("%s of %d broken", plural(broken, "trail is", "trails are"), len(ids))
			}
			fmt.Fprintf(c.OutOrStdout(), "%s of %s, all as written\n", plural(entries, "entry", "entries"), plural(len(ids), "key", "keys"))
			return nil
		},
	}
	textFlag(c.Flags(), &key, "key", "", "`ID` of the key", checkID)
	textFlag(c.Flags(), &user, "user", "", "`ID` of who owns the keys", checkOwner)
	c.Flags().StringVar(&stateDir, "state", defaultState, "`DIR` of the running local stack")
	c.Flags().StringVar(&stack, "stack", "", "`NAME` of a deployed CloudFormation stack")
	c.MarkFlagsMutuallyExclusive("key", "user")
	c.MarkFlagsMutuallyExclusive("state", "stack")
	return c
}
