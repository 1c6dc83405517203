package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/client"
)

// verdictNo is the error of a command that worked and whose verdict is no. Its exit code is 3.
type verdictNo struct{ error }

func validateCommand() *cobra.Command {
	var scope, source, public string
	var cost int64
	var out *output
	c := &cobra.Command{
		Use:   "validate",
		Short: "Check the key on standard input; exit code 3 if it is not valid",
		Long: `Checks the key that it reads from standard input. On a terminal, it asks for the
key. It spends requests of the key's limit only with --cost. The exit code is 0
if the key is valid, 3 if it is not, and 1 if that could not be decided.` + apiHelp,
		Example: `  latchkey validate --scope tts < key
  pbpaste | latchkey validate --cost 1 --source-ip 192.0.2.7 --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{errors.New(
					"takes the key from standard input: other users can see a command line, and the shell stores it")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := readToken(c)
			if err != nil {
				return err
			}
			body := api.ValidateRequest{
				APIKey: api.NewToken(token), Scope: nonZero(scope), SourceIP: nonZero(source), PublicKey: nonZero(public),
			}
			if c.Flags().Changed("cost") {
				body.Cost = (*api.Integer)(&cost)
			}
			answer, err := callAPI(c, http.MethodPost, api.ValidatePath, nil, body)
			if err != nil {
				return err
			}
			if err := printAnswer(c, answer, out); err != nil {
				return err
			}
			verdict, err := decode[api.Verdict](answer.Body)
			if err != nil {
				return err
			}
			if !verdict.Valid {
				return verdictNo{errors.New("not valid: " + oneLine(verdict.Error))}
			}
			return nil
		},
	}
	textFlag(c.Flags(), &scope, "scope", "", "scope that the key must have", checkScope)
	numberFlag(c.Flags(), &cost, "cost", 0, 0, apikey.MaxRequests, "requests to spend")
	textFlag(c.Flags(), &source, "source-ip", "", "IP address from which the key was used", checkAddress)
	c.Flags().StringVar(&public, "public-key", "", "public key that must belong to the key")
	out = apiOutput(c)
	return c
}

func whoamiCommand() *cobra.Command {
	var out *output
	c := &cobra.Command{
		Use:   "whoami",
		Short: "Show who calls: the owner, the scopes and the limit of the key",
		Long: `Shows the owner, the scopes and the limit of the key that calls. The call counts
as one request of that key. Standard error names the profile in use, and the
variables that come before it.` + apiHelp,
		Example: `  latchkey whoami
  LATCHKEY_KEY=$(cat .latchkey/root-key) latchkey whoami --jq .userId`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := settingsOf(c)
			if err != nil {
				return err
			}
			if origin := s.origin(); origin != "" {
				fmt.Fprintln(c.ErrOrStderr(), origin)
			}
			return out.show(c, func() (client.Answer, error) {
				return callAPI(c, http.MethodGet, api.WhoamiPath, nil, nil)
			}, nil)
		},
	}
	out = apiOutput(c)
	return c
}

func openapiCommand() *cobra.Command {
	out := &output{form: formJSON}
	c := &cobra.Command{
		Use:   "openapi",
		Short: "Print the service's OpenAPI document",
		Long:  `Prints the OpenAPI 3.1 document of the service, as JSON.` + apiHelp,
		Example: `  latchkey openapi > openapi.json
  latchkey openapi --jq '.paths | keys[]'`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			answer, err := callAPI(c, http.MethodGet, api.OwnPrefix+api.DocumentPath, nil, nil)
			if err != nil {
				return err
			}
			return out.printJSON(c, answer.Body)
		},
	}
	filterFlag(c, out)
	apiFlags(c)
	return c
}
