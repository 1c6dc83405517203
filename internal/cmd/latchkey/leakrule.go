package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
)

// leakRules has the rule of each scanner. The first argument is the prefix of the tokens, and the second
// is their regular expression.
var leakRules = map[string]string{
	"gitleaks": `[[rules]]
id = "latchkey-%[1]s"
description = "API key that begins with %[1]s_live_ or %[1]s_test_"
regex = '''%[2]s'''
keywords = ["%[1]s_live_", "%[1]s_test_"]
`,
	"trufflehog": `detectors:
  - name: latchkey-%[1]s
    keywords:
      - %[1]s_live_
      - %[1]s_test_
    regex:
      key: '%[2]s'
`,
}

func leakRuleCommand() *cobra.Command {
	var form, prefix string
	c := &cobra.Command{
		Use:   "leak-rule",
		Short: "Print a rule for a leak scanner that finds the tokens",
		Long: `Prints a rule with which a leak scanner finds the tokens of a deployment: a part
of the configuration of Gitleaks, or one of TruffleHog. It finds all tokens that
the deployment makes, and no public keys and ids. It does not find imported
tokens. The scanner does not check the checksum at the end of a token.

With the default prefix sk, tokens begin as those of another company do. Give
the deployment a prefix of its own.`,
		Example: `  latchkey leak-rule --prefix acme > .gitleaks.toml
  latchkey leak-rule --prefix acme --format trufflehog > trufflehog.yaml`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			prefix := cmp.Or(prefix, os.Getenv("KEY_PREFIX"), "sk")
			format, err := apikey.NewFormat(prefix)
			if err != nil {
				return usageError{fmt.Errorf("KEY_PREFIX: %w", err)}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), leakRules[form], prefix, format.Pattern())
			return err
		},
	}
	choiceFlag(c, &form, "format", "gitleaks", "`FORM` of the rule, gitleaks or trufflehog", "gitleaks", "trufflehog")
	textFlag(c.Flags(), &prefix, "prefix", "", "`PREFIX` of the tokens; by default KEY_PREFIX, or sk", checkPrefix)
	return c
}

func checkPrefix(text string) error {
	_, err := apikey.NewFormat(text)
	return err
}
