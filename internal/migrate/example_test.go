package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/migrate"
	"latchkey/internal/registry"
)

// Open judges a file, and the reader returns its keys. Neither needs a table.
func Example() {
	const file = `
# key_id:api_key[:requests_per_minute][:expiry]
customer-7:sk_live_0123456789abcdef0123456789abcdef
customer-7:another-key-of-theirs
customer-8:sk_live_fedcba9876543210fedcba9876543210:600:2027-01-31
customer-9:YOUR_API_KEY_GOES_HERE`

	format, err := apikey.NewFormat("sk")
	if err != nil {
		fmt.Println(err)
		return
	}
	report := func(line int, err error) { fmt.Printf("line %d: %v\n", line, err) }
	keys, err := migrate.Open(context.Background(), strings.NewReader(file), migrate.Options{Format: format}, report)
	if err != nil {
		fmt.Println(err) // the whole file is refused
		return
	}
	for {
		line, err := keys.Next()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			fmt.Println(err)
			return
		case line.Err != nil:
			report(line.Number, line.Err)
		default:
			limit := line.Import.Change.Limit
			fmt.Printf("line %d: a token of %s, %d requests in %v\n", line.Number, line.Import.UserID, limit.Requests, limit.Window)
		}
	}
	// Output:
	// line 3: a token of customer-7, 100 requests in 1m0s
	// line 4: a token of customer-7, 100 requests in 1m0s
	// line 5: a token of customer-8, 600 requests in 1m0s
	// line 6: key is a placeholder; write the token itself
}

// A job imports a file into the table of a registry. With the registry that Rehearse returns, it
// writes nothing.
func ExampleJob() {
	importFile := func(ctx context.Context, format apikey.Format, keys *registry.Registry, path string, rehearse bool) error {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		if rehearse {
			keys = migrate.Rehearse(keys)
		}
		report := func(line int, err error) { fmt.Fprintf(os.Stderr, "line %d: %v\n", line, err) }
		lines, err := migrate.Open(ctx, file, migrate.Options{Format: format}, report)
		if err != nil {
			return err
		}
		job := &migrate.Job{Registry: keys, Report: report}
		err = job.Run(ctx, lines)
		tally := job.Tally()
		fmt.Printf("%d created, %d added, %d failed\n", tally.Created, tally.Added, tally.Failed)
		return err
	}
	_ = importFile // the registry comes from an instance
}
