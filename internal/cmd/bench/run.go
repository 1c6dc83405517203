package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// options are the flags of a run.
type options struct {
	rounds  int    // how many samples of each benchmark
	growth  bool   // whether to fill a table with a million keys
	save    string // the file for the samples, or empty
	compare string // the file of samples before a change, or empty
	from    string // a file to read the samples from in place of a run, or empty
}

// run measures, saves the samples if asked to, and prints the table to out. It prints progress to
// progress.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.IntVar(&o.rounds, "rounds", 6, "how many `samples` of each benchmark, 1 to 100")
	flags.BoolVar(&o.growth, "growth", false, "also fill a table with a million keys, which takes minutes")
	flags.StringVar(&o.save, "out", "", "save the samples in a `file`, which benchstat reads too")
	flags.StringVar(&o.compare, "compare", "", "show the change against the samples in a `file`")
	flags.StringVar(&o.from, "from", "", "print the samples in a `file` and measure nothing")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0 || o.rounds < 1 || o.rounds > 100:
		flags.Usage()
		return errors.New("rounds must be 1 to 100, and there are no other arguments than flags")
	}
	var before *samples
	if o.compare != "" { // before the minutes of measuring, because the file may be missing
		read, err := readFile(o.compare)
		if err != nil {
			return err
		}
		before = &read
	}
	now, err := o.samples(ctx, progress)
	if err != nil {
		return err
	}
	return printTable(out, now, before)
}

// samples measures, or reads a file that an earlier run has saved.
func (o options) samples(ctx context.Context, progress io.Writer) (samples, error) {
	if o.from != "" {
		return readFile(o.from)
	}
	text, err := measure(ctx, suites(o.growth), o.rounds, progress)
	if err != nil {
		return samples{}, err
	}
	if o.save != "" {
		if err := os.WriteFile(o.save, text, 0o644); err != nil {
			return samples{}, fmt.Errorf("save the samples: %w", err)
		}
	}
	return read(bytes.NewReader(text), "this run")
}
