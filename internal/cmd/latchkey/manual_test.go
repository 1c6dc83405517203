package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/docs"
	"latchkey/internal/docs/reference"
	"latchkey/internal/dynamo/dynamotest"
)

func manual(t *testing.T) []docs.Page {
	t.Helper()
	pages, err := docs.Pages(dynamotest.Root())
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func manualPage(t *testing.T, file string) docs.Page {
	t.Helper()
	for _, p := range manual(t) {
		if p.File == file {
			return p
		}
	}
	t.Fatalf("there is no page %s", file)
	return docs.Page{}
}

// bash is a shell as the manual's reader has it: latchkey is a command, the stack is at localhost:3000, and its files
// are in .latchkey of the folder.
func bash(t *testing.T, s *stack, folder, script string) (string, error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, at := t.TempDir(), strings.TrimPrefix(s.url, "http://")
	shim := "#!/bin/sh\nLATCHKEY_TEST_RUN_MAIN=1 exec '" + program + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "latchkey"), []byte(shim), 0o700); err != nil {
		t.Fatal(err)
	}
	curl := "connect-to = localhost:3000:" + at + "\nconnect-to = 127.0.0.1:3000:" + at + "\n" +
		`write-out = "%{stderr}@@status %{http_code}\n"` + "\n"
	if err := os.WriteFile(filepath.Join(bin, ".curlrc"), []byte(curl), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	c.Dir = folder
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "CURL_HOME="+bin, "LATCHKEY_URL="+s.url)
	out, err := c.CombinedOutput()
	return string(out), err
}

// Each block of bash in the manual runs word for word on a local stack, unless it has a reason not to. A block of text
// after it has its output, where … stands for any text. That block must show every answer that is an error.
func TestTheManualsCommandsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	ran, folder := 0, t.TempDir()
	s := start(t, filepath.Join(folder, ".latchkey")) // one for all pages: DynamoDB Local takes long to start
	for _, p := range manual(t) {
		runs := func(b docs.Block) bool { return b.Language == "bash" && b.NotRun == "" }
		if !slices.ContainsFunc(p.Blocks, runs) {
			continue
		}
		t.Run(p.File, func(t *testing.T) {
			const mark = "@@ block "
			var script strings.Builder
			want := map[int]string{}
			last := 0
			for _, b := range p.Blocks {
				switch {
				case b.Name != "" && b.Language == "text":
					if err := os.WriteFile(filepath.Join(folder, b.Name), []byte(b.Text), 0o600); err != nil {
						t.Fatal(err)
					}
				case runs(b):
					ran++
					last = b.Line
					fmt.Fprintf(&script, "echo; echo '%s%d'\n%s\n", mark, b.Line, b.Text)
				case b.Language == "text" && last > 0:
					want[last] = b.Text
					last = 0
				default:
					last = 0
				}
			}
			out, err := bash(t, s, folder, script.String())
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, s.log)
			}
			for _, part := range strings.Split(out, mark)[1:] {
				var line int
				if _, err := fmt.Sscan(part, &line); err != nil {
					t.Fatal(err)
				}
				for _, m := range answered.FindAllStringSubmatch(part, -1) {
					if m[1] >= "400" && !strings.Contains(want[line], m[1]) {
						t.Errorf("%s:%d: the service answers %s:\n%s", p.File, line, m[1], part)
					}
				}
				for _, expected := range strings.Split(strings.TrimSpace(want[line]), "\n") {
					pattern := strings.ReplaceAll(regexp.QuoteMeta(expected), "…", ".*")
					if !regexp.MustCompile(pattern).MatchString(part) {
						t.Errorf("%s:%d does not print %q:\n%s", p.File, line, expected, part)
					}
				}
			}
		})
	}
	if ran < 10 {
		t.Errorf("only %d blocks were run", ran)
	}
}

var (
	answered  = regexp.MustCompile(`@@status (\d+)`)
	continued = regexp.MustCompile(`\\\n\s*`)
	invoked   = regexp.MustCompile(`(?m)(?:^|[|;&(] *|[A-Z_]+=\S* +|-- )(?:bin/)?latchkey( [^|;&)<>\n#]*)?`)
	inline    = regexp.MustCompile("`latchkey ([a-z][a-z -]*)")
)

// Each invocation of latchkey in the manual, also in blocks that are not run, has a command and flags that exist.
func TestTheManualsCommandLinesExist(t *testing.T) {
	invocations := 0
	for _, p := range manual(t) {
		for _, b := range p.Blocks {
			if b.Language != "bash" {
				continue
			}
			for _, m := range invoked.FindAllStringSubmatch(continued.ReplaceAllString(b.Text, ""), -1) {
				invocations++
				if err := understood(splitWords(m[1])); err != nil {
					t.Errorf("%s:%d: latchkey%s: %v", p.File, b.Line, m[1], err)
				}
			}
		}
		for _, m := range inline.FindAllStringSubmatch(p.Text, -1) {
			invocations++
			path := slices.DeleteFunc(strings.Fields(m[1]), func(w string) bool { return strings.HasPrefix(w, "-") })
			if c, _, err := root().Find(path); err != nil || !c.HasParent() {
				t.Errorf("%s: there is no command latchkey %s", p.File, m[1])
			}
		}
	}
	if invocations < 20 {
		t.Errorf("only %d invocations were found", invocations)
	}
	if understood([]string{"keys", "create", "--unlimitd"}) == nil || understood([]string{"key"}) == nil {
		t.Error("a misspelt flag or command is understood: the test sees nothing")
	}
}

