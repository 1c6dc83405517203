package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// A backend keeps its own /health, /openapi.json, /console and /docs, unless OWN_PREFIX says otherwise.
// latchkey's are below /latchkey in any case.
func TestOwnPathsAreBelowThePrefixAndWithoutABackendAtTheRoot(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "backend "+r.URL.Path)
	}))
	defer backend.Close()
	withBackend := "BACKEND_URL=" + backend.URL
	for _, c := range []struct {
		environment     []string
		atRoot, console bool
		greets          string // the path of the console in the start text
	}{
		{nil, true, true, "/console/"},
		{[]string{withBackend}, false, true, "/latchkey/console/"},
		{[]string{"OWN_PREFIX=latchkey"}, false, true, "/latchkey/console/"},
		{[]string{withBackend, "OWN_PREFIX=none"}, true, true, "/console/"},
		{[]string{withBackend, "CONSOLE_ENABLED=false"}, false, false, ""},
		{[]string{"CONSOLE_ENABLED=false"}, true, false, ""},
	} {
		hasBackend := len(c.environment) > 0 && c.environment[0] == withBackend
		s := start(t, t.TempDir(), append(c.environment, "FRESHNESS=0", "PUBLIC_PATHS=/health,/openapi.json,/.well-known/*,/docs*,/console*,/latchkey/*")...)
		if s.console != c.greets {
			t.Errorf("%v: the start text has the console at %q, want %q", c.environment, s.console, c.greets)
		}
		for path, is := range map[string]string{
			"/health": `{"status":"ok"}`, "/openapi.json": `"openapi":"3.1.0"`, "/.well-known/jwks.json": `"crv":"Ed25519"`, "/docs/": "<html", "/console/": "<html",
			"/docs/index.html": "<html", "/console/index.html": "<html", "/docs": "<html", "/console": "<html",
		} {
			exists := c.console || !strings.HasPrefix(path, "/console")
			for _, prefix := range []string{"", "/latchkey"} {
				a := s.send(t, "GET", prefix+path, "", "Accept: */*")
				ours := exists && (c.atRoot || prefix != "")
				there := strings.TrimSuffix(prefix+path, "/") // a last slash is no part of {proxy+}
				switch {
				case ours && (a.status >= 400 || !strings.Contains(a.text, is)):
					t.Errorf("%v: %s is not latchkey's: %d %.200s", c.environment, prefix+path, a.status, a.text)
				case !ours && hasBackend && a.text != "backend "+there:
					t.Errorf("%v: %s is not the backend's: %d %.200s", c.environment, prefix+path, a.status, a.text)
				case !ours && !hasBackend && a.status != 404:
					t.Errorf("%v: %s exists: %d %.200s", c.environment, prefix+path, a.status, a.text)
				}
			}
		}
		base := map[string]string{"/console/": "../", "/latchkey/console/": "../../"}
		for at, apiBase := range base {
			if a := s.send(t, "GET", at+"config.json", ""); c.console && (c.atRoot || at != "/console/") && a.json["apiBase"] != apiBase {
				t.Errorf("%v: %sconfig.json: %s", c.environment, at, a.text)
			}
		}
		asked{args: "openapi", out: `"/latchkey/health"`}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY=")
		smoke := "smoke --freshness 0"
		if hasBackend {
			smoke += " --backend"
		}
		if !c.console {
			asked{args: smoke, code: 1, out: "DIFFERS  the console"}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY="+s.root)
			smoke += " --console=false"
		}
		asked{args: smoke, out: "as expected"}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY="+s.root)
	}
}

// The program needs no file beside it: it has the template in it, and npm brings the engine.
func TestTheStackRunsInAnEmptyFolder(t *testing.T) {
	binary, err := filepath.Abs(filepath.Join(dynamotest.Engine().Dir, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	bin, cache, empty := t.TempDir(), t.TempDir(), t.TempDir()
	npm := "#!/bin/sh\nwhile [ \"$1\" != --prefix ]; do shift; done\ncp -R '" + binary + "' \"$2/node_modules\"\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(empty)
	path := "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")
	for run := range 2 {
		s := start(t, ".latchkey", ownEngine, "ENGINE=dynoxide", "ENGINE_DIR=", "TEMPLATE=", "XDG_CACHE_HOME="+cache, "HOME="+cache, path)
		if a := s.send(t, "GET", "/api/v1/whoami", "", s.admin()); a.status != 200 {
			t.Errorf("whoami: %d %s", a.status, a.text)
		}
		if err := s.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if said := strings.Contains(s.log.String(), "installing dynoxide"); said != (run == 0) {
			t.Errorf("run %d: %s", run+1, s.log)
		}
	}
	files, err := os.ReadDir(empty)
	if err != nil || len(files) != 1 || files[0].Name() != ".latchkey" {
		t.Errorf("files %v, %v", files, err)
	}
}
