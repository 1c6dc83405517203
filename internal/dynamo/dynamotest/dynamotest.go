// Package dynamotest gives tests a real table: one engine for a test binary, a
// fresh table for each test. Call [Main] from TestMain first.
//
// ENGINE says which engine, as it does for make. One that is not installed
// fails the tests.
package dynamotest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"latchkey/internal/amazon"
	"latchkey/internal/dynamo"
	"latchkey/internal/local/engine"
	"latchkey/internal/local/sam"
)

// running is the engine of this test binary. TestMain has no other way to hand
// something to tests.
var running struct {
	root   string
	engine *engine.Engine
	tables atomic.Int64
}

// Main runs the tests with an engine behind them.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	root, err := moduleRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	running.root = root
	if running.engine, err = engine.Start(context.Background(), Engine()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := running.engine.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Engine is the engine that tests run on, for those that start their own.
func Engine() engine.Options {
	kind := engine.Dynoxide
	if name := os.Getenv("ENGINE"); name != "" {
		kind = engine.Kind(name)
	}
	return engine.Options{Kind: kind, Dir: filepath.Join(running.root, ".latchkey", "engine")}
}

// Root is the module's folder.
func Root() string { return running.root }

// Options are those of a new table, defined by template.yaml. The network before
// it is as bad as one can be without a caller seeing more of it than time; in
// benchmarks it is perfect.
func Options(t testing.TB) dynamo.Options {
	t.Helper()
	o, faults := Faulty(t)
	faults.Set(0.02, Before()...)
	faults.Merciful()
	if _, ok := t.(*testing.B); ok {
		o.Transport = nil
	}
	return o
}

// Faulty returns the options of a new table, and the network before it to do
// worse to.
func Faulty(t testing.TB) (dynamo.Options, *Faults) {
	t.Helper()
	o := dynamo.Options{
		Name:     "test-" + strconv.FormatInt(running.tables.Add(1), 10),
		AWS:      amazon.Local(),
		Endpoint: running.engine.Endpoint(),
		Local:    true,
	}
	template, err := sam.Load(filepath.Join(running.root, "template.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := dynamo.Open(o).CreateTable(t.Context(), template.Table); err != nil {
		t.Fatal(err)
	}
	faults := NewFaults(t)
	o.Transport = faults
	return o, faults
}

// NewTable returns a new, empty table.
func NewTable(t testing.TB) *dynamo.Table {
	t.Helper()
	return dynamo.Open(Options(t))
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("find the module's root: no go.mod")
}
