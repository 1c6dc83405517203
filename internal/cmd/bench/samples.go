package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// samples are the measurements of benchmarks. Names have no prefix Benchmark and no number of
// processors. Units are as the benchmark printed them, such as ns/op.
type samples struct {
	names  []string // in the order of the text
	values map[string]map[string][]float64
}

// of returns the values of a benchmark in a unit. It is empty if there are none.
func (s samples) of(name, unit string) []float64 { return s.values[name][unit] }

// readFile reads samples that a run has saved.
func readFile(path string) (samples, error) {
	file, err := os.Open(path)
	if err != nil {
		return samples{}, err
	}
	defer file.Close()
	return read(file, path)
}

// read reads the lines of benchmarks, and skips all other lines. source is for errors. Text without
// a benchmark is an error.
func read(in io.Reader, source string) (samples, error) {
	s := samples{values: make(map[string]map[string][]float64)}
	reader := benchfmt.NewReader(in, source)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return samples{}, record
		case *benchfmt.Result:
			s.add(record)
		}
	}
	if err := reader.Err(); err != nil {
		return samples{}, err
	}
	if len(s.names) == 0 {
		return samples{}, errors.New(source + " has no line of a benchmark")
	}
	s.price()
	return s, nil
}

func (s *samples) add(r *benchfmt.Result) {
	base, parts := r.Name.Parts()
	name := string(base)
	for _, part := range parts {
		if part[0] != '-' { // the number of processors
			name += string(part)
		}
	}
	if s.values[name] == nil {
		s.names = append(s.names, name)
		s.values[name] = make(map[string][]float64)
	}
	for _, v := range r.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" {
			value, unit = v.OrigValue, v.OrigUnit
		}
		s.values[name][unit] = append(s.values[name][unit], value)
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
	// everyTime is the name of a floor that costs a read and a write for each request.
	everyTime = "everyTime"
	counted   = "Cost/" // the prefix of benchmarks that count reads and writes
)

// price adds the dollars per million requests to the benchmarks that count reads and writes.
func (s *samples) price() {
	for _, name := range s.names {
		if !strings.HasPrefix(name, counted) {
			continue
		}
		reads, writes := s.of(name, "reads/request"), s.of(name, "writes/request")
		for i := range min(len(reads), len(writes)) {
			s.values[name][dollars] = append(s.values[name][dollars], reads[i]*readMillion+writes[i]*writeMillion)
		}
	}
	s.values[everyTime] = map[string][]float64{dollars: {readMillion + writeMillion}}
}
