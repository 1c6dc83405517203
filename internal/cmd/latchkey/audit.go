package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/instance"
)

func auditCommand() *cobra.Command {
	return group("audit", "Show and check the audit trails", []*cobra.Command{auditListCommand(), auditVerifyCommand()})
}

func auditVerifyCommand() *cobra.Command {
	v := verification{}
	var where target
	var user string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that keys and audit entries are as the service wrote them",
		Long: `Reads keys, users and plans, and their trails, directly from the table, with
your own rights. It checks that none of them and no audit entry was altered,
moved, added, removed or restored to an earlier state. It checks one key, a user
with all of its keys, or everything. To check everything it reads the whole
table.

It prints a line for each record that is not as it was written, and the exit
code is then 1. Keys of earlier versions are not authenticated before their next
change: each has a line too, and --strict makes the exit code 1 for them as
well. If everything is as it was written, standard error lists the changes that
this run cannot detect.

With --checkpoint it compares the whole table with the list in FILE. Unless
something is wrong, it then writes the present list to FILE. Store FILE where
nobody who writes to the table can change it. A checkpoint detects changes that
the table alone cannot show.

` + findings(),
		Example: `  latchkey audit verify                       # everything, on this machine
  latchkey audit verify --stack latchkey --checkpoint trails.json
  latchkey audit verify --key 3fGq8ZpLw1xKc0Ty`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			var err error
			if _, v.Instance, err = where.open(ctx); err != nil {
				return err
			}
			v.stdout, v.stderr, v.started = c.OutOrStdout(), c.ErrOrStderr(), time.Now()
			if err := v.readCheckpoint(ctx); err != nil {
				return err
			}
			ids := []string{v.key}
			switch {
			case user != "":
				ids, err = v.Registry.Trails(ctx, user)
			case v.key == "":
				ids, err = v.Table.Trails(ctx)
			}
			if err != nil {
				return err
			}
			return v.run(ctx, ids)
		},
	}
	textFlag(c.Flags(), &v.key, "key", "", "`ID` of the key", checkID)
	textFlag(c.Flags(), &user, "user", "", "`ID` of the user who owns the keys", checkOwner)
	c.Flags().StringVar(&v.checkpoint, "checkpoint", "",
		"`FILE` with a list to compare with; the present list is then written there")
	c.Flags().BoolVar(&v.strict, "strict", false, "also fail for keys that are not authenticated yet")
	where.addFlags(c)
	c.MarkFlagsMutuallyExclusive("key", "user", "checkpoint")
	return c
}

// findings lists each deed of an attacker, how it is found, and what the attacker gains.
func findings() string {
	var b strings.Builder
	b.WriteString("The deeds of an attacker who can write to the table, whether verify finds them,\n" +
		"and what the attacker gains:\n")
	for _, f := range audit.Findings() {
		fmt.Fprintf(&b, "\n  %s\n      found: %s, gain: %s", f.Deed, f.Found, f.Gain)
	}
	return b.String()
}

// unseen lists each deed of an attacker that a run does not find, and what the attacker gains.
// compared reports whether the run compares the table with a checkpoint.
func unseen(compared bool) string {
	left := slices.DeleteFunc(audit.Findings(), func(f audit.Finding) bool {
		return f.Found != audit.FoundNever && (f.Found != audit.FoundCheckpoint || compared)
	})
	title := "The deeds of an attacker that this run does not find, and what the attacker gains:"
	if !compared {
		title = "The deeds of an attacker that this run does not find, and what the attacker gains (--checkpoint finds more):"
	}
	return deeds(title, left, func(f audit.Finding) string { return f.Deed + "\t" + f.Gain }) + "\n"
}

// deeds returns title and a table with one row for each finding.
func deeds(title string, all []audit.Finding, row func(audit.Finding) string) string {
	var b bytes.Buffer
	b.WriteString(title + "\n\n")
	rows := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range all {
		fmt.Fprintf(rows, "  %s\n", row(f))
	}
	_ = rows.Flush() // never fails: it writes to a buffer
	return strings.TrimRight(b.String(), "\n")
}

