package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"latchkey/internal/config"
)

// profile is a service and the key that calls it, as latchkey login stores them.
type profile struct {
	url string
	key config.Sensitive
}

// profiles are the profiles of one file.
type profiles struct {
	file string // its path
	all  map[string]profile
}

// usualProfile is the profile that is used where no other is named.
const usualProfile = "default"

// profileFile returns the path of the file with the profiles: $XDG_CONFIG_HOME/latchkey/config.toml,
// below $HOME/.config by default. It is empty if neither variable is set. As the XDG specification
// says, a path that is not absolute is ignored.
func profileFile(variables map[string]string) string {
	folder := variables["XDG_CONFIG_HOME"]
	if !filepath.IsAbs(folder) {
		if folder = variables["HOME"]; !filepath.IsAbs(folder) {
			return ""
		}
		folder = filepath.Join(folder, ".config")
	}
	return filepath.Join(folder, "latchkey", "config.toml")
}

// profileText is the file's form.
type profileText struct {
	Profiles map[string]struct {
		URL string `toml:"url"`
		Key string `toml:"key"`
	} `toml:"profiles"`
}

// readProfiles reads the file. A missing file has no profiles. Other users must not be able to read
// it. An error is a usageError with the file and, if it is about its text, with the line. It has
// nothing of the text, which has keys.
func readProfiles(file string) (profiles, error) {
	p := profiles{file: file, all: make(map[string]profile)}
	if file == "" {
		return p, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, usageError{fmt.Errorf("read the profiles: %w", err)}
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", file)
	}
	if err != nil {
		return p, usageError{fmt.Errorf("read the profiles: %w", err)}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return p, usageError{fmt.Errorf("%s has keys, but other users have rights to it: chmod 600 %[1]s", file)}
	}
	var text profileText
	if err := toml.NewDecoder(f).DisallowUnknownFields().Decode(&text); err != nil {
		return p, usageError{profileError(file, err)}
	}
	for name, one := range text.Profiles {
		switch {
		case checkProfile(name) != nil:
			return p, usageError{fmt.Errorf("%s: the name of a profile %w", file, checkProfile(name))}
		case !config.ServiceURL(one.URL):
			return p, usageError{fmt.Errorf("%s: the url of profile %s must be an http or https URL", file, name)}
		case checkKey(one.Key) != nil:
			return p, usageError{fmt.Errorf("%s: the key of profile %s %w", file, name, checkKey(one.Key))}
		}
		p.all[name] = profile{one.URL, config.NewSensitive(one.Key)}
	}
	return p, nil
}

// profileError returns an error with the file and the line, and nothing of the file's text.
func profileError(file string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		line, _ := unknown.Errors[0].Position()
		return fmt.Errorf("%s:%d: there is no such field; a profile has url and key", file, line)
	}
	var wrong *toml.DecodeError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("%s cannot be read as TOML", file)
	}
	line, _ := wrong.Position()
	if len(wrong.Key()) > 0 {
		return fmt.Errorf("%s:%d: a profile has url and key, each once and each a text", file, line)
	}
	return fmt.Errorf("%s:%d: this is not TOML", file, line)
}

// named returns the profile with a name.
func (p profiles) named(name string) (profile, error) {
	one, ok := p.all[name]
	if !ok {
		return profile{}, usageError{fmt.Errorf("%s has no profile of this name; latchkey login --profile stores one",
			cmp.Or(p.file, "the configuration"))}
	}
	return one, nil
}

// names returns the names of all profiles, sorted.
func (p profiles) names() []string { return slices.Sorted(maps.Keys(p.all)) }

// write stores the profiles in their file, which only its owner can read. Without profiles, it removes
// the file. A crash leaves either the old file or the new one.
func (p profiles) write() error {
	if p.file == "" {
		return usageError{errors.New("HOME is not set, so there is no place for the profiles: set XDG_CONFIG_HOME")}
	}
	if len(p.all) == 0 {
		if err := os.Remove(p.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the profiles: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p.file), 0o700); err != nil {
		return fmt.Errorf("write the profiles: %w", err)
	}
	file := p.file
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // a link to a file elsewhere stays a link
	}
	var b bytes.Buffer
	b.WriteString("# Written by latchkey login. It has keys: only you may read it.\n")
	for _, name := range p.names() {
		one := p.all[name]
		if strings.Contains(name, ".") { // the only character of a name that TOML wants in quotes
			name = strconv.Quote(name)
		}
		fmt.Fprintf(&b, "\n[profiles.%s]\nurl = %+q\nkey = %+q\n", name, one.url, one.key.Reveal())
	}
	return keep(file, strings.TrimSuffix(b.String(), "\n"))
}

// checkProfile accepts the name of a profile.
func checkProfile(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if len(name) < 1 || len(name) > 32 || strings.Trim(name, allowed) != "" {
		return errors.New("must be 1 to 32 letters, digits and . _ -, such as prod")
	}
	return nil
}

// checkKey accepts a key, or a user's token, that can be sent in a header.
func checkKey(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("must be one key, of visible ASCII characters")
	}
	return nil
}
