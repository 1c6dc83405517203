//go:build browser

package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/browsertest"
)

// packages returns a path among the packages that make browser installs.
func packages(parts ...string) string {
	return browsertest.Module(append([]string{".latchkey", "browser", "node_modules"}, parts...)...)
}

func TestVendoredFilesAreThoseOfNpm(t *testing.T) {
	for _, v := range readVendored(t) {
		body, err := os.ReadFile(packages(v.Package, filepath.FromSlash(v.Source)))
		if err != nil {
			t.Errorf("make browser installs %s: %v", v.Package, err)
			continue
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != v.SHA256 {
			t.Errorf("%s of %s has the hash %x, want %s", v.Source, v.Package, sum, v.SHA256)
		}
		var about struct{ Version, License string }
		text, err := os.ReadFile(packages(v.Package, "package.json"))
		if err == nil {
			err = json.Unmarshal(text, &about)
		}
		if err != nil || about.Version != v.Version || about.License != v.Licence {
			t.Errorf("%s is %+v (%v), want %s and %s", v.Package, about, err, v.Version, v.Licence)
		}
	}
}

// The types of preact and htm are those of their packages: declarations take the place of the
// vendored files in a copy of the assets.
func TestTheScriptsHaveNoTypeErrors(t *testing.T) {
	dir, err := os.MkdirTemp(browsertest.Module(".latchkey", "browser"), "types")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS("assets")); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(dir, "vendor", "*.js"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no vendored scripts: %v", err)
	}
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".js") + ".d.ts"
		declared, err := os.ReadFile(filepath.Join("types", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "vendor", name), declared, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(script); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := os.ReadFile(filepath.Join("types", "tsconfig.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tsconfig.json"), settings, 0o600); err != nil {
		t.Fatal(err)
	}
	tsc := exec.CommandContext(t.Context(), packages(".bin", "tsc"), "-p", dir)
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
