package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
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

Lines with one key_id are tokens of one key and share its limit; what the first
of them says of it holds. It is the key's owner (userId) and its name, too. An
expiry without a zone is UTC, and a date alone is its first moment.

A file whose first line is a JSON object holds one on each line. Of sha256 and
key one is needed, and userId; the fields are named as in the API:

  {"sha256":"<64 hexadecimal digits>","userId":"u1","scopes":["tts"]}
  {"key":"an-old-key-of-ours","userId":"u1","id":"customer-7","name":"prod",
   "publicKey":"pk_…","environment":"live","description":"","metadata":{},
   "rateLimit":{"requests":100,"window":60},"unlimited":false,
   "quota":{"requests":10000,"period":"month"},"expiresAt":"2027-01-31",
   "notBefore":"2026-01-31","enabled":true,"allowedCidrs":["192.0.2.0/24"]}

(each on one line). Mind the scopes: an empty list means none here, where some
services take it for all. Write ["*"] for all; --scopes '*' is for lines that
have no scopes at all. It does not include the right to manage keys.

Every line that is wrong is reported with its number, and all others are
imported. To import a file again changes nothing, and goes on where it was
interrupted: what was done to a key meanwhile stays, unless it was deleted.`,
		Example: `  latchkey import --dry-run keys.txt
  latchkey import keys.txt --default-limit 100/1m --scopes tts,stt
  psql -Atf keys.sql | latchkey import - --format jsonl --stack latchkey`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("needs one FILE, or - for standard input; see latchkey import --help")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVar(&f.state, "state", defaultState, "`DIR` of the running local stack")
	c.Flags().StringVar(&f.stack, "stack", "", "`NAME` of a deployed CloudFormation stack")
	c.Flags().StringVar(&f.form, "format", "", "`FORM`, keyfile or jsonl; else by the first line")
	textFlag(c.Flags(), &f.user, "user", "", "`ID` of who owns all of the keys; else as lines say", checkUser)
	textFlag(c.Flags(), &f.limit, "default-limit", "", "`N/TIME` where a line has none (else 100/1m in a\nkey file, 60/1m in JSON)", checkLimit)
	listFlag(c.Flags(), &f.scopes, "scopes", "`LIST` where a line has none (else * in a key file,\nno scopes in JSON)", checkScope)
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "check everything and write nothing")
	c.Flags().BoolVar(&f.json, "json", false, "print the summary as JSON")
	c.MarkFlagsMutuallyExclusive("state", "stack")
	return c
}

// options checks what can be checked without the table.
func (f importFlags) options(scopesGiven bool) (migrate.Options, error) {
	o := migrate.Options{Form: migrate.Form(f.form), UserID: f.user}
	switch o.Form {
	case "", migrate.KeyFile, migrate.JSONLines:
	default:
		return o, usageError{errors.New("--format must be keyfile or jsonl")}
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
	in, size, err := openInput(c.InOrStdin(), path)
	if err != nil {
		return err
	}
	defer in.Close()
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
	o.Format = e.Format
	registry := e.Registry
	if f.dryRun {
		registry = migrate.Rehearse(registry)
	}
	counted := &countedReader{Reader: in}
	shown := &progress{out: c.ErrOrStderr()}
	job := &migrate.Job{Registry: registry, Report: func(line int, err error) {
		shown.say(fmt.Sprintf("line %d: %v", line, err))
	}}
	stop := shown.start(func() string { return importProgress(job.Tally(), counted.n.Load(), size) })
	err = job.Run(ctx, migrate.NewReader(counted, o))
	stop()
	return f.summary(c, job.Tally(), err)
}

func (f importFlags) summary(c *cobra.Command, t migrate.Tally, err error) error {
	if f.json {
		line, marshalErr := json.Marshal(struct {
			migrate.Tally
			Complete bool `json:"complete"`
			DryRun   bool `json:"dryRun"`
		}{t, err == nil, f.dryRun})
		if marshalErr != nil {
			return marshalErr
		}
		fmt.Fprintln(c.OutOrStdout(), string(line))
	} else {
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

// openInput opens a file whose size is known, or standard input.
func openInput(stdin io.Reader, path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(stdin), 0, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return file, 0, nil
	}
	return file, info.Size(), nil
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

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
