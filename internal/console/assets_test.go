package console_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readAssets returns the files of the console by name.
func readAssets(t *testing.T) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	root := os.DirFS("assets")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[name], err = fs.ReadFile(root, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The Content-Security-Policy refuses some of these. Others would leave a token behind, or add a text
// of the API as markup, or break below a stage's prefix.
func TestTheConsolesFilesKeepToTheRules(t *testing.T) {
	rules := map[string]*regexp.Regexp{
		"a style attribute":    regexp.MustCompile(`\sstyle=["'{$]`),
		"markup from text":     regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc`),
		"code from text":       regexp.MustCompile(`\beval\(|new Function|setTimeout\(["'` + "`" + `]`),
		"storage":              regexp.MustCompile(`localStorage|sessionStorage|indexedDB|document\.cookie|caches\.`),
		"an inline handler":    regexp.MustCompile(`<[a-z]+[^>]* on[a-z]+="`),
		"an inline script":     regexp.MustCompile(`<script(?:[^>]*)>[^<]|<style`),
		"an absolute path":     regexp.MustCompile(`(?:href|src|action)="/|fetch\(["'` + "`" + `]/`),
		"a message from afar":  regexp.MustCompile(`addEventListener\("message"|onmessage = [^(]*window`),
		"a resource from afar": regexp.MustCompile(`(?:src|href)="https?:|from "https?:|[ :]url\(`),
	}
	for name, body := range readAssets(t) {
		if strings.HasPrefix(name, "vendor/") {
			continue
		}
		if lines := bytes.Count(body, []byte("\n")); lines > 400 {
			t.Errorf("%s has %d lines, want at most 400", name, lines)
		}
		for rule, pattern := range rules {
			if found := pattern.Find(body); found != nil {
				t.Errorf("%s has %s: %q", name, rule, found)
			}
		}
		if path.Ext(name) == ".js" && !bytes.HasPrefix(body, []byte("// @ts-check\n")) {
			t.Errorf("%s does not begin with // @ts-check", name)
		}
	}
}

// vendored is an entry of vendor.json.
type vendored struct {
	File, Package, Version, Licence string
	Source                          string            // the file in the package
	SHA256                          string            // of the file in the package
	Replaced                        map[string]string // texts that the vendored file has changed, with the new text of each
}

func readVendored(t *testing.T) []vendored {
	t.Helper()
	text, err := os.ReadFile("vendor.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vendored
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVendoredFilesAreUnchanged(t *testing.T) {
	known := []string{"licences.txt"}
	for _, v := range readVendored(t) {
		known = append(known, v.File)
		body, err := os.ReadFile(filepath.Join("assets", "vendor", v.File))
		if err != nil {
			t.Error(err)
			continue
		}
		for from, to := range v.Replaced {
			if bytes.Count(body, []byte(to)) != 1 {
				t.Errorf("%s should have %q once", v.File, to)
			}
			body = bytes.ReplaceAll(body, []byte(to), []byte(from))
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != v.SHA256 {
			t.Errorf("%s has the hash %x, want %s", v.File, sum, v.SHA256)
		}
	}
	for name := range readAssets(t) {
		if file, ok := strings.CutPrefix(name, "vendor/"); ok && !slices.Contains(known, file) {
			t.Errorf("vendor.json does not list %s", file)
		}
	}
}
