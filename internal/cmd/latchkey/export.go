package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

func exportCommand() *cobra.Command {
	var whose audience
	var path string
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the records of keys as JSON Lines, without secrets",
		Long: `Prints each key as one line of JSON, the newest key first, with the fields of
the API. A page is printed as soon as it is there. Keys that are made meanwhile
may be missing, and no key is there twice.

An export is for records, for comparing deployments, and for moving settings. It
has neither tokens nor their hashes, because the API never gives them away. So
it cannot restore keys whose table is lost: latchkey table dump and load do
that. Neither has it the requests that keys have spent, nor users and plans.

latchkey import --format jsonl takes a line again once it has a token as "key",
or its hash as "sha256". The key then has another id, and neither its plan nor
its further limits: set these anew. Name the fields that import does not take:

  --ignore id,publicKey,status,keyPrefix,limits,plan,shared,createdAt,revokedAt
  --ignore lastUsedAt,previousKeyValidUntil,revocationReason,revocationSource` + apiHelp,
		Example: `  latchkey export > keys.jsonl
  latchkey export --user u1 --file keys.jsonl`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				n, err := exportKeys(c, &whose, c.OutOrStdout())
				return exported(c, n, err, "")
			}
			file, err := newFile(path)
			if err != nil {
				return err
			}
			defer file.discard()
			n, err := exportKeys(c, &whose, file)
			if err == nil {
				err = file.keep()
			}
			return exported(c, n, err, path)
		},
	}
	whose.add(c)
	c.Flags().StringVar(&path, "file", "",
		"`FILE` to write instead of standard output; only you\ncan read it, and it is there once it is complete")
	apiFlags(c)
	return c
}

// exported says how an export ended.
func exported(c *cobra.Command, n int, err error, path string) error {
	switch {
	case err != nil && path != "":
		return fmt.Errorf("%w\nlatchkey: %s was not written", err, path)
	case err != nil:
		return fmt.Errorf("%w\nlatchkey: the export is not complete: it has %s", err, plural(n, "key", "keys"))
	}
	fmt.Fprintf(c.ErrOrStderr(), "Exported %s.\n", plural(n, "key", "keys"))
	return nil
}

// exportKeys writes a line for each key, and returns how many it has written.
func exportKeys(c *cobra.Command, whose *audience, to io.Writer) (n int, err error) {
	for cursor := ""; ; {
		answer, err := whose.ask(func(user string) (client.Answer, error) {
			query := nonEmpty(map[string]string{"userId": user, "limit": fmt.Sprint(mostPage), "cursor": cursor})
			return callAPI(c, http.MethodGet, api.KeysPath, query, nil)
		})
		if err != nil {
			return n, err
		}
		keys, err := decode[page[api.Record]](answer.Body)
		if err != nil {
			return n, err
		}
		var lines bytes.Buffer
		for _, k := range keys.Data {
			if err := encodeKey(&lines, k); err != nil {
				return n, err
			}
		}
		if _, err := to.Write(lines.Bytes()); err != nil {
			return n, err
		}
		n += len(keys.Data)
		switch keys.NextCursor {
		case "":
			return n, nil
		case cursor:
			return n, errRepeats
		}
		cursor = keys.NextCursor
	}
}

// encodeKey writes a key as a line, without what changes with each request.
func encodeKey(to io.Writer, k api.Record) error {
	k.WindowStatus, k.Bounds, k.Usage = api.WindowStatus{}, nil, nil
	if l := k.RateLimit.Value; l != nil {
		l.Remaining, l.Reset = nil, nil
	}
	for i := range k.Limits {
		k.Limits[i].Remaining, k.Limits[i].Reset = nil, nil
	}
	if q := k.Quota; q != nil {
		q.Used, q.Remaining, q.Reset = nil, nil, nil
	}
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	return e.Encode(k)
}

// newOutputFile is a file that gets its name once it is complete.
type newOutputFile struct {
	*os.File
	path string
}

// newFile begins a file that only its owner can read. It is an error if path is no regular file.
func newFile(path string) (*newOutputFile, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, usageError{errors.New("--file must be a file: for a device, leave it out and use >")}
	case err == nil:
		if path, err = filepath.EvalSymlinks(path); err != nil { // a link to a file elsewhere stays a link
			return nil, fmt.Errorf("write the export: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("write the export: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	return &newOutputFile{f, path}, nil
}

// keep gives the file its name.
func (f *newOutputFile) keep() error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return os.Rename(f.Name(), f.path)
}

// discard removes the file, unless it was kept.
func (f *newOutputFile) discard() {
	_ = f.Close()           // an error means that it is closed
	_ = os.Remove(f.Name()) // an error means that it was kept
}
