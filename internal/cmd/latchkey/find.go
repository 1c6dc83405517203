package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

func findCommand() *cobra.Command {
	var out *output
	c := &cobra.Command{
		Use:   "find",
		Short: "Show the key that the token on standard input belongs to",
		Long: `Shows the key that the token on standard input belongs to. On a terminal, it
asks for the token. It finds keys that are disabled, expired or revoked, and
those whose token was replaced by a rotation. It spends nothing, and it never
prints the token. Only an admin may do this.` + apiHelp,
		Example: `  latchkey keys find < leaked-token
  pbpaste | latchkey keys find --json`,
		Args: noToken,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := readToken(c)
			if err != nil {
				return err
			}
			if token == "" {
				return usageError{errors.New("standard input is empty: it must have one token")}
			}
			body := api.TokenRequest{Key: api.NewToken(token)}
			answer, err := callAPI(c, http.MethodPost, api.KeysPath+"/lookup", nil, body)
			if err != nil {
				return findHint(err)
			}
			return printAnswer(c, answer, out)
		},
	}
	out = apiOutput(c)
	return c
}

// noToken refuses arguments, where a token is likely.
func noToken(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{errors.New(
			"takes the token from standard input: other users can see a command line, and the shell stores it")}
	}
	return nil
}

// findHint adds what to do next to an error of the lookup.
func findHint(err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Status {
	case http.StatusForbidden:
		return hinted{e, "latchkey validate shows the id of a key without an admin."}
	case http.StatusNotFound:
		return hinted{e, "latchkey validate says what is wrong with a token."}
	}
	return err
}