// verification is one run of audit verify.
type verification struct {
	*instance.Instance
	key, checkpoint string
	strict          bool
	started         time.Time
	stdout, stderr  io.Writer

	then *audit.Checkpoint // the list to compare with; nil if there is none
}

// readCheckpoint reads the file of --checkpoint. A missing file is no error.
func (v *verification) readCheckpoint(ctx context.Context) error {
	if v.checkpoint == "" {
		return nil
	}
	text, err := os.ReadFile(v.checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(v.stderr, "%s is not there yet: nothing to compare with\n", v.checkpoint)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	then, err := v.Registry.ReadCheckpoint(ctx, text)
	if err != nil {
		return fmt.Errorf("%s %w", v.checkpoint, err)
	}
	v.then = &then
	return nil
}

// tally counts the records and entries of a run. A record is a key, a user or a plan.
type tally struct {
	entries, records int
	broken, unknown  int  // records that are not as written, and records that are not authenticated
	others           bool // not all records are keys
	marks            map[string]audit.Mark
}

// noun returns the word for one of the records.
func (t tally) noun() string {
	if t.others {
		return "record"
	}
	return "key"
}

func (t tally) are(n int) string { return plural(n, t.noun()+" is", t.noun()+"s are") }

// run checks the trails of ids and of the checkpoint. It prints each record that is not as it was
// written. If nothing is wrong, it writes the next checkpoint.
func (v *verification) run(ctx context.Context, ids []string) error {
	if v.then != nil {
		ids = slices.AppendSeq(ids, maps.Keys(v.then.Marks))
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	t := tally{marks: make(map[string]audit.Mark)}
	for _, id := range ids {
		if err := v.check(ctx, id, &t); err != nil {
			return err
		}
	}
	switch {
	case t.broken > 0:
		return fmt.Errorf("%s not as written, of %d", t.are(t.broken), t.records)
	case t.unknown > 0 && v.strict:
		return fmt.Errorf("%s not authenticated, of %d", t.are(t.unknown), t.records)
	}
	if err := v.writeCheckpoint(ctx, t.marks); err != nil {
		return err
	}
	summary := fmt.Sprintf("%s of %s, all as written",
		plural(t.entries, "entry", "entries"), plural(t.records, t.noun(), t.noun()+"s"))
	if t.unknown > 0 {
		summary += fmt.Sprintf("; %s not authenticated yet", t.are(t.unknown))
	}
	fmt.Fprintln(v.stdout, summary)
	fmt.Fprint(v.stderr, unseen(v.then != nil))
	return nil
}

// check checks one record and its trail, and counts the result in t. A break is no error of check.
func (v *verification) check(ctx context.Context, id string, t *tally) error {
	checked, err := v.Registry.CheckTrail(ctx, id)
	gone := errors.Is(err, apikey.ErrNotFound) && v.key == "" // expired since the ids were listed
	if (err == nil || gone) && v.then != nil {
		err = v.Registry.Compare(*v.then, checked)
	}
	var found *audit.Break
	switch {
	case errors.As(err, &found):
		t.broken++
		fmt.Fprintln(v.stdout, found)
	case gone:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", id, err)
	case checked.Standing != audit.Authentic:
		t.unknown++
		fmt.Fprintf(v.stdout, "%s: %s\n", id, checked.Standing)
	}
	t.records++
	t.others = t.others || !apikey.ValidID(id)
	t.entries += len(checked.Entries)
	if mark := audit.MarkOf(checked.Subject, checked.Witness, checked.Entries); mark != nil {
		t.marks[id] = *mark
	}
	return nil
}

// writeCheckpoint writes the marks to the file of --checkpoint, if that was given.
func (v *verification) writeCheckpoint(ctx context.Context, marks map[string]audit.Mark) error {
	if v.checkpoint == "" {
		return nil
	}
	now := audit.Checkpoint{At: v.started.UTC().Truncate(time.Millisecond), Marks: marks}
	text, err := v.Registry.WriteCheckpoint(ctx, now)
	if err == nil {
		err = keep(v.checkpoint, string(text))
	}
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	return nil
}
