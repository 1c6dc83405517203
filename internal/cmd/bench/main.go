// Bench runs the benchmarks and prints their figures on one page. Each figure stands beside the
// figure of a floor or a peer from the same run.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
)

// figures are the metrics of one benchmark, by unit.
type figures map[string]float64

// run is one go test: benchmarks by a regular expression, their -benchtime, and packages.
type run struct{ name, last, packages string }

var runs = []run{
	{
		"Limiter|EventToPolicy|Assertion|Gate$|MeterWrite", "1s",
		"./internal/ratelimit ./internal/authorizer ./internal/assertion ./internal/dynamo",
	},
	{"Stack", "4s", "./internal/cmd/latchkey"},
	{"ColdStart", "100x", "./functions"},
	{"Cost", "1x", "./internal/gate"},
	{"Growth", "3000x", "./internal/dynamo"},
}

func main() {
	measured := make(map[string]figures)
	for _, r := range runs {
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", r.name)
		args := []string{"test", "-run", "^$", "-bench", "^Benchmark(" + r.name + ")",
			"-benchtime", r.last, "-timeout", "30m"}
		args = append(args, strings.Fields(r.packages)...)
		command := exec.Command("go", args...)
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s\n%v\n", out, err)
			os.Exit(1)
		}
		read(measured, out)
	}
	if err := report(os.Stdout, measured); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// read adds the figures of lines such as "BenchmarkX/y-2  100  5 ns/op  0 allocs/op".
func read(into map[string]figures, out []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if dash := strings.LastIndex(name, "-"); dash > 0 { // GOMAXPROCS
			name = name[:dash]
		}
		into[name] = make(figures)
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				into[name][fields[i+1]] = value
			}
		}
	}
}

// report prints the page.
func report(out io.Writer, m map[string]figures) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	reportRequests(w, m)
	reportColdStart(w, m)
	reportDynamoDB(w, m)
	reportGrowth(w, m)
	return w.Flush()
}

func reportRequests(w io.Writer, m map[string]figures) {
	fmt.Fprintln(w, "WHAT IT COSTS\tthis run\tallocs\tbeside it\tthis run\tratio")
	for _, row := range []struct{ what, name, beside, floor string }{
		{"spend from a lease", "Limiter/lease_hit", "find a counter under a lock", "Limiter/floor"},
		{"deny from memory", "Limiter/denial", "find a counter under a lock", "Limiter/floor"},
		{"gate: judge a remembered key and spend", "Gate/check", "HMAC of the token", "Gate/floor"},
		{"authorizer: event to policy", "EventToPolicy/authorizer", "decode the event", "EventToPolicy/floor"},
		{"assertion, 100 keys on 4 routes", "Assertion/mix", "sign each one with Ed25519", "Assertion/sign"},
		{"meter write on the engine", "MeterWrite/spend", "bare UpdateItem", "MeterWrite/floor"},
	} {
		ours, floor := m[row.name]["ns/op"], m[row.floor]["ns/op"]
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%s\t%.2f\n",
			row.what, duration(ours), m[row.name]["allocs/op"], row.beside, duration(floor), ours/floor)
	}
	for _, name := range []string{"whoami", "validate"} {
		ours, floor := m["Stack/"+name]["requests/s"], m["Stack/floor"]["requests/s"]
		fmt.Fprintf(w, "local stack: %s\t%.0f/s\t\tan empty net/http server\t%.0f/s\t%.2f\n",
			name, ours, floor, floor/ours)
	}
}

func reportColdStart(w io.Writer, m map[string]figures) {
	fmt.Fprintln(w, "\nCOLD START, process start to first verdict\tmedian\t"+
		"a function that says hello\tratio\tgoal: 1.5 x hello + 5 ms")
	cold := m["ColdStart"]
	for _, name := range []string{"authorizer", "validate", "keys"} {
		ours, hello := cold[name+"-ns"], cold["hello-ns"]
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\t%s\n",
			name, duration(ours), duration(hello), ours/hello, duration(1.5*hello+5e6))
	}
}

func reportDynamoDB(w io.Writer, m map[string]figures) {
	fmt.Fprintf(w, "\nWHAT IT COSTS AT DYNAMODB, for each admitted request (%s)\n", prices)
	fmt.Fprintln(w, "requests/s\tinstances\treads\twrites\t$ per million\tagainst a read and a write each")
	row := func(what, by, rate, instances string) {
		c, ok := m["Cost/"+by+"rate="+rate+"/instances="+instances]
		if !ok {
			return
		}
		reads, writes := c["reads/request"], c["writes/request"]
		dollars := reads*readMillion + writes*writeMillion
		fmt.Fprintf(w, "%s%s\t%s\t%.4f\t%.4f\t%.4f\t%.1f %%\n",
			rate, what, instances, reads, writes, dollars, 100*dollars/(readMillion+writeMillion))
	}
	for _, by := range [][2]string{
		{"", ""}, {", key + user", "user/"}, {", key + user + plan", "plan/"}, {", the same by 4 keys", "shared/"},
	} {
		for _, rate := range []string{"1", "10", "100", "1000"} {
			for _, instances := range []string{"1", "4", "16"} {
				row(by[0], by[1], rate, instances)
			}
		}
	}
}

func reportGrowth(w io.Writer, m map[string]figures) {
	fmt.Fprintln(w, "\nWHAT IT COSTS AS IT GROWS\tthis run\tbeside it\tthis run\tratio")
	for _, keys := range []string{"1000", "100000", "1000000"} {
		ours, floor := m["Growth/keys="+keys+"/check"]["ns/op"], m["Growth/keys="+keys+"/floor"]["ns/op"]
		fmt.Fprintf(w, "first check of a key, of %s in the table\t%s\tbare GetItem and UpdateItem\t%s\t%.2f\n",
			keys, duration(ours), duration(floor), ours/floor)
	}
	first := m["Limiter/limit=10"]["ns/op"]
	for _, limit := range []string{"10", "100", "1000", "10000", "100000"} {
		ns := m["Limiter/limit="+limit]["ns/op"]
		fmt.Fprintf(w, "decision with a limit of %s\t%s\twith a limit of 10\t%s\t%.2f\n",
			limit, duration(ns), duration(first), ns/first)
	}
}

// The prices are those of on-demand capacity in us-east-1, standard table class, by the price list
// that holds since 2024-11-01, in dollars per million units. Writing a meter is one write unit
// (under 1 KB). Reading a key or a user with its meters, or a plan, is one strongly consistent read
// unit (under 4 KB).
const (
	prices       = "us-east-1 on demand, prices of 2024-11-01"
	readMillion  = 0.125
	writeMillion = 0.625
)

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f us", ns/1e3)
	}
	return fmt.Sprintf("%.2f ms", ns/1e6)
}
