package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/assertion"
	"latchkey/internal/config"
	"latchkey/internal/pepper"
)

// secretFields are the fields of the deployment's secret that set and unset may change. A change of
// master would make every key useless, and a pepper is never removed.
func secretFields() []string { return []string{"staticKeys", "internalKey"} }

// longestField is below what Secrets Manager takes as a whole, 64 KB.
const longestField = 60 << 10

func secretCommand() *cobra.Command {
	return group("secret", "Show and change the deployment's secret, but never show a value", []*cobra.Command{
		secretNewCommand(), secretShowCommand(), secretSetCommand(), secretUnsetCommand(), secretAddPepperCommand(),
		secretAddAssertionKeyCommand(),
	})
}

func secretShowCommand() *cobra.Command {
	var where target
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what the secret holds, but no value of it",
		Long: `Shows the fields of the deployment's secret: how many peppers there are and
their names, newest first, and the names of static keys. Stored hashes have the
names of their peppers. No value is shown.`,
		Example: `  latchkey secret show
  latchkey secret show --stack latchkey --region us-east-1`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			held, err := where.secret(c.Context())
			if err != nil {
				return err
			}
			rows, err := held.describe()
			if err != nil {
				return err
			}
			return printTable(c.OutOrStdout(), []string{"FIELD", "CONTENT"}, rows)
		},
	}
	where.addFlags(c)
	return c
}

func secretSetCommand() *cobra.Command {
	return onSecret(secretEdit{
		use: "set FIELD", short: "Set staticKeys or internalKey to the text on standard input", field: true,
		long: `Sets a field of the deployment's secret to the text on standard input. On a
terminal, it asks for the text and does not show it.

  staticKeys   static keys, as in token:name,token:name
  internalKey  the token of a key without a limit

A token must have at least 16 characters.`,
		example: `  latchkey secret set staticKeys < static-keys
  latchkey secret set internalKey --stack latchkey < internal-key`,
		edit: func(c *cobra.Command, fields secretText, field string) error {
			value, err := readHidden(c, field, longestField)
			if err != nil {
				return err
			}
			if value == "" {
				return usageError{errors.New("the text is empty: latchkey secret unset removes the field")}
			}
			return fields.put(field, value)
		},
	})
}

func secretUnsetCommand() *cobra.Command {
	return onSecret(secretEdit{
		use: "unset FIELD", short: "Remove staticKeys or internalKey from the secret", field: true,
		long: "Removes a field from the deployment's secret. Its keys are then refused.",
		example: "  latchkey secret unset staticKeys\n" +
			"  latchkey secret unset internalKey --stack latchkey --region us-east-1",
		edit: func(_ *cobra.Command, fields secretText, field string) error {
			if _, there := fields[field]; !there {
				return fmt.Errorf("the secret has no %s", field)
			}
			delete(fields, field)
			return nil
		},
	})
}

func secretAddPepperCommand() *cobra.Command {
	return onSecret(secretEdit{
		use: "add-pepper", short: "Add a new random pepper, which hashes keys from now on",
		long: `Adds a random pepper to the deployment's secret, before all others. New keys are
hashed with it, and a stored key when it is used next. All older peppers stay,
because keys that were not used meanwhile need them.`,
		example: "  latchkey secret add-pepper\n  latchkey secret add-pepper --stack latchkey --region us-east-1",
		edit:    prepend("peppers"),
	})
}

func secretAddAssertionKeyCommand() *cobra.Command {
	return onSecret(secretEdit{
		use: "add-assertion-key", short: "Add a new random key, which signs assertions from now on",
		long: `Adds a random key to the deployment's secret, before all others. It signs the
assertions that backends verify. The public keys of all older ones stay
published, so that assertions that are on their way are still good.`,
		example: "  latchkey secret add-assertion-key\n" +
			"  latchkey secret add-assertion-key --stack latchkey --region us-east-1",
		edit: prepend("assertionKeys"),
	})
}

