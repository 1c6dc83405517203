package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/migrate"
)

// importFlags are what a file leaves open, and where its keys go.
type importFlags struct {
	state, stack string
	form         string
	user         string
	limit        string
	scopes       []string
	ignore       []string
	dryRun, json bool
}

func importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring the keys of another service in, from a file",
		Long: `Writes keys to the table itself, as init does. FILE is - for standard input.
Clients go on using the keys that they have. A key file has lines such as

  # key_id:api_key[:requests_per_minute][:expiry]
  customer-7:sk_live_0123456789abcdef0123456789abcdef
  customer-7:another-key-of-theirs
  customer-8:sk_live_fedcba9876543210fedcba9876543210:600:2027-01-31T12:00:00Z

Lines with one key_id are tokens of one key and share its limit. The first of
them sets the limit. key_id is also the key's owner (userId) and its name. An
expiry without a zone is UTC, and a date alone is its first moment.

A file whose first line is a JSON object must have one on each line. userId and
either sha256 or key are required; the fields are named as in the API:

  {"sha256":"<64 hexadecimal digits>","userId":"u1","scopes":["tts"]}
  {"key":"an-old-key-of-ours","userId":"u1","id":"customer-7","name":"prod",
   "publicKey":"pk_…","environment":"live","description":"","metadata":{},
   "rateLimit":{"requests":100,"window":60},"unlimited":false,
   "quota":{"requests":10000,"period":"month"},"expiresAt":"2027-01-31",
   "notBefore":"2026-01-31","enabled":true,"allowedCidrs":["192.0.2.0/24"]}

(each on one line). user_id is userId, and so on; null is as if the field were
not there. A sha256 may also be base64, or hexadecimal digits after \x.

Other forms must be named with --format:

  csv      a header with the same names: key or sha256, userId, name, scopes,
           requestsPerMinute, enabled, expiresAt and others
  kong     declarative YAML or JSON, or JSON of the Admin API
  apisix   apisix.yaml, YAML of ADC, or JSON of the Admin API
  litellm  JSON of LiteLLM_VerificationToken, or of /key/list with full objects
  unkey    JSON of the table of keys, with its hashes

A restriction of a key that cannot be kept here is an error of that key. To
import the key without it, name the field or the plugin with --ignore.

Check the scopes: an empty list means no scopes here, while some services take
it for all. --scopes sets the scopes of lines without any: --scopes '*' means
all. It does not include the right to manage keys.

The file is judged before the first key is written. Nothing is written if it has
the form of something else or if more than half of its lines are wrong: password
hashes, masked keys and placeholders are no keys. Otherwise each wrong line is
reported with its number, and all others are imported. Importing a file again
is safe, and continues an interrupted import. Changes made to a key meanwhile
stay; a deleted key is created again.`,
		Example: `  latchkey import --dry-run keys.txt
  latchkey import keys.txt --default-limit 100/1m --scopes tts,stt
  latchkey import kong.yaml --format kong --scopes tts --ignore acl
  psql -Atf keys.sql | latchkey import - --format jsonl --stack latchkey`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("needs one FILE, or - for standard input; see latchkey import --help")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVar(&f.state, "state", defaultState, "`DIR` of the running stack")
	c.Flags().StringVar(&f.stack, "stack", "", "`NAME` of a deployed CloudFormation stack")
	c.Flags().StringVar(&f.form, "format", "", "`FORM`: keyfile, jsonl, csv, kong, apisix, litellm\nor unkey; keyfile and jsonl are told apart by the\nfirst line")
	textFlag(c.Flags(), &f.user, "user", "", "`ID` of the user who owns all of the keys; by\ndefault each line names the user", checkUser)
	textFlag(c.Flags(), &f.limit, "default-limit", "", "`N/TIME` for lines without a limit (default 100/1m\nin a key file, 60/1m in other forms)", checkLimit)
	listFlag(c.Flags(), &f.scopes, "scopes", "`LIST` for lines without scopes (default * in a\nkey file, no scopes in other forms)", checkScope)
	c.Flags().StringSliceVar(&f.ignore, "ignore", nil, "`LIST` of fields, columns and plugins to leave out,\nwith what they restrict")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "check everything, list the keys and write nothing")
	c.Flags().BoolVar(&f.json, "json", false, "print the summary as JSON")
	c.MarkFlagsMutuallyExclusive("state", "stack")
	return c
}

