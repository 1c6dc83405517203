package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/instance"
	"latchkey/internal/migrate"
)

// importFlags are the flags of the import command.
type importFlags struct {
	where  target
	form   string
	user   string
	limit  string
	scopes []string
	ignore []string
	dryRun bool
	out    *output
}

func importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:     "import FILE",
		Short:   "Bring the keys of another service in, from a file",
		Long:    importHelp,
		Example: importExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("needs one FILE, or - for standard input; see latchkey import --help")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	flags := c.Flags()
	f.where.addFlags(c)
	textFlag(flags, &f.form, "format", "",
		"`FORM`: keyfile, jsonl, csv, kong, apisix, litellm or unkey; keyfile and jsonl are told apart by the first line",
		checkForm)
	completeFlag(c, "format", func(*cobra.Command, string) (forms []string) {
		for _, form := range migrate.Forms() {
			forms = append(forms, string(form))
		}
		return forms
	})
	textFlag(flags, &f.user, "user", "",
		"`ID` of the user who owns all of the keys; by default each line names the user", checkUser)
	textFlag(flags, &f.limit, "default-limit", "",
		"`N/TIME` for lines without a limit (default 100/1m in a key file; in other forms what the plan and the "+
			"limits of the user say, or else 60/1m)", checkLimit)
	listFlag(flags, &f.scopes, "scopes",
		"`LIST` for lines without scopes (default * in a key file, no scopes in other forms)", checkScope)
	flags.StringSliceVar(&f.ignore, "ignore", nil,
		"`LIST` of fields, columns and plugins to leave out, with what they restrict")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check everything, list the keys and write nothing")
	f.out = outputFlags(c)
	return c
}

func checkForm(text string) error {
	forms := migrate.Forms()
	if !slices.Contains(forms, migrate.Form(text)) {
		return fmt.Errorf("must be one of %s", words(forms))
	}
	return nil
}

func (f importFlags) run(c *cobra.Command, path string) error {
	ctx := c.Context()
	e, err := f.table(ctx)
	if err != nil {
		return err
	}
	in, err := openInput(ctx, c.InOrStdin(), path)
	if err != nil {
		return beforeWriting(err)
	}
	defer in.Close()

	shown := &progress{out: c.ErrOrStderr()}
	job := &migrate.Job{
		Registry: e.Registry,
		Report:   func(line int, err error) { shown.say(fmt.Sprintf("line %d: %v", line, err)) },
	}
	var made importList
	if f.dryRun {
		job.Registry, job.Done = migrate.Rehearse(e.Registry), made.add
	}
	reader, err := migrate.Open(ctx, in, f.options(e.Format, c.Flags().Changed("scopes")), job.Report)
	if err != nil {
		return beforeWriting(err)
	}
	stop := shown.start(func() string { return importProgress(job.Tally(), reader.Percent()) })
	err = job.Run(ctx, reader)
	stop()
	if err := f.print(c, job.Tally(), made, err == nil); err != nil {
		return err
	}
	return importError(job.Tally(), err)
}

// table opens the table to which the keys go. A problem with the table or the secret is an error
// here, and not at every line.
func (f importFlags) table(ctx context.Context) (*instance.Instance, error) {
	_, e, err := f.where.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.Table.Ping(ctx); err != nil {
		return nil, err
	}
	if _, err := e.Registry.Hasher(ctx); err != nil {
		return nil, fmt.Errorf("load the secret: %w", err)
	}
	return e, nil
}

// options returns the flags as the importer takes them. They were checked when they were read.
func (f importFlags) options(format apikey.Format, scopesGiven bool) migrate.Options {
	o := migrate.Options{Format: format, Form: migrate.Form(f.form), UserID: f.user, Ignore: f.ignore}
	if limit, err := parseLimit(f.limit); err == nil {
		o.Limit = &limit
	}
	if scopesGiven {
		o.Scopes = (*apikey.Scopes)(&f.scopes)
	}
	return o
}

// beforeWriting explains an interruption before the first key.
func beforeWriting(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before anything was written")
	}
	return err
}

func importProgress(t migrate.Tally, percent int) string {
	text := fmt.Sprintf("line %d, %d %%", t.Last, percent)
	if t.Failed > 0 {
		text += fmt.Sprintf(", %d failed", t.Failed)
	}
	return text
}

// print prints the list of a dry run, and the summary. As CSV it prints only the list.
func (f importFlags) print(c *cobra.Command, t migrate.Tally, made importList, complete bool) error {
	made.sort()
	if f.out.asJSON() {
		line, err := json.Marshal(struct {
			migrate.Tally
			Complete bool       `json:"complete"`
			DryRun   bool       `json:"dryRun"`
			Keys     importList `json:"keys,omitempty"`
		}{t, complete, f.dryRun, made})
		if err != nil {
			return err
		}
		return f.out.printJSON(c, line)
	}
	if err := f.out.printRows(c, importColumns, made.rows()); err != nil {
		return err
	}
	text := fmt.Sprintf("%d created, %d added to a key, %d unchanged, %d failed",
		t.Created, t.Added, t.Unchanged, t.Failed)
	if f.dryRun {
		text += " (dry run: nothing was written)"
	}
	to := c.OutOrStdout()
	if f.out.form == formCSV {
		to = c.ErrOrStderr()
	}
	_, err := fmt.Fprintln(to, text)
	return err
}

// importError says how to go on after an import that is not complete, or returns nil.
func importError(t migrate.Tally, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted at line %d; to go on, run the same command again", t.Last)
	case err != nil:
		return fmt.Errorf("%w\nlatchkey: it came to line %d; to go on, run the same command again", err, t.Last)
	case t.Failed > 0:
		return fmt.Errorf("%s not imported; mend them and run the same command again",
			plural(t.Failed, "line was", "lines were"))
	}
	return nil
}

// words lists the allowed values.
func words[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts[:len(texts)-1], ", ") + " or " + texts[len(texts)-1]
}

// plural returns n with the word for one or for many.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
