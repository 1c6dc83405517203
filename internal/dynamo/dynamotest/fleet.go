package dynamotest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/local/engine"
)

// AnyEngine says that the outcome of a test does not depend on the engine. The tables of the test and
// of its subtests are then on dynoxide, if that is installed, whatever ENGINE is. It takes a third of
// the processor time of DynamoDB Local, so a long test that is about something else should call it.
// A test that is not left out by -short runs on dynoxide anyway, so it should call [Once] instead.
func AnyEngine(t testing.TB) { running.any.Store(t.Name(), true) }

// Once says the same as [AnyEngine], and skips the test if ENGINE is another engine than dynoxide. The
// test then runs in one of the two passes of the project's checks, with the race detector.
func Once(t testing.TB) {
	t.Helper()
	AnyEngine(t)
	if running.engines.options.Kind != running.cheap.options.Kind {
		t.Skip("its outcome does not depend on the engine: it runs on dynoxide, in the other pass")
	}
}

// EngineOf returns the options of the engine that the tables of a test are on. A test may start its own
// engine with them.
func EngineOf(t testing.TB) engine.Options { return enginesOf(t).options }

// enginesOf returns the engines for the tables of a test.
func enginesOf(t testing.TB) *fleet {
	for name := t.Name(); name != ""; name = name[:max(strings.LastIndexByte(name, '/'), 0)] {
		if _, ok := running.any.Load(name); ok {
			return running.cheap
		}
	}
	return running.engines
}

// cheapest returns the options of dynoxide, or those of Engine if dynoxide is not installed.
func cheapest() engine.Options {
	o := Engine()
	o.Kind = engine.Dynoxide
	if _, err := o.Find(); err != nil {
		return Engine()
	}
	return o
}

// fleet is the engines of one kind that this test binary has started. The first one is shared by all
// tests that have tables of their own names.
type fleet struct {
	options engine.Options

	mu   sync.Mutex
	all  []*engine.Engine
	free []*engine.Engine // ready to be lent
}

// shared returns the first engine.
func (f *fleet) shared() (*engine.Engine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) > 0 {
		return f.all[0], nil
	}
	e, err := f.start()
	if err == nil {
		f.free = append(f.free, e)
	}
	return e, err
}

// borrow returns an engine that is lent to no other test. It starts one only if all others are lent.
func (f *fleet) borrow() (*engine.Engine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := len(f.free) - 1; last >= 0 {
		e := f.free[last]
		f.free = f.free[:last]
		return e, nil
	}
	return f.start()
}

func (f *fleet) giveBack(e *engine.Engine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = append(f.free, e)
}

// start starts one more engine. The caller must hold the lock.
func (f *fleet) start() (*engine.Engine, error) {
	e, err := engine.Start(context.Background(), f.options)
	if err == nil {
		f.all = append(f.all, e)
	}
	return e, err
}

// stop stops all engines.
func (f *fleet) stop() (err error) {
	for _, e := range f.all {
		err = errors.Join(err, e.Stop())
	}
	return err
}