// options checks what can be checked without the table.
func (f importFlags) options(scopesGiven bool) (migrate.Options, error) {
	o := migrate.Options{Form: migrate.Form(f.form), UserID: f.user, Ignore: f.ignore}
	if f.form != "" && !slices.Contains(migrate.Forms(), o.Form) {
		return o, usageError{fmt.Errorf("--format must be one of %s", words(migrate.Forms()))}
	}
	if f.limit != "" {
		limit, err := parseLimit(f.limit)
		if err != nil {
			return o, usageError{fmt.Errorf("--default-limit: %w", err)}
		}
		o.Limit = &limit
	}
	if scopesGiven {
		scopes := apikey.Scopes(f.scopes)
		for _, s := range scopes {
			if !apikey.ValidScope(s) {
				return o, usageError{errors.New("--scopes must be words of a-z 0-9 : . _ * - with commas between")}
			}
		}
		o.Scopes = &scopes
	}
	if f.user != "" {
		if err := apikey.CheckUserID(f.user); err != nil {
			return o, usageError{fmt.Errorf("--user: %w", err)}
		}
	}
	return o, nil
}

func (f importFlags) run(c *cobra.Command, path string) error {
	ctx := c.Context()
	o, err := f.options(c.Flags().Changed("scopes"))
	if err != nil {
		return err
	}
	where, err := configOf(ctx, state(f.state), f.stack)
	if err != nil {
		return err
	}
	e, err := newEnvironment(ctx, where, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	// What is wrong with the table shows now, not at every line.
	if err := e.Table.Ping(ctx); err != nil {
		return err
	}
	if _, err := e.Registry.Hasher(ctx); err != nil {
		return fmt.Errorf("load the secret: %w", err)
	}
	in, size, err := openInput(ctx, c.InOrStdin(), path)
	if err != nil {
		return interruptedBefore(err)
	}
	defer in.Close()
	o.Format = e.Format
	registry := e.Registry
	if f.dryRun {
		registry = migrate.Rehearse(registry)
	}
	shown := &progress{out: c.ErrOrStderr()}
	report := func(line int, err error) { shown.say(fmt.Sprintf("line %d: %v", line, err)) }
	reader, err := migrate.Open(ctx, in, o, report)
	if err != nil {
		return interruptedBefore(err)
	}
	in.n.Store(0) // the file is now read again
	job := &migrate.Job{Registry: registry, Report: report}
	var made importList
	if f.dryRun {
		job.Done = made.add
	}
	stop := shown.start(func() string { return importProgress(job.Tally(), in.n.Load(), size) })
	err = job.Run(ctx, reader)
	stop()
	return f.summary(c, job.Tally(), made, err)
}

// interruptedBefore explains an interruption before the first key.
func interruptedBefore(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before anything was written")
	}
	return err
}

func (f importFlags) summary(c *cobra.Command, t migrate.Tally, made importList, err error) error {
	slices.SortFunc(made, func(a, b importedLine) int { return a.Line - b.Line })
	if f.json {
		line, marshalErr := json.Marshal(struct {
			migrate.Tally
			Complete bool       `json:"complete"`
			DryRun   bool       `json:"dryRun"`
			Keys     importList `json:"keys,omitempty"`
		}{t, err == nil, f.dryRun, made})
		if marshalErr != nil {
			return marshalErr
		}
		fmt.Fprintln(c.OutOrStdout(), string(line))
	} else {
		if err := made.print(c.OutOrStdout()); err != nil {
			return err
		}
		text := fmt.Sprintf("%d created, %d added to a key, %d unchanged, %d failed", t.Created, t.Added, t.Unchanged, t.Failed)
		if f.dryRun {
			text += " (dry run: nothing was written)"
		}
		fmt.Fprintln(c.OutOrStdout(), text)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted at line %d; to go on, run the same command again", t.Last)
	case err != nil:
		return fmt.Errorf("%w\nlatchkey: it came to line %d; to go on, run the same command again", err, t.Last)
	case t.Failed > 0:
		return fmt.Errorf("%s not imported; mend them and run the same command again", plural(t.Failed, "line was", "lines were"))
	}
	return nil
}

func importProgress(t migrate.Tally, read, size int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d", t.Last)
	if size > 0 {
		fmt.Fprintf(&b, ", %d %%", 100*min(read, size)/size)
	}
	if t.Failed > 0 {
		fmt.Fprintf(&b, ", %d failed", t.Failed)
	}
	return b.String()
}

// words lists the allowed values.
func words[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts[:len(texts)-1], ", ") + " or " + texts[len(texts)-1]
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
