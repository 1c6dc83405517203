package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// suite is a set of benchmarks of one package.
type suite struct {
	folder string
	match  string // a regular expression of names, without the prefix Benchmark
	last   string // -benchtime
	// how says how a suite repeats: in each round anew, or as one run.
	how repetition
}

type repetition int

const (
	everyRound repetition = iota
	// inOneRun is for a suite whose preparation takes long. It has its own way to let a figure and
	// its floor take turns.
	inOneRun
	// once is for figures that do not depend on the machine, and for those that take minutes.
	once
)

func suites(growth bool) []suite {
	all := []suite{
		{"internal/ratelimit", "Limiter", "100ms", everyRound},
		{"internal/authorizer", "EventToPolicy|Gate", "200ms", everyRound},
		{"internal/httpapi", "Validate", "200ms", everyRound},
		{"internal/assertion", "Assertion", "200ms", everyRound},
		{"internal/dynamo", "MeterWrite", "300ms", everyRound},
		{"internal/cmd/latchkey", "Stack", "2s", everyRound},
		{"functions", "ColdStart", "20x", inOneRun},
		{"internal/gate", "Cost", "1x", once},
	}
	if growth {
		all = append(all, suite{"internal/dynamo", "Growth", "3000x", once})
	}
	return all
}

// measure builds the suites and runs them in rounds. It returns what they print.
func measure(ctx context.Context, suites []suite, rounds int, progress io.Writer) ([]byte, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	begun := time.Now()
	for i, s := range suites {
		fmt.Fprintf(progress, "build %s\n", s.folder)
		build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary(folder, i), "./"+s.folder)
		build.Stderr = progress
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("build %s: %w", s.folder, err)
		}
	}
	var all bytes.Buffer
	for round := range rounds {
		for i, s := range suites {
			count := 1
			if s.how == inOneRun {
				count = rounds
			}
			if round > 0 && s.how != everyRound {
				continue
			}
			fmt.Fprintf(progress, "%4.0f s  round %d of %d: %s %s\n",
				time.Since(begun).Seconds(), round+1, rounds, s.folder, s.match)
			text, err := s.run(ctx, binary(folder, i), count, progress)
			if err != nil {
				return nil, err
			}
			all.Write(text)
		}
	}
	fmt.Fprintf(progress, "%4.0f s  done\n", time.Since(begun).Seconds())
	return all.Bytes(), nil
}

// binary returns the test binary of the suite with a number.
func binary(folder string, number int) string {
	return filepath.Join(folder, strconv.Itoa(number)+".test")
}

// run runs the suite's test binary in the folder of its package, as go test does.
func (s suite) run(ctx context.Context, binary string, count int, progress io.Writer) ([]byte, error) {
	command := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", "^Benchmark("+s.match+")$",
		"-test.benchtime", s.last, "-test.count", strconv.Itoa(count), "-test.timeout", "30m")
	command.Dir, command.Stderr = s.folder, progress
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("benchmark %s: %w\n%s", s.folder, err, text)
	}
	return text, nil
}
