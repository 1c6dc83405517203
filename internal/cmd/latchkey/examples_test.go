package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"latchkey/internal/dynamo/dynamotest"
)

// The scripts in testdata/script run every example of every help on one local stack, each as a shell
// does. A script calls
//
//	example [-exit CODE] [-until TEXT] 'LINE OF THE HELP'
//
// The id of a key in the line becomes the id of a key of the script's own user, who stands for u1.
// The URL of a service becomes the stack's. With -until, the output goes to the file shown, and the
// command is ended when it has printed the text.
func TestEveryExampleOfEveryHelpRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	world := newExampleWorld(t)
	var mu sync.Mutex
	ran, scripts := make(map[string]bool), 0
	t.Run("script", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: filepath.Join("testdata", "script"), RequireUniqueNames: true,
			Setup: func(e *testscript.Env) error {
				mu.Lock()
				defer mu.Unlock()
				scripts++
				return world.setUp(t, e)
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"example": func(ts *testscript.TestScript, neg bool, args []string) {
					line := runExample(ts, neg, args)
					mu.Lock()
					defer mu.Unlock()
					ran[line] = true
				},
			},
		})
	})
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() || scripts < len(all) { // -run names only some of them
		return
	}
	for command, examples := range helpExamples() {
		if len(examples) < 2 {
			t.Errorf("the help of %s has %d examples, want 2", command, len(examples))
		}
		for _, line := range examples {
			if !ran[line] {
				t.Errorf("an example of %s is in no script of testdata/script: %s", command, line)
			}
			delete(ran, line)
		}
	}
	for line := range ran {
		t.Errorf("a script of testdata/script has an example that no help has: %s", line)
	}
}

// helpExamples returns the lines of the examples of each command, without comments.
func helpExamples() map[string][]string {
	all := make(map[string][]string)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		builtIn := c.Name() == "help" || c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion"
		if c.HasSubCommands() || c.Hidden || builtIn && c.Example == "" {
			return
		}
		all[c.CommandPath()] = nil
		for line := range strings.SplitSeq(continued.ReplaceAllString(c.Example, ""), "\n") {
			line, _, _ = strings.Cut(line, "  #")
			if line = strings.TrimSpace(line); line != "" {
				all[c.CommandPath()] = append(all[c.CommandPath()], line)
			}
		}
	}
	walk(root())
	return all
}

// exampleAddresses gives examples a free port, on this machine only.
var exampleAddresses = strings.NewReplacer("PORT=8080", "PORT=0", "127.0.0.1:8080", "127.0.0.1:0", "0.0.0.0:8080", "127.0.0.1:0",
	"127.0.0.1:9464", "127.0.0.1:0", "--listen :8080", "--listen 127.0.0.1:0")

// runExample runs an example and returns its line.
func runExample(ts *testscript.TestScript, neg bool, args []string) (line string) {
	want, until := 0, ""
	for len(args) > 1 {
		switch {
		case args[0] == "-until" && len(args) > 2:
			until = args[1]
		case args[0] == "-exit" && len(args) > 2:
			code, err := strconv.Atoi(args[1])
			ts.Check(err)
			want = code
		default:
			ts.Fatalf("usage: example [-exit CODE] [-until TEXT] 'LINE'")
		}
		args = args[2:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: example [-exit CODE] [-until TEXT] 'LINE'")
	}
	text := exampleID.ReplaceAllString(args[0], ts.Getenv("ID"))
	text = exampleUser.ReplaceAllString(text, ts.Getenv("OWNER"))
	text = exampleURL.ReplaceAllString(text, ts.Getenv("LATCHKEY_URL"))
	if until != "" {
		// The file of the example before must be gone before this one writes its own.
		text = "rm -f shown; " + exampleAddresses.Replace(text) + " > shown 2>&1 & child=$!; " +
			"until grep -qs " + until + " shown; do kill -0 $child; sleep 0.05; done; kill $child; wait $child"
	}
	err := ts.Exec("bash", "-euo", "pipefail", "-c", text)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%s: exit code %d, want %d", text, code, want)
	}
	return args[0]
}

