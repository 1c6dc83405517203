package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

func keysCommand() *cobra.Command {
	return group("keys", "Manage API keys", []*cobra.Command{
		createCommand(), listCommand(), getCommand(), updateCommand(),
		switchCommand("enable", "Enable a disabled key", true),
		switchCommand("disable", "Disable a key until it is enabled", false),
		rotateCommand(), endGraceCommand(), revokeCommand(), deleteCommand(),
		findCommand(), keyCreditsCommand(), explainCommand(), usageCommand(), trailCommand(),
	})
}

func createCommand() *cobra.Command {
	var f keyFlags
	var user, environment string
	var out *output
	c := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create a key and print only the key on standard output",
		Long: `Creates a key and prints only the key on standard output. It is never shown
again. By default a key has no scopes, no expiry, and the limits of its plan and
its user, or 60 requests a minute if they set none. It never has more than the
key that creates it.

The first --limit is the key's rateLimit, and the others are its limits.` + apiHelp,
		Example: `  latchkey keys create ci --scopes tts --limit 100/1m --expires 90d | pbcopy
  latchkey keys create --user u1 --plan pro --limit 10/1s --limit 1000/1m
  latchkey keys create --user u1 --quota 500/lifetime --json`,
		Args: upTo(1, "at most one NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			fields, err := f.fields(c.Flags(), time.Now())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				fields.Name = &args[0]
			}
			body := api.CreateRequest{Fields: fields}
			if c.Flags().Changed("user") {
				body.UserID = &user
			}
			if c.Flags().Changed("env") {
				body.Environment = (*api.Environment)(&environment)
			}
			return out.show(c, func() (client.Answer, error) {
				return callAPI(c, http.MethodPost, api.KeysPath, nil, body)
			}, printIssued)
		},
	}
	f.add(c)
	userFlag(c, &user, "`ID` of the user who owns the key; by default you", checkOwner)
	choiceFlag(c, &environment, "env", "", "`ENV`, live or test; by default that of your key, or live", "live", "test")
	onceFlag(c)
	out = apiOutput(c)
	c.MarkFlagsMutuallyExclusive("limit", "unlimited")
	return c
}

// printIssued prints a new token. Standard output has nothing else, so that it can be piped into
// another program.
func printIssued(c *cobra.Command, answer client.Answer, out *output) error {
	made, err := decode[api.CreateResponse](answer.Body) // a rotation has an answer of the same form
	if err != nil {
		return err
	}
	switch {
	case out.asJSON():
		err = out.printJSON(c, answer.Body)
	case out.form == formCSV:
		err = printAnswer(c, answer, out)
	default:
		if made.PreviousKeyValidUntil != "" {
			older := "The key before it works until"
			if span, err := parseGrace(c.Flag("grace").Value.String()); err == nil && span == 0 {
				older = "Every older key ended at"
			}
			fmt.Fprintf(c.ErrOrStderr(), "%s %s.\n", older, made.PreviousKeyValidUntil)
		}
		fmt.Fprintf(c.ErrOrStderr(), "Key %s of user %s. It is never shown again:\n", made.ID, oneLine(made.UserID))
		_, err = fmt.Fprintln(c.OutOrStdout(), made.Key.Reveal())
	}
	if err != nil {
		return fmt.Errorf("the key was made, but could not be printed: rotate or revoke %s: %w", made.ID, err)
	}
	return nil
}

func getCommand() *cobra.Command {
	return onKey(onOne{
		use: "get", reads: true, short: "Show a key and the remaining requests of its limit",
		example: "  latchkey keys get fbvIj5lD1wYRMsd9\n  latchkey keys get fbvIj5lD1wYRMsd9 --json",
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, keyPath(id), nil, nil)
		},
	})
}

func updateCommand() *cobra.Command {
	var f keyFlags
	var name, user string
	c := onKey(onOne{
		use: "update", short: "Change the given properties of a key",
		example: `  latchkey keys update fbvIj5lD1wYRMsd9 --limit 100/1m --expires never
  latchkey keys update fbvIj5lD1wYRMsd9 --name prod --scopes tts,stt
  latchkey keys update fbvIj5lD1wYRMsd9 --user team:search --limit none`,
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			change, err := f.patch(c.Flags(), time.Now())
			if err != nil {
				return client.Answer{}, err
			}
			if c.Flags().Changed("name") {
				change.Name = api.Set(name)
			}
			if c.Flags().Changed("user") {
				change.UserID = api.Set(user)
			}
			if change == (api.Patch{}) {
				return client.Answer{}, nothingGiven(c)
			}
			return patch(c, id, change)
		},
	})
	f.add(c)
	c.Flags().StringVar(&name, "name", "", "name of the key")
	userFlag(c, &user, "`ID` of the user who gets the key; only an admin may do this", checkUser)
	c.MarkFlagsMutuallyExclusive("limit", "unlimited")
	return c
}

func switchCommand(use, short string, enabled bool) *cobra.Command {
	return onKey(onOne{
		use: use, short: short,
		example: fmt.Sprintf("  latchkey keys %[1]s fbvIj5lD1wYRMsd9\n  latchkey keys %[1]s fbvIj5lD1wYRMsd9 --json", use),
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return patch(c, id, api.Patch{Enabled: api.Set(enabled)})
		},
	})
}

func keyPath(id string) string { return api.KeysPath + "/" + id }

func patch(c *cobra.Command, id string, change api.Patch) (client.Answer, error) {
	return callAPI(c, http.MethodPatch, keyPath(id), nil, change)
}

func rotateCommand() *cobra.Command {
	var grace string
	c := onKey(onOne{
		use: "rotate", short: "Give a key a new token and print only the token on standard output",
		example: `  latchkey keys rotate fbvIj5lD1wYRMsd9 --grace 1h | pbcopy
  latchkey keys rotate fbvIj5lD1wYRMsd9 --grace 0 --json`,
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			span, err := parseGrace(grace)
			if err != nil {
				return client.Answer{}, usageError{fmt.Errorf("--grace %w", err)}
			}
			seconds := api.Integer(span / time.Second)
			body := api.RotateRequest{GracePeriod: &seconds}
			return callAPI(c, http.MethodPost, keyPath(id)+"/rotate", nil, body)
		},
		print: printIssued,
	})
	textFlag(c.Flags(), &grace, "grace", "24h",
		"`SPAN` for which the present token still works, e.g. 1h, up to 30d; 0 ends it and all older tokens at once",
		checkGrace)
	onceFlag(c)
	return c
}

func endGraceCommand() *cobra.Command {
	return onKey(onOne{
		use: "end-grace", short: "End the older tokens of a rotated key now; the present token stays",
		example: `  latchkey keys end-grace fbvIj5lD1wYRMsd9
  latchkey keys end-grace fbvIj5lD1wYRMsd9 --json`,
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return callAPI(c, http.MethodPost, keyPath(id)+"/end-grace", nil, nil)
		},
	})
}

func deleteCommand() *cobra.Command {
	return onKey(onOne{
		use: "delete", short: "Delete a key and its record", final: "Delete",
		example: "  latchkey keys delete fbvIj5lD1wYRMsd9\n  latchkey keys delete fbvIj5lD1wYRMsd9 --yes",
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return callAPI(c, http.MethodDelete, keyPath(id), nil, nil)
		},
	})
}
