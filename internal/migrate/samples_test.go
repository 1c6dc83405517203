package migrate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/migrate"
	"latchkey/internal/registry"
)

var update = flag.Bool("update", false, "write what samples give into their golden files")

// formOf is the form of the samples in a folder.
var formOf = map[string]migrate.Form{
	"refused": "", "keyfile": "", "jsonl": "", "csv": migrate.CSV, "kong": migrate.Kong, "apisix": migrate.APISIX, "litellm": migrate.LiteLLM, "unkey": migrate.Unkey,
}

// Every sample in testdata gives the result in its golden file. The files in refused must never
// become a key. To add a sample, put a file into a folder and run the test with -update.
func TestSamples(t *testing.T) {
	for folder, form := range formOf {
		files, err := os.ReadDir(filepath.Join("testdata", folder))
		if err != nil || len(files) == 0 {
			t.Fatalf("no samples in %s: %v", folder, err)
		}
		for _, file := range files {
			path := filepath.Join("testdata", folder, file.Name())
			if strings.HasSuffix(path, ".golden") {
				if _, err := os.Stat(strings.TrimSuffix(path, ".golden")); err != nil {
					t.Errorf("%s has no sample", path)
				}
				continue
			}
			t.Run(folder+"/"+file.Name(), func(t *testing.T) {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				got := judged(t, text, migrate.Options{Form: form})
				if *update {
					if err := os.WriteFile(path+".golden", []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path + ".golden")
				if err != nil || got != string(want) {
					t.Errorf("%v\ngot\n%s\nwant\n%s", err, got, want)
				}
				if folder == "refused" {
					neverAKey(t, text)
				}
			})
		}
	}
}

// judged writes the result of a file: a line for each key or error, and the reason if nothing is
// written. Of a token it shows the beginning of its SHA-256.
func judged(t *testing.T, text []byte, o migrate.Options) string {
	t.Helper()
	o.Format = newFormat(t)
	var out strings.Builder
	r, err := migrate.Open(t.Context(), bytes.NewReader(text), o, func(line int, err error) { fmt.Fprintf(&out, "line %d: %v\n", line, err) })
	if err != nil {
		fmt.Fprintln(&out, err)
		return out.String()
	}
	for {
		line, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out.String()
		case err != nil:
			t.Fatal(err)
		case line.Err != nil:
			fmt.Fprintf(&out, "line %d: %v\n", line.Number, line.Err)
		default:
			fmt.Fprintf(&out, "line %d: %s\n", line.Number, described(line.Import))
		}
	}
}

func described(in registry.Import) string {
	what, sum := "key", in.Hash
	if sum == nil {
		hash := sha256.Sum256([]byte(in.Token.Reveal()))
		sum = &hash
	} else {
		what = "hash"
	}
	text := fmt.Sprintf("%s %s… of %s", what, hex.EncodeToString(sum[:4]), in.UserID)
	if in.ID != "" {
		text += " as " + in.ID
	}
	c := in.Change
	if c.Name != nil {
		text += fmt.Sprintf(", name %s", *c.Name)
	}
	if c.Scopes != nil {
		text += fmt.Sprintf(", scopes %v", *c.Scopes)
	}
	if c.Limit != nil {
		text += fmt.Sprintf(", %d in %s", c.Limit.Requests, c.Limit.Window)
	}
	if c.Quota != nil {
		text += fmt.Sprintf(", %d a %s", c.Quota.Requests, c.Quota.Period)
	}
	if c.AllowedCIDRs != nil {
		text += fmt.Sprintf(", from %v", *c.AllowedCIDRs)
	}
	if c.Enabled != nil {
		text += fmt.Sprintf(", enabled %v", *c.Enabled)
	}
	if c.ExpiresAt != nil {
		text += ", until " + c.ExpiresAt.Format(time.RFC3339Nano)
	}
	if c.Metadata != nil {
		text += fmt.Sprintf(", metadata %v", *c.Metadata)
	}
	return text
}

// neverAKey fails if any line becomes a key. It also reads the file as JSON Lines, and as a key file
// unless the refusal advises that.
func neverAKey(t *testing.T, text []byte) {
	t.Helper()
	offered := false
	for _, form := range []migrate.Form{"", migrate.JSONLines, migrate.KeyFile} {
		if form == migrate.KeyFile && offered {
			continue
		}
		r, err := migrate.Open(t.Context(), bytes.NewReader(text), migrate.Options{Format: newFormat(t), Form: form}, func(int, error) {})
		var refused *migrate.NotKeysError
		if !errors.As(err, &refused) || r != nil {
			t.Errorf("--format %q: it is not refused: %v", form, err)
			continue
		}
		offered = offered || strings.Contains(refused.Advice, "--format keyfile")
	}
}
