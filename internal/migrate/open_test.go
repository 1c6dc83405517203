package migrate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/migrate"
)

func open(t testing.TB, text string, o migrate.Options) (*migrate.Reader, []complaint, error) {
	t.Helper()
	o.Format = newFormat(t)
	var reported []complaint
	r, err := migrate.Open(t.Context(), strings.NewReader(text), o, func(line int, err error) { reported = append(reported, complaint{line, err.Error()}) })
	return r, reported, err
}

// keyLines has good lines and then wrong ones.
func keyLines(good, wrong int) string {
	var b strings.Builder
	for n := range good {
		fmt.Fprintf(&b, "customer-%d:a-key-of-customer-%d\n", n, n)
	}
	for range wrong {
		b.WriteString("bad\n")
	}
	return b.String()
}

func TestAFileIsRefusedIfMostLinesAreWrong(t *testing.T) {
	for _, c := range []struct {
		good, wrong int
		refused     bool
	}{{0, 0, false}, {1, 0, false}, {0, 1, true}, {1, 1, false}, {1, 2, true}, {50, 50, false}, {50, 51, true}, {1000, 1001, true}} {
		r, reported, err := open(t, keyLines(c.good, c.wrong), migrate.Options{})
		var refused *migrate.NotKeysError
		if errors.As(err, &refused) != c.refused || (r == nil) != c.refused {
			t.Errorf("%d good, %d wrong: %v", c.good, c.wrong, err)
		}
		if c.refused && (len(reported) != min(c.wrong, 10) || reported[0].line != c.good+1) {
			t.Errorf("%d good, %d wrong: %d reported", c.good, c.wrong, len(reported))
		}
	}
	// The form of the file is named although its first lines are good.
	text := keyLines(1, 0) + strings.Repeat("alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n", 3)
	if _, _, err := open(t, text, migrate.Options{}); err == nil || !strings.Contains(err.Error(), "htpasswd") {
		t.Error(err)
	}
}

