package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// recorded is a service that answers every request alike and records its requests.
type recorded struct {
	*httptest.Server
	mu       sync.Mutex // guards requests
	requests []*http.Request
}

// recording starts a service whose answers have a body and an ETag. A request whose key is "wrong" gets 401.
func recording(t *testing.T, body string) *recorded {
	t.Helper()
	s := &recorded{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, r)
		if r.Header.Get("Authorization") == "Bearer wrong" || r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"Invalid API key","type":"authentication_error","param":null,"code":"invalid_api_key"}}`)
			return
		}
		w.Header().Set("ETag", `"7"`)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

// last returns the last request.
func (s *recorded) last(t *testing.T) *http.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		t.Fatal("nothing was asked")
	}
	return s.requests[len(s.requests)-1]
}

const profileCanary = "canary-of-a-stored-key"

func TestLoginStoresAKeyThatOnlyItsOwnerCanRead(t *testing.T) {
	service := recording(t, `{"keyId":"AAAAAAAAAAAAAAAA","userId":"u1","name":"ci"}`)
	home := t.TempDir()
	env := []string{"XDG_CONFIG_HOME=" + home, "LATCHKEY_URL=", "LATCHKEY_KEY="}
	file := filepath.Join(home, "latchkey", "config.toml")

	asked{args: "login " + service.URL, stdin: "wrong\n", code: 4, talk: "Invalid API key"}.run(t, env...)
	asked{args: "login " + service.URL, stdin: "", code: 2, talk: "there is no key"}.run(t, env...)
	asked{args: "login " + service.URL, stdin: "two keys", code: 2, talk: "the key must be one key"}.run(t, env...)
	asked{args: "login " + service.URL + " --key-file /no/such/file", code: 2, talk: "read the key"}.run(t, env...)
	asked{args: "login ftp://x", stdin: "k", code: 2, talk: "the URL must be"}.run(t, env...)
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a login that failed has stored something")
	}

	code, out, talk := cli(t, profileCanary+"\n", env, "login", service.URL)
	if code != 0 || out != "" || !strings.Contains(talk, "You are user u1, with key AAAAAAAAAAAAAAAA (ci)") || strings.Contains(talk, profileCanary) {
		t.Errorf("exit code %d\n%s%s", code, out, talk)
	}
	for path, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	asked{args: "whoami", out: "userId\tu1", talk: "Profile default of " + service.URL}.run(t, env...)
	if got := service.last(t).Header.Get("Authorization"); got != "Bearer "+profileCanary {
		t.Errorf("the profile's key was not sent: %q", got)
	}

	// A second profile leaves the first one as it is.
	asked{args: "login " + service.URL + "/second/ --profile a.b", stdin: "second-key", talk: "Profile a.b is stored"}.run(t, env...)
	asked{args: "whoami --profile a.b", talk: "Profile a.b of " + service.URL + "/second."}.run(t, env...)
	asked{args: "whoami", talk: "Profile a.b of"}.run(t, append(env, "LATCHKEY_PROFILE=a.b")...)
	asked{args: "whoami", talk: "Profile default of"}.run(t, env...)
	asked{args: "logout", talk: "Profile default is removed"}.run(t, env...)
	asked{args: "logout", code: 2, talk: "no profile of this name"}.run(t, env...)
	asked{args: "whoami --profile a.b", talk: "Profile a.b of"}.run(t, env...)
	asked{args: "logout --profile a.b"}.run(t, env...)
	if _, err := os.Stat(file); err == nil {
		t.Error("the file without profiles is still there")
	}
	asked{args: "login", stdin: "k", code: 2, talk: "HOME is not set"}.run(t, "XDG_CONFIG_HOME=relative", "HOME=", "LATCHKEY_URL="+service.URL, "LATCHKEY_KEY=")
}

// The file may be a link into a folder with files of the same kind.
func TestLoginKeepsALink(t *testing.T) {
	service := recording(t, `{"userId":"u1"}`)
	home, dots := t.TempDir(), t.TempDir()
	file := filepath.Join(home, "latchkey", "config.toml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dots, "c"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dots, "c"), file); err != nil {
		t.Fatal(err)
	}
	asked{args: "login " + service.URL, stdin: "k"}.run(t, "XDG_CONFIG_HOME="+home)
	if text, err := os.ReadFile(filepath.Join(dots, "c")); err != nil || !strings.Contains(string(text), service.URL) {
		t.Errorf("%s, %v", text, err)
	}
}

// A profile's key is never sent to another URL than its own.
func TestVariablesComeBeforeAProfile(t *testing.T) {
	own, other := recording(t, `{"userId":"u1"}`), recording(t, `{"userId":"u2"}`)
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir(), "LATCHKEY_URL=", "LATCHKEY_KEY="}
	asked{args: "login " + own.URL, stdin: profileCanary}.run(t, env...)
	for _, c := range []struct {
		url, key, flag string
		code           int
		sent, talk     string
		to             *recorded
	}{
		{"", "", "", 0, profileCanary, "Profile default of", own},
		{own.URL + "/", "", "", 0, profileCanary, "Profile default of", own},
		{"", "mine", "", 0, "mine", "LATCHKEY_KEY is used instead of profile default", own},
		{other.URL, "mine", "", 0, "mine", "LATCHKEY_URL and LATCHKEY_KEY are used instead of profile default", other},
		{other.URL, "", "", 4, "", "LATCHKEY_URL is not the URL of profile default, so that its key was not sent", other},
		{other.URL, "", " --profile default", 4, "", "LATCHKEY_URL is not the URL of profile default", other},
	} {
		asked{args: "whoami" + c.flag, code: c.code, talk: c.talk}.run(t, append(env, "LATCHKEY_URL="+c.url, "LATCHKEY_KEY="+c.key)...)
		if got := strings.TrimPrefix(c.to.last(t).Header.Get("Authorization"), "Bearer "); got != c.sent {
			t.Errorf("LATCHKEY_URL=%s LATCHKEY_KEY=%s: sent %q, want %q", c.url, c.key, got, c.sent)
		}
	}
	asked{args: "whoami", code: 2, talk: "LATCHKEY_PROFILE must be"}.run(t, append(env, "LATCHKEY_PROFILE=a b")...)
	asked{args: "whoami", code: 2, talk: "has no profile of this name"}.run(t, append(env, "LATCHKEY_PROFILE=gone")...)
}

// An error about the file has its path and the line, and nothing of its text.
func TestAWrongProfileFileIsAUsageError(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "latchkey", "config.toml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	const good = "[profiles.default]\nurl = 'http://127.0.0.1:1'\n"
	for text, want := range map[string]string{
		good + "key = 'canary\n":                           file + ":3: this is not TOML",
		good + "key = 5\n":                                 file + ":3: a profile has url and key",
		good + "key = ['canary']\n":                        file + ":3: a profile has url and key",
		good + "canary = 'x'\n":                            file + ":3: there is no such field",
		"canary = 1\n" + good:                              file + ":1: there is no such field",
		"profiles = 'canary'\n":                            file + ":1: a profile has url and key",
		good + "url = 'canary'\n":                          file + ":3: a profile has url and key",
		"[profiles.'canary name']\nurl='http://x'\n":       file + ": the name of a profile must be",
		"[profiles.p]\nurl = 'canary'\n":                   file + ": the url of profile p must be",
		"[profiles.p]\nurl='http://x'\nkey = 'canary ü'\n": file + ": the key of profile p must be",
		"\xff\xfe":                   file,
		strings.Repeat("[", 100_000): file,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, talk := cli(t, "", []string{"XDG_CONFIG_HOME=" + home}, "keys", "list")
		if code != 2 || out != "" || !strings.Contains(talk, want) || strings.Contains(talk, "canary") {
			t.Errorf("%.60q: exit code %d, %s, want %s", text, code, talk, want)
		}
	}
	if err := os.WriteFile(file, []byte(good+"key = 'canary'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		asked{args: "keys list", code: 2, talk: "other users have rights to it: chmod 600 " + file}.run(t, "XDG_CONFIG_HOME="+home)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	asked{args: "keys list", code: 2, talk: "is not a file"}.run(t, "XDG_CONFIG_HOME="+home)
}
