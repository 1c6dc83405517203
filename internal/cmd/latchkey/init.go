package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
)

func initCommand() *cobra.Command {
	var where target
	var user, name string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an admin key by writing it directly to the table",
		Long: `Makes an unlimited key with keys:admin and prints only the key on standard
output. It is an ordinary key. init writes it with your own rights to the table:
those of your AWS credentials, or the right to read the local stack's folder.
With --stack, standard error says how many functions the account may run at
once.`,
		Example: `  latchkey init                       # for the stack that latchkey dev runs
  latchkey init --stack latchkey --region us-east-1
  latchkey init --from-env           # for latchkey serve without a stack`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			settings, e, err := where.open(ctx)
			if err != nil {
				return err
			}
			env := settings.Environments[0]
			token, err := e.Format.New(env, rand.Reader)
			if err != nil {
				return err
			}
			if err := makeAdmin(ctx, e, "init", token, env, user, name); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "The admin key. It is never shown again:")
			if _, err := fmt.Fprintln(c.OutOrStdout(), token.Reveal()); err != nil {
				return fmt.Errorf("the key was made, but could not be printed: revoke %s: %w", token.ID(), err)
			}
			if where.stack != "" {
				fmt.Fprintln(c.ErrOrStderr(), quotaNote(ctx, where.account))
			}
			return nil
		},
	}
	where.addFlags(c)
	textFlag(c.Flags(), &user, "user", apikey.OwnUser, "user who owns the key", checkUser)
	c.Flags().StringVar(&name, "name", "admin", "name of the key")
	return c
}

// quotaTime bounds the question about the quota. It must not hold up a script.
const quotaTime = 5 * time.Second

// quotaNote says how many functions the account may run at once. A request to latchkey's own routes
// takes two at the same time: the authorizer and the function behind it.
func quotaNote(ctx context.Context, in account) string {
	ctx, cancel := context.WithTimeout(ctx, quotaTime)
	defer cancel()
	loaded, err := in.load(ctx)
	var most int32
	if err == nil {
		most, err = concurrency(ctx, loaded)
	}
	if err != nil {
		return "How many functions the account may run at once could not be read: " + reason(err)
	}
	note := fmt.Sprintf("The account may run %d functions at once in %s.", most, loaded.Region)
	if most < fewFunctions {
		note += " Above that, callers get 503. Ask AWS for more:\n  " + moreFunctions + " --region " + loaded.Region
	}
	return note
}
