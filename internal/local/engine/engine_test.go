package engine_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/local/engine"
)

func options(t *testing.T, kind engine.Kind) engine.Options {
	t.Helper()
	return engine.Options{Kind: kind, Dir: filepath.Join("..", "..", "..", ".latchkey", "engine"), Data: t.TempDir()}
}

func answers(endpoint string) bool {
	response, err := http.Post(endpoint, "application/json", strings.NewReader("{}"))
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil
}

func TestTwoEnginesCannotShareFiles(t *testing.T) {
	o := options(t, engine.Kind(cmp.Or(os.Getenv("ENGINE"), string(engine.Dynoxide))))
	first, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Stop() }()
	if !answers(first.Endpoint()) {
		t.Error("a started engine does not answer")
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if second, err := engine.Start(soon, o); err == nil {
		_ = second.Stop()
		t.Error("a second engine started on the same files")
	}
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	<-first.Done()
	if answers(first.Endpoint()) {
		t.Error("a stopped engine answers")
	}
	again, err := engine.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("start again: %v", err)
	}
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
}

// hideEngines hides the engines that a user has installed elsewhere.
func hideEngines(t *testing.T) {
	t.Helper()
	for _, name := range []string{"PATH", "HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, t.TempDir())
	}
}

func TestTheErrorForAMissingEngineNamesTheCommand(t *testing.T) {
	hideEngines(t)
	for _, kind := range []engine.Kind{engine.Dynoxide, engine.DynamoDBLocal} {
		o := options(t, kind)
		o.Dir = t.TempDir()
		command := "make engine ENGINE=" + string(kind)
		if _, err := engine.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), command) {
			t.Errorf("%s: %v, want an error that names %s", kind, err, command)
		}
	}
	if _, err := engine.Start(t.Context(), options(t, "another")); err == nil {
		t.Error("an unknown engine started")
	}
}