// If a file is refused, the table stays as it is.
func TestARefusedFileWritesNothing(t *testing.T) {
	table := dynamotest.NewTable(t)
	r := newRegistry(t, table)
	good := keyLines(3, 0)
	if _, _, err := open(t, good+"bad\nbad\nbad\nbad\n", migrate.Options{}); err == nil {
		t.Fatal("it is not refused")
	}
	if keys := opens(t, table, "a-key-of-customer-0"); keys[0] != nil {
		t.Error("a key was written")
	}
	reader, _, err := open(t, good+"bad\nbad\nbad\n", migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	job := &migrate.Job{Registry: r, Report: func(int, error) { failed++ }}
	if err := job.Run(t.Context(), reader); err != nil || job.Tally().Created != 3 || failed != 3 {
		t.Errorf("%+v, %v", job.Tally(), err)
	}
}

// A file that may be something else is read as a key file if its form is named.
func TestANamedFormDecides(t *testing.T) {
	const text = "alice: 0f8a7c61d2e34b95a6f7081929304a5b\nbob: 1f8a7c61d2e34b95a6f7081929304a5b:5\n"
	if _, _, err := open(t, text, migrate.Options{}); err == nil || !strings.Contains(err.Error(), "--format keyfile") {
		t.Error(err)
	}
	if all := readAll(t, text, migrate.Options{Form: migrate.KeyFile}); len(all) != 2 || all[0].Err != nil || all[1].Err != nil {
		t.Error(all)
	}
	// Our own JSON Lines are not taken for another service's.
	for _, line := range []string{
		`{"key":"0f8a7c61d2e34b95a6f7081929304a5b","userId":"u1","metadata":{"consumer":"x","start":"y","tpm_limit":"1"}}`,
		`{"key":"0f8a7c61d2e34b95a6f7081929304a5b","user_id":"u1","description":"of \"keyauth_credentials\" and \"key-auth\" with \"key_alias\""}`,
	} {
		if _, _, err := open(t, line, migrate.Options{}); err != nil {
			t.Error(err)
		}
	}
	// A comment that names another service changes nothing.
	if _, _, err := open(t, "# from Kong: consumers: keyauth_credentials: plugins:\nalice:0f8a7c61d2e34b95a6f7081929304a5b\n", migrate.Options{}); err != nil {
		t.Error(err)
	}
}

// A token may be made of words, but hardly most tokens of a file.
func TestPairsOfNamesAreNoKeyFile(t *testing.T) {
	const text = "web:feature-branch-of-alice\napi:release-candidate-two\ndb:0f8a7c61d2e34b95a6f7081929304a5b\n"
	if _, _, err := open(t, text, migrate.Options{}); err == nil || !strings.Contains(err.Error(), "--format keyfile") {
		t.Error(err)
	}
	for _, text := range []string{text + "cache:1f8a7c61d2e34b95a6f7081929304a5b\n", "a:" + k2 + "\nb:" + k1 + "\n"} {
		if _, _, err := open(t, text, migrate.Options{}); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := open(t, text, migrate.Options{Form: migrate.KeyFile}); err != nil {
		t.Error(err)
	}
}

// Consumers of two services with one name are two keys, and neither shares a key with a key file.
// Each has the scopes and the limit of its own source.
func TestConsumersOfTwoServicesAreTwoKeys(t *testing.T) {
	ids := make(map[string]bool)
	for form, text := range map[migrate.Form]string{
		migrate.KeyFile: "alice:" + k1,
		migrate.Kong:    "consumers:\n- {username: alice, keyauth_credentials: [{key: " + k1 + "}]}",
		migrate.APISIX:  "consumers:\n- {username: alice, plugins: {key-auth: {key: " + k1 + "}}}",
	} {
		all := readAll(t, text, migrate.Options{Form: form})
		if len(all) != 1 || all[0].Err != nil || all[0].Import.UserID != "alice" {
			t.Fatalf("%s: %v", form, all)
		}
		ids[all[0].Import.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("ids %v", ids)
	}
}

// A restriction that cannot be kept is an error, unless --ignore names it.
func TestARestrictionIsNotLostSilently(t *testing.T) {
	for _, c := range []struct{ name, form, text string }{
		{"max_budget", "litellm", `{"token":"` + h1 + `","user_id":"u1","max_budget":5}`},
		{"models", "litellm", `{"token":"` + h1 + `","user_id":"u1","models":["gpt-4o"]}`},
		{"max_parallel_requests", "litellm", `{"token":"` + h1 + `","user_id":"u1","max_parallel_requests":1}`},
		{"remaining", "unkey", `{"hash":"` + h1 + `","ownerId":"u1","remaining":5}`},
		{"credits", "unkey", `{"hash":"` + h1 + `","externalId":"u1","credits":{"remaining":5}}`},
		{"acl-of-ours", "kong", "consumers:\n- username: u1\n  keyauth_credentials:\n  - key: " + k1 + "\n  plugins:\n  - name: acl-of-ours\n"},
		{"request-termination", "kong", "consumers:\n- {username: u1, keyauth_credentials: [{key: " + k1 + "}]}\nplugins:\n- {name: request-termination, consumer: u1}\n"},
		{"groups", "kong", "consumers:\n- {username: u1, groups: [{name: gold}], keyauth_credentials: [{key: " + k1 + "}]}\n"},
		{"consumer_groups", "kong", "consumer_groups:\n- {name: gold, consumers: [{username: u1}]}\nconsumers:\n- {username: u1, keyauth_credentials: [{key: " + k1 + "}]}\n"},
		{"ip-restriction", "apisix", "consumers:\n- {username: u1, plugins: {key-auth: {key: " + k1 + "}, ip-restriction: {whitelist: [192.0.2.1]}}}\n"},
		{"group_id", "apisix", "consumers:\n- {username: u1, group_id: g, plugins: {key-auth: {key: " + k1 + "}}}\n"},
		{"plan", "csv", "key,userId,plan\n" + k1 + ",u1,pro\n"},
	} {
		t.Run(c.form+" "+c.name, func(t *testing.T) {
			_, reported, err := open(t, c.text, migrate.Options{Form: migrate.Form(c.form)})
			if err == nil || len(reported) != 1 && c.form != "csv" || !strings.Contains(fmt.Sprint(reported, err), "--ignore") {
				t.Errorf("%v %v", reported, err)
			}
			if _, _, err := open(t, c.text, migrate.Options{Form: migrate.Form(c.form), Ignore: []string{c.name}}); err != nil {
				t.Errorf("ignored: %v", err)
			}
		})
	}
}

// countedFile counts the bytes that are read from it.
type countedFile struct {
	*strings.Reader
	read int
}

func (f *countedFile) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.read += n
	return n, err
}

// A short file is judged once and its lines are kept. A long one is read and judged again.
func TestALongFileIsReadTwice(t *testing.T) {
	const comment = 1 << 16
	for name, c := range map[string]struct{ comments, times int }{"short": {0, 1}, "4 MB": {64, 1}, "longer": {65, 2}} {
		t.Run(name, func(t *testing.T) {
			text := keyLines(50, 10) + strings.Repeat("#"+strings.Repeat(" ", comment-2)+"\n", c.comments)
			if c.comments == 64 {
				text = text[:4<<20]
			}
			file := &countedFile{Reader: strings.NewReader(text)}
			r, err := migrate.Open(t.Context(), file, migrate.Options{Format: newFormat(t)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			good, wrong := 0, 0
			for {
				line, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				switch {
				case err != nil:
					t.Fatal(err)
				case line.Number != good+wrong+1:
					t.Fatalf("line %d after %d", line.Number, good+wrong)
				case line.Err != nil:
					wrong++
				default:
					good++
				}
				if want := 100 * (good + wrong) / 60; r.Percent() != want {
					t.Fatalf("line %d is at %d %%, want %d", line.Number, r.Percent(), want)
				}
			}
			head := min(len(text), 64<<10) // read first, to find the form
			if read := file.read - head; good != 50 || wrong != 10 || read != c.times*len(text) {
				t.Errorf("%d good, %d wrong, %d bytes read of %d", good, wrong, read, len(text))
			}
		})
	}
}

func TestSpoolEndsWhenItIsInterruptedOrTooLong(t *testing.T) {
	if text, err := migrate.Spool(t.Context(), strings.NewReader("12345"), 5); string(text) != "12345" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := migrate.Spool(t.Context(), strings.NewReader("123456"), 5); err == nil {
		t.Error("it is longer than it may be")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := migrate.Spool(ctx, readerOf(func([]byte) (int, error) { <-t.Context().Done(); return 0, io.EOF }), 5); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAnInterruptedJudgementImportsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := migrate.Open(ctx, strings.NewReader(keyLines(10, 0)), migrate.Options{Format: newFormat(t)}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// For all bytes and forms, nothing panics, no error repeats the text, and accepted keys are written
// as they were read.
func FuzzImport(f *testing.F) {
	forms := append([]migrate.Form{""}, migrate.Forms()...)
	for folder, form := range formOf {
		files, _ := filepath.Glob(filepath.Join("testdata", folder, "*"))
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, ".golden") {
				for i := range forms {
					if forms[i] == form || i == 1 {
						f.Add(uint8(i), text, uint16(len(text)/2))
					}
				}
			}
		}
	}
	const secret = "q7Zx93_Kj2LmPw5-"
	f.Fuzz(func(t *testing.T, n uint8, text []byte, at uint16) {
		form := forms[int(n)%len(forms)]
		place := int(at) % (len(text) + 1)
		text = append(append(append([]byte{}, text[:place]...), secret...), text[place:]...)
		o := migrate.Options{Format: newFormat(t), Form: form}
		silent := func(err error) {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", form, err)
			}
		}
		_, err := migrate.Open(t.Context(), bytes.NewReader(text), o, func(_ int, err error) { silent(err) })
		silent(err)
		lines := bytes.Split(text, []byte("\n"))
		r := migrate.NewReader(bytes.NewReader(text), o)
		for {
			line, err := r.Next()
			if err != nil {
				silent(err)
				return
			}
			if silent(line.Err); line.Err != nil || form != migrate.KeyFile {
				continue
			}
			in := line.Import
			written := fmt.Sprintf("%s:%s:%d", in.ID, in.Token.Reveal(), in.Change.Limit.Requests)
			if in.Change.ExpiresAt != nil {
				written += ":" + in.Change.ExpiresAt.Format("2006-01-02T15:04:05.999Z")
			}
			again := readAll(t, written, o)
			if len(again) != 1 || again[0].Err != nil || described(again[0].Import) != described(in) {
				t.Errorf("%q is read as %v", lines[line.Number-1], again)
			}
			if !bytes.Contains(lines[line.Number-1], []byte(in.Token.Reveal())) || !bytes.Contains(lines[line.Number-1], []byte(in.UserID)) {
				t.Errorf("%q does not say what was read", lines[line.Number-1])
			}
		}
	})
}

// BenchmarkOpen reads a file of 3,000 keys as an import does: Open, and then each line. The floor
// only splits the lines, and parses and hashes the tokens.
func BenchmarkOpen(b *testing.B) {
	const lines = 3000
	var file strings.Builder
	for n := range lines {
		sum := sha256.Sum256([]byte(strconv.Itoa(n)))
		fmt.Fprintf(&file, "customer-%d:sk_live_%x:100\n", n, sum[:16])
	}
	text, o := file.String(), migrate.Options{Format: newFormat(b)}
	for name, read := range map[string]func() (good int){
		"import": func() (good int) {
			r, err := migrate.Open(b.Context(), strings.NewReader(text), o, func(int, error) {})
			for err == nil {
				var line migrate.Line
				if line, err = r.Next(); err == nil && line.Err == nil {
					good++
				}
			}
			return good
		},
		"floor": func() (good int) {
			hashes := make(map[[sha256.Size]byte]bool)
			for line := range strings.Lines(text) {
				_, rest, _ := strings.Cut(line, ":")
				key, _, _ := strings.Cut(rest, ":")
				if token, err := o.Format.Parse(key); err == nil {
					hashes[sha256.Sum256([]byte(token.Reveal()))] = true
				}
			}
			return len(hashes)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if good := read(); good != lines {
					b.Fatalf("%d lines are good", good)
				}
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