var (
	exampleID   = regexp.MustCompile(`\b(fbvIj5lD1wYRMsd9|3fGq8ZpLw1xKc0Ty)\b`)
	exampleUser = regexp.MustCompile(`\bu1\b`)
	exampleURL  = regexp.MustCompile(`https?://(127\.0\.0\.1:3000|keys\.example\.com|abc123\.\S+/prod)`)
)

// exampleWorld is a local stack that is the CloudFormation stack latchkey as well, and a folder with
// the programs that examples use.
type exampleWorld struct {
	stack     *stack
	bin       string
	variables []string
}

func newExampleWorld(t *testing.T) *exampleWorld {
	t.Helper()
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	outputs := map[string]string{"TableName": localTable, "SecretArn": secretARN}
	aws := []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_DYNAMODB=" + serve(newDeployedTable(t, endpoint)), "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(new(secretVault)),
		"AWS_ENDPOINT_URL=" + serve(http.HandlerFunc(denied)),
		"AWS_ENDPOINT_URL_CLOUDFORMATION=" + serve(cloudFormation{
			name:       "latchkey",
			outputs:    outputs,
			parameters: map[string]string{"KeyPrefix": "sk", "AcceptEnvironments": "live,test"},
		}),
	}
	w := &exampleWorld{bin: t.TempDir()}
	w.stack = start(t, t.TempDir(), append(aws, "DYNAMODB_ENDPOINT="+endpoint, "SECRET_ARN="+secretARN, "MAX_KEYS_PER_USER=100")...)
	outputs["ApiUrl"] = w.stack.url
	w.stack.must(t, "PUT", planPath+"pro", `{"maxDays":100}`)

	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(w.bin, "latchkey")); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"pbcopy": "cat > clipboard", "pbpaste": "cat clipboard", "psql": "cat rows", "clear": "", "man": "cat",
	} {
		if err := os.WriteFile(filepath.Join(w.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.variables = append(aws, "SECRET_ARN="+secretARN, "LATCHKEY_TEST_RUN_MAIN=1", "ENGINE="+string(dynamotest.EngineOf(t).Kind),
		"ENGINE_DIR="+dynamotest.EngineOf(t).Dir, "PORT=0", "GORACE="+os.Getenv("GORACE"),
		"TEMPLATE="+filepath.Join(dynamotest.Root(), "template.yaml"), "LATCHKEY_URL="+w.stack.url, "LATCHKEY_KEY="+w.stack.root)
	return w
}

// setUp gives a script a user with a key: $OWNER, $ID and the file key, which holds the token. Its
// folder .latchkey belongs to the stack.
func (w *exampleWorld) setUp(t *testing.T, e *testscript.Env) error {
	owner := "owner-of-" + filepath.Base(e.WorkDir)
	id, token := w.stack.create(t, `{"userId":"`+owner+`","name":"example","scopes":["tts"]}`)
	state, err := filepath.Abs(w.stack.state)
	if err != nil {
		return err
	}
	if err := os.Symlink(state, filepath.Join(e.WorkDir, ".latchkey")); err != nil {
		return err
	}
	for _, file := range []string{"key", "clipboard", "leaked-token"} {
		if err := os.WriteFile(filepath.Join(e.WorkDir, file), []byte(token+"\n"), 0o600); err != nil {
			return err
		}
	}
	if err := writeCertificate(e.WorkDir); err != nil {
		return err
	}
	e.Vars = append(slices.Clone(e.Vars), w.variables...)
	e.Vars = append(e.Vars, "HOME="+e.WorkDir, "XDG_CONFIG_HOME="+filepath.Join(e.WorkDir, "config"), "ID="+id, "OWNER="+owner,
		"PATH="+w.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return nil
}

// writeCertificate writes the files cert.pem and key.pem.
func writeCertificate(folder string) error {
	server := httptest.NewTLSServer(nil)
	server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	return errors.Join(os.WriteFile(filepath.Join(folder, "cert.pem"), cert, 0o600),
		os.WriteFile(filepath.Join(folder, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}