// prepend returns an edit that puts a random text before all others in a list of the secret.
func prepend(list string) func(*cobra.Command, secretText, string) error {
	return func(_ *cobra.Command, fields secretText, _ string) error {
		var texts []json.RawMessage
		if text, there := fields[list]; there {
			if err := json.Unmarshal(text, &texts); err != nil {
				return fmt.Errorf("the secret's %s are not a list of texts", list)
			}
		}
		newest, err := json.Marshal(rand.Text() + rand.Text())
		if err != nil {
			return err
		}
		return fields.put(list, slices.Insert(texts, 0, json.RawMessage(newest)))
	}
}

// secretEdit describes a command that changes the secret.
type secretEdit struct {
	use, short, long, example string
	field                     bool // its argument is one of secretFields
	edit                      func(c *cobra.Command, fields secretText, field string) error
}

func onSecret(e secretEdit) *cobra.Command {
	var where target
	c := &cobra.Command{
		Use: e.use, Short: e.short, Example: e.example,
		Long: e.long + `

The new secret is checked before it is stored. Running instances know it within
five minutes, and a local stack when it gets SIGHUP. All other fields stay as
they are.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			field := strings.Join(args, "")
			held, err := where.secret(c.Context())
			if err != nil {
				return err
			}
			edit := func(fields secretText) error { return e.edit(c, fields, field) }
			if err := held.change(c.Context(), edit); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "The secret is changed. "+held.next)
			return nil
		},
	}
	if e.field {
		c.Args = func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(secretFields(), args[0]) {
				return usageError{errors.New("needs one FIELD: staticKeys or internalKey; the text comes from standard input")}
			}
			return nil
		}
		c.ValidArgs = secretFields()
	}
	where.addFlags(c)
	return c
}

// secretText is the JSON object of a secret. Fields that no command knows keep their bytes.
type secretText map[string]json.RawMessage

func (t secretText) put(field string, value any) error {
	text, err := json.Marshal(value)
	t[field] = text
	return err
}

// heldSecret is a secret that was read, and can be stored again.
type heldSecret struct {
	config config.Config
	text   config.Sensitive
	next   string // what happens after a change, or must be done then
	// store replaces the secret, unless it was changed after it was read.
	store func(context.Context, config.Sensitive) error
}

// change edits the fields of the secret and stores it, if the new secret is a good one.
func (h heldSecret) change(ctx context.Context, edit func(secretText) error) error {
	var fields secretText
	if err := json.Unmarshal([]byte(h.text.Reveal()), &fields); err != nil {
		return errors.New("the secret is not a JSON object: restore it from a backup")
	}
	if err := edit(fields); err != nil {
		return err
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	changed := config.NewSensitive(string(text))
	if _, _, err := h.parse(changed); err != nil {
		return usageError{err}
	}
	return h.store(ctx, changed)
}

// parse checks a secret as an instance does.
func (h heldSecret) parse(text config.Sensitive) (config.SecretContent, pepper.Hasher, error) {
	content, err := h.config.ParseSecret(text)
	if err != nil {
		return config.SecretContent{}, pepper.Hasher{}, err
	}
	hasher, err := pepper.NewHasher(content.Master.Reveal(), content.Peppers.Reveal())
	if err == nil {
		_, err = assertion.NewKeys(content.Master.Reveal(), content.AssertionKeys.Reveal())
	}
	return content, hasher, err
}

// describe returns a row for each field of the secret.
func (h heldSecret) describe() (rows [][]string, err error) {
	var fields secretText
	if err := json.Unmarshal([]byte(h.text.Reveal()), &fields); err != nil {
		return nil, errors.New("the secret is not a JSON object: restore it from a backup")
	}
	content, hasher, err := h.parse(h.text)
	if err != nil {
		return nil, err
	}
	if _, there := fields["peppers"]; !there {
		fields["peppers"] = nil // one is derived from master
	}
	var static []string
	for _, k := range content.Static.Keys() {
		static = append(static, k.Name)
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		text := "set"
		switch field {
		case "peppers":
			text = strings.Join(hasher.PepperNames(), ", ") + " (the last one is derived from master)"
		case "assertionKeys":
			text = plural(len(content.AssertionKeys.Reveal()), "key", "keys") + ", of which the first one signs"
		case "staticKeys":
			text = "names of all static keys: " + strings.Join(static, ", ")
		}
		rows = append(rows, []string{field, text})
	}
	return rows, nil
}
