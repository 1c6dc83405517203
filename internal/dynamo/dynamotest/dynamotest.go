// Package dynamotest gives tests a real table. A test binary has one engine, and each test has a new
// table on it. Call [Main] from TestMain first, and [NewTable] from a test.
// A test of a program that names its table itself calls [Lend].
//
// The variable ENGINE names the engine, as for make. Tests fail if it is not installed.
package dynamotest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/amazon"
	"latchkey/internal/dynamo"
	"latchkey/internal/local/engine"
	"latchkey/internal/local/sam"
)

// running is what this test binary runs. It is a variable of the package because TestMain cannot pass
// values to tests.
var running struct {
	root   string
	tables atomic.Int64
	// engines run the engine that ENGINE names, and cheap those of tests that called AnyEngine.
	engines, cheap *fleet
	any            sync.Map // of the names of these tests
	// template reads template.yaml, once.
	template func() (*sam.Template, error)
}

// Main runs the tests with an engine and ends the process.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	root, err := moduleRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	running.root = root
	running.template = sync.OnceValues(func() (*sam.Template, error) {
		return sam.Load(filepath.Join(root, "template.yaml"), nil)
	})
	running.engines, running.cheap = &fleet{options: Engine()}, &fleet{options: cheapest()}
	if _, err := running.engines.shared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := errors.Join(running.engines.stop(), running.cheap.stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// Engine returns the options of the engine that tests run on. A test may start its own engine with
// them.
func Engine() engine.Options {
	kind := engine.Dynoxide
	if name := os.Getenv("ENGINE"); name != "" {
		kind = engine.Kind(name)
	}
	return engine.Options{Kind: kind, Dir: filepath.Join(running.root, ".latchkey", "engine")}
}

// Root returns the folder of the module.
func Root() string { return running.root }

// Lend returns the URL of an engine that has no table of that name, and lends it to no other test
// until giveBack is called. giveBack deletes the table and must be called once. Lend starts an
// engine only if all others are lent.
func Lend(t testing.TB, table string) (endpoint string, giveBack func()) {
	t.Helper()
	f := enginesOf(t)
	e, err := f.borrow()
	if err != nil {
		t.Fatal(err)
	}
	return e.Endpoint(), func() {
		local := amazon.Local()
		local.HTTPClient = nil // the default has no time limit, and a large table takes a while to delete
		client := dynamodb.NewFromConfig(local, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(e.Endpoint()) })
		// The test's own context has ended when this runs in a Cleanup.
		_, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(table)})
		if none := new(types.ResourceNotFoundException); err != nil && !errors.As(err, &none) {
			t.Errorf("give an engine back: %v", err)
			return
		}
		f.giveBack(e)
	}
}

// Options makes a new table, which template.yaml defines, and returns its options. The network in
// front of it fails requests, but only in ways that the SDK hides by retrying. In benchmarks it
// fails none.
func Options(t testing.TB) dynamo.Options {
	t.Helper()
	o, faults := Faulty(t)
	faults.Set(0.02, Before()...)
	faults.spareLastAttempt = true
	if _, ok := t.(*testing.B); ok {
		o.Transport = nil
	}
	return o
}

// shortBackoff is the longest pause before the SDK repeats a failed request. With the pause of a
// deployment, tests would wait for most of their time.
const shortBackoff = 5 * time.Millisecond

// Faulty makes a new table and returns its options with the network in front of it. The network
// fails no requests until the test tells it to.
func Faulty(t testing.TB) (dynamo.Options, *Faults) {
	t.Helper()
	e, err := enginesOf(t).shared()
	if err != nil {
		t.Fatal(err)
	}
	o := dynamo.Options{
		Name:     "test-" + strconv.FormatInt(running.tables.Add(1), 10),
		AWS:      amazon.Local(),
		Endpoint: e.Endpoint(),
		Local:    true,
		// A busy machine may stop an engine for a second, so an attempt has more time than in a
		// deployment. A verdict has no more time: apikey.Patience still bounds it.
		AttemptTimeout: 10 * time.Second,
	}
	o.AWS.Retryer = func() aws.Retryer { return retry.AddWithMaxBackoffDelay(amazon.Local().Retryer(), shortBackoff) }
	template, err := running.template()
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
