package engine_test

import (
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/local/engine"
)

// children returns the process IDs of this process's children.
func children(t *testing.T) (ids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Fatalf("no list of children: %v", err)
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // a thread that has ended has no children
		for _, field := range strings.Fields(string(text)) {
			id, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
	}
	return ids
}

func TestAKilledEngineIsStartedAgain(t *testing.T) {
	o := options(t, engine.Kind(cmp.Or(os.Getenv("ENGINE"), string(engine.Dynoxide))))
	keeper, err := engine.Keep(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Stop()
	first := children(t)
	if len(first) != 1 {
		t.Fatalf("children %v, want one engine", first)
	}
	if err := syscall.Kill(first[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for answers(keeper.Endpoint()) { // until the killed engine has ended
		time.Sleep(time.Millisecond)
	}
	for deadline := time.Now().Add(time.Minute); !answers(keeper.Endpoint()); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the engine was not started again")
		}
	}
	keeper.Stop()
	if answers(keeper.Endpoint()) {
		t.Error("the engine answers after Stop")
	}
	keeper.Stop()
}

func TestAMissingEngineIsNotKept(t *testing.T) {
	o := options(t, engine.Dynoxide)
	o.Dir = t.TempDir()
	hideEngines(t)
	if _, err := engine.Keep(t.Context(), o, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an engine that is not installed started")
	}
}