// splitWords splits a command line as a shell does, for quotes that hold no quotes.
func splitWords(line string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?:[^\s'"]|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		all = append(all, strings.NewReplacer("'", "", `"`, "", "$ID", "fbvIj5lD1wYRMsd9").Replace(m))
	}
	return all
}

// understood has a command read its flags and arguments, and begins nothing.
func understood(args []string) error {
	c, rest, err := root().Find(args)
	switch {
	case err != nil:
		return err
	case !c.Runnable() || !c.HasParent() || c.HasSubCommands():
		return errors.New("there is no such command")
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		return err
	}
	return checkFlags(c)
}

// update writes the generated parts of the manual anew: make manual.
var update = flag.Bool("update", false, "write the generated parts of the manual")

func TestTheManualAgreesWithTheCommandsAndTheRoutes(t *testing.T) {
	document := []byte(start(t, t.TempDir()).send(t, "GET", "/openapi.json", "").text)
	api, err := reference.API(document)
	if err != nil {
		t.Fatal(err)
	}
	events, err := reference.Events(document, filepath.Join(dynamotest.Root(), "events"))
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range map[string]string{"cli.md": reference.CLI(root()), "api.md": api, "events.md": events} {
		if err := docs.Check(filepath.Join(dynamotest.Root(), "internal", "docs", page), text, *update); err != nil {
			t.Error(err)
		}
	}
}

// The variables of the local stack are in the written part of the page.
func TestTheManualListsTheVariablesOfTheLocalStack(t *testing.T) {
	text := manualPage(t, "configuration.md").Text
	of := reflect.TypeFor[devConfig]()
	for i := range of.NumField() {
		tag := of.Field(i).Tag
		row := "| `" + tag.Get("env") + "` | "
		if value := tag.Get("envDefault"); value != "" {
			row += "`" + value + "` |"
		}
		if !strings.Contains(text, row) {
			t.Errorf("configuration.md has no row %s", row)
		}
	}
}

// recipe writes a recipe of protect.md into a folder of its own.
func recipe(t *testing.T, name string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, b := range manualPage(t, "protect.md").Blocks {
		if b.Name == name {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(b.Text), 0o600); err != nil {
				t.Fatal(err)
			}
			return folder
		}
	}
	t.Fatalf("protect.md has no file %s", name)
	return ""
}

// serve runs the program of a recipe, which listens on the port in PORT and asks the stack at LATCHKEY_URL.
func (s *stack) serve(t *testing.T, folder, latchkey string, program ...string) (at *stack) {
	t.Helper()
	return s.serveAt(t, freePort(t), folder, []string{"LATCHKEY_URL=" + latchkey}, program...)
}

// serveAt is serve on a port, with more variables.
func (s *stack) serveAt(t *testing.T, port, folder string, variables []string, program ...string) (at *stack) {
	t.Helper()
	c := exec.Command(program[0], program[1:]...)
	c.Dir = folder
	c.Env = append(append(os.Environ(), "PORT="+port), variables...)
	var log safeBuffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	at = &stack{url: "http://127.0.0.1:" + port, log: &log}
	for range 300 {
		if listens(port) {
			return at
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the recipe does not listen: %s", &log)
	return nil
}

// A service that is protected as protect.md says answers as latchkey itself does.
func protects(t *testing.T, name string, program ...string) {
	t.Helper()
	s := start(t, t.TempDir(), "FRESHNESS=0")
	folder := recipe(t, name)
	service := s.serve(t, folder, s.url, program...)
	id, good := s.create(t, `{"userId":"u1","scopes":["tts"],"rateLimit":{"requests":2,"window":60}}`)
	_, other := s.create(t, `{"userId":"u2","scopes":["stt"]}`)
	for _, c := range []struct {
		what, header string
		status       int
		code         string
	}{
		{"no key", "Accept: */*", 401, "missing_key"},
		{"a wrong key", "X-API-Key: sk_live_wrong-key-that-is-unknown", 401, "unknown_key"},
		{"a missing scope", "X-API-Key: " + other, 403, "insufficient_scope"},
		{"a key", "X-API-Key: " + good, 200, ""},
		{"a bearer", "Authorization: Bearer " + good, 200, ""},
		{"a key over its limit", "X-API-Key: " + good, 429, "rate_limited"},
	} {
		a := service.send(t, "GET", "/hello", "", c.header)
		e, _ := a.json["error"].(map[string]any)
		code, _ := e["code"].(string)
		if a.status != c.status || code != c.code || c.status == 200 && a.json["hello"] != "u1" {
			t.Errorf("%s: %d %s, want %d %s", c.what, a.status, a.text, c.status, c.code)
		}
		if after := a.header.Get("Retry-After"); (after != "") != (c.status == 429) {
			t.Errorf("%s: Retry-After is %q", c.what, after)
		}
	}
	if a := s.send(t, "POST", "/api/v1/api-keys/"+id+"/revoke", "", s.admin()); a.status != 200 {
		t.Fatalf("revoke: %d %s", a.status, a.text)
	}
	if a := service.send(t, "GET", "/hello", "", "X-API-Key: "+good); a.status != 401 {
		t.Errorf("a revoked key: %d %s", a.status, a.text)
	}
	alone := s.serve(t, folder, "http://127.0.0.1:9", program...)
	if a := alone.send(t, "GET", "/hello", "", "X-API-Key: "+other); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("without latchkey: %d %s", a.status, a.text)
	}
}

func TestTheGoRecipeProtects(t *testing.T) {
	protects(t, "main.go", built(t, "main.go"))
}

// built returns the path of the program of a recipe in Go.
func built(t *testing.T, name string) string {
	t.Helper()
	folder := recipe(t, name)
	program := filepath.Join(folder, "recipe")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, filepath.Join(folder, name))
	build.Env = append(os.Environ(), "GOFLAGS=")
	var out bytes.Buffer
	build.Stdout, build.Stderr = &out, &out
	if err := build.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return program
}

// freePort returns a port on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func listens(port string) bool {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
