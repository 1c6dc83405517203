package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

const creditsHelp = `

Credits are what a quota with the period lifetime allows, such as that of
--quota 500/lifetime. There must be such a quota. A negative AMOUNT, after --,
takes credits away.

The command adds the credits each time that it is run. With --idempotency-key,
it adds them once in 24 hours for one KEY.`

func keyCreditsCommand() *cobra.Command {
	return creditsCommand("Add prepaid requests to a key", "  latchkey keys credits fbvIj5lD1wYRMsd9 +500\n"+
		"  latchkey keys credits fbvIj5lD1wYRMsd9 +500 \\\n    --idempotency-key order-4711-of-2027-01-31",
		checkID, keyPath, keyIDs)
}

func userCreditsCommand() *cobra.Command {
	return creditsCommand("Add prepaid requests for all keys of a user together",
		"  latchkey users credits u1 +500\n  latchkey users credits u1 -- -500", checkPerson, pathOfUser, userIDs)
}

// creditsCommand adds credits to the key or the user at path.
func creditsCommand(
	short, example string, check func(string) error, path func(string) string, ids completer,
) *cobra.Command {
	var out *output
	c := &cobra.Command{
		Use: "credits ID +AMOUNT", Short: short, Long: short + "." + creditsHelp + apiHelp, Example: example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{errors.New("needs an ID and the credits to add, such as +500")}
			}
			if err := check(args[0]); err != nil {
				return usageError{errors.New("the ID " + err.Error())}
			}
			if _, err := parseCredits(args[1]); err != nil {
				return usageError{err}
			}
			return nil
		},
		ValidArgsFunction: completeArgument(ids),
		RunE: func(c *cobra.Command, args []string) error {
			credits, err := parseCredits(args[1])
			if err != nil {
				return usageError{err}
			}
			body := api.CreditsRequest{Add: api.Integer(credits)}
			return out.show(c, func() (client.Answer, error) {
				return callAPI(c, http.MethodPost, path(args[0])+"/credits", nil, body)
			}, nil)
		},
	}
	onceFlag(c)
	matchFlag(c)
	out = apiOutput(c)
	return c
}
