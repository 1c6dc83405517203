package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

func secretNewCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "new",
		Short: "Write a new secret to a file",
		Long: `Writes a new random secret to a file that only you can read. A stack of latchkey
and a local stack make their own secret: this one is for latchkey serve without
a stack, which reads the file that LATCHKEY_SECRET_FILE names. Each server on
one table needs the same secret, and without it no key of the table is valid:
keep a copy. It overwrites nothing.`,
		Example: `  latchkey secret new --file secret.json
  latchkey secret new --file keys.json && chmod 400 keys.json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{errors.New("--file is missing: name the file to write")}
			}
			text, err := newSecret()
			if err != nil {
				return err
			}
			// Another process may make the file at the same time.
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists: it may be a secret that keys need, so it stays as it is", path)
			}
			if err != nil {
				return fmt.Errorf("write the secret: %w", err)
			}
			_, err = file.WriteString(text + "\n")
			if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
				_ = os.Remove(path) // an incomplete secret is no secret
				return fmt.Errorf("write the secret: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "file", "", "`FILE` to write, which must not exist")
	return c
}
