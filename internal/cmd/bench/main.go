// Bench runs the benchmarks and prints one table. Each figure stands beside the figure of a floor
// from the same run. A floor is the least work that could give the same answer.
//
// The benchmarks run in rounds, one sample of each in every round. A busy moment of the machine
// therefore affects a figure and its floor alike.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}
