package console_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/console"
)

// served returns the files of the console as a browser gets them.
func served(t *testing.T) map[string][]byte {
	t.Helper()
	handler, all := console.New(console.Options{}), make(map[string][]byte)
	err := fs.WalkDir(os.DirFS("assets"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/console/"+name, nil))
		if w.Code != 200 {
			t.Errorf("%s: %d", name, w.Code)
		}
		all[name] = w.Body.Bytes()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTheConsoleIsSmall counts each file by itself, as a browser loads it.
func TestTheConsoleIsSmall(t *testing.T) {
	const most = 60 << 10
	var all bytes.Buffer
	for name, body := range served(t) {
		w, err := gzip.NewWriterLevel(&all, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(name, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(name, err)
		}
	}
	t.Logf("measured: all files of the console are %.1f KB compressed", float64(all.Len())/1024)
	if all.Len() > most {
		t.Errorf("the console has %d bytes compressed, want at most %d", all.Len(), most)
	}
}

// TestScriptsLoseCommentsAlone compares each script with its file, line by line. A text that goes over
// several lines would lose its blanks, so only html may.
func TestScriptsLoseCommentsAlone(t *testing.T) {
	left, typeOfValue := 0, regexp.MustCompile(`/\*\* @type .*?\*/ ?`)
	for name, body := range served(t) {
		file, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".css") || strings.HasPrefix(name, "vendor/") {
			if !bytes.Equal(body, file) {
				t.Errorf("%s is not served as it is", name)
			}
			continue
		}
		got, want := strings.Split(string(body), "\n"), strings.Split(string(file), "\n")
		if len(got) != len(want) {
			t.Errorf("%s has %d lines, want %d", name, len(got), len(want))
			continue
		}
		for i, line := range want {
			text := strings.TrimSpace(line)
			comment := strings.HasPrefix(text, "//") || strings.HasPrefix(text, "*") ||
				strings.HasPrefix(text, "/*") && !strings.Contains(strings.TrimSuffix(text, "*/"), "*/")
			switch {
			case got[i] == "" && comment:
				left++
			case got[i] != typeOfValue.ReplaceAllString(strings.TrimLeft(line, " "), ""):
				t.Errorf("%s line %d is served as %q, want %q without blanks and types", name, i+1, got[i], line)
			}
		}
	}
	if left < 100 {
		t.Errorf("%d lines are left out", left)
	}
}
