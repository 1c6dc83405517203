package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"latchkey/internal/dynamo"
)

func tableCommand() *cobra.Command {
	return group("table", "Make the table, dump it into a file, and load it again",
		[]*cobra.Command{tableCreateCommand(), tableDumpCommand(), tableLoadCommand()})
}

func tableDumpCommand() *cobra.Command {
	var where target
	var path string
	c := &cobra.Command{
		Use:   "dump",
		Short: "Write every item of the table to a file",
		Long: `Writes every item of the table to a file, with your own rights: keys, users,
plans, trails, usage, and the meters that count what keys have spent. Each item
is a line of DynamoDB JSON, and the last line has their number and their hash.

The file has hashes of tokens, but neither tokens nor the secret. Without the
secret, a table answers no check, so back up the secret as well. Only you can
read the file.

A dump is no snapshot. If keys change meanwhile, parts of one change may be
missing. Run it while nothing changes keys. On AWS, prefer a point-in-time
recovery of the table.`,
		Example: `  latchkey table dump --file table.jsonl
  latchkey table dump --file table.jsonl --stack latchkey --region us-east-1`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{errors.New("--file is missing: name the file to write")}
			}
			_, e, err := where.open(c.Context())
			if err != nil {
				return err
			}
			file, err := newFile(path)
			if err != nil {
				return err
			}
			defer file.discard()
			n, err := dumpTable(c.Context(), e.Table, file)
			if err == nil {
				err = file.keep()
			}
			if err != nil {
				return fmt.Errorf("%w\nlatchkey: %s was not written", err, path)
			}
			fmt.Fprintf(c.ErrOrStderr(), "Dumped %s.\n", plural(n, "item", "items"))
			return nil
		},
	}
	c.Flags().StringVar(&path, "file", "", "`FILE` to write; it is there once it is complete")
	where.addFlags(c)
	return c
}

func tableLoadCommand() *cobra.Command {
	var where target
	var path string
	c := &cobra.Command{
		Use:   "load",
		Short: "Load a file of latchkey table dump into an empty table",
		Long: `Writes each item of the file to the table, with your own rights. The table must
be empty, or have only items of the file: a load that was cut off is repeated
with the same command. The whole file is checked first: if a line is missing or
altered, nothing is written.

Without --stack, it makes the table of a local stack that does not run, with the
same variables as latchkey dev. Restore the secret too: $STATE/secret.json, or
the secret of the deployed stack.

The table is then as old as the file. Keys that were revoked or rotated after
the dump are valid again with their old tokens. Then run latchkey audit verify
with the last checkpoint, which names such keys.`,
		Example: `  latchkey table load --file table.jsonl
  latchkey table load --file table.jsonl --stack latchkey --region us-east-1`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{errors.New("--file is missing: name a file of latchkey table dump")}
			}
			n, err := checkDump(path)
			if err != nil {
				return err
			}
			table, closeTable, err := where.unused(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer closeTable()
			err = table.Load(c.Context(), dumpedItems(path))
			if errors.Is(err, dynamo.ErrNotEmpty) {
				return fmt.Errorf("%w: it has items that the file does not have, and load overwrites nothing", err)
			}
			if err != nil {
				return fmt.Errorf("%w\nlatchkey: the table may have only some of the items: run the same command again", err)
			}
			fmt.Fprintf(c.ErrOrStderr(), "Loaded %s.\n", plural(n, "item", "items"))
			return nil
		},
	}
	c.Flags().StringVar(&path, "file", "", "`FILE` of latchkey table dump")
	where.addFlags(c)
	return c
}
