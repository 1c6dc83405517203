package main

import (
	"fmt"
	"strings"
)

// row is a line of the table: a figure, and the figure of a floor beside it.
type row struct {
	what, name, unit string
	beside, floor    string
	// floorUnit is the unit of the floor if it differs from the unit of the figure.
	floorUnit string
	// goal is the bound that the project has set itself, as a text. It is empty if there is none.
	goal string
}

const (
	perOp  = "ns/op"
	perSec = "requests/s"
	// perOpCPU is time of a processor, which other programs on the machine change less.
	perOpCPU = "cpu-ns/op"
	dollars  = "$/million" // of admitted requests
)

// rows returns the lines of the table. Costs at DynamoDB have a line for each benchmark that was
// measured.
func rows(s samples) []row {
	all := []row{
		{what: "spend from a lease", name: "Limiter/lease_hit", unit: perOp,
			beside: "find a counter under a lock", floor: "Limiter/floor", goal: "60 ns"},
		{what: "deny from memory", name: "Limiter/denial", unit: perOp,
			beside: "find a counter under a lock", floor: "Limiter/floor"},
		{what: "decide with a limit of 100,000", name: "Limiter/limit=100000", unit: perOp,
			beside: "with a limit of 10", floor: "Limiter/limit=10"},
		{what: "gate: judge a remembered key and spend", name: "Gate/check", unit: perOp,
			beside: "HMAC of the token", floor: "Gate/floor", goal: "floor + 100 ns"},
		{what: "gate: with a user and a plan", name: "Gate/plan", unit: perOp,
			beside: "HMAC of the token", floor: "Gate/floor"},
		{what: "authorizer: event to policy", name: "EventToPolicy/authorizer", unit: perOp,
			beside: "decode the event (encoding/json)", floor: "EventToPolicy/floor", goal: "9 us, 15 allocs"},
		{what: "validate: event to answer", name: "Validate/function", unit: perOp,
			beside: "decode and encode (encoding/json)", floor: "Validate/floor"},
		{what: "assertion, 100 keys on 4 routes", name: "Assertion/mix", unit: perOp,
			beside: "sign each one with Ed25519", floor: "Assertion/sign"},
		{what: "meter write on the engine", name: "MeterWrite/spend", unit: perOp,
			beside: "bare UpdateItem", floor: "MeterWrite/floor"},
		{what: "local stack: whoami", name: "Stack/whoami", unit: perSec,
			beside: "an empty net/http server", floor: "Stack/floor", goal: "0.25 x"},
		{what: "local stack: validate", name: "Stack/validate", unit: perSec,
			beside: "an empty net/http server", floor: "Stack/floor", goal: "0.33 x"},
	}
	for _, route := range []string{"whoami", "validate"} {
		all = append(all, row{what: "latchkey serve: " + route, name: "Stack/serve/" + route, unit: perSec,
			beside: "an empty net/http server", floor: "Stack/floor", goal: "0.5 x"})
	}
	for _, route := range []string{"whoami", "validate"} {
		all = append(all,
			row{what: "local stack: processor time of " + route, name: "Stack/" + route, unit: perOpCPU,
				beside: "an empty net/http server", floor: "Stack/floor"},
			row{what: "latchkey serve: processor time of " + route, name: "Stack/serve/" + route, unit: perOpCPU,
				beside: "an empty net/http server", floor: "Stack/floor"})
	}
	all = append(all, row{what: "cold start: the authorizer's calls, without a decision", name: "ColdStart/starts",
		unit: "calls-ns", beside: "a function that says hello", floor: "ColdStart/starts", floorUnit: "hello-ns"})
	for _, function := range []string{"authorizer", "validate", "keys"} {
		all = append(all, row{what: "cold start: " + function, name: "ColdStart/starts", unit: function + "-ns",
			beside: "a function that says hello", floor: "ColdStart/starts", floorUnit: "hello-ns", goal: "2.5 x"})
		for _, step := range [][2]string{
			{"connects", "until its first connection"}, {"ready", "until it asks for an event"},
		} {
			all = append(all, row{what: "cold start: " + function + ", " + step[1],
				name: "ColdStart/starts", unit: function + "-" + step[0] + "-ns",
				beside: "hello, until it asks for an event", floor: "ColdStart/starts", floorUnit: "hello-ready-ns"})
		}
	}
	for _, name := range s.names {
		if by, ok := strings.CutPrefix(name, counted); ok {
			what := fmt.Sprintf("check, %s: %.4g reads, %.4g writes", strings.ReplaceAll(by, "/", ", "),
				center(s.of(name, "reads/request")), center(s.of(name, "writes/request")))
			all = append(all, row{what: what, name: name, unit: dollars, beside: "a read and a write each", floor: everyTime})
		}
	}
	for _, keys := range []string{"1000", "100000", "1000000"} {
		if name := "Growth/keys=" + keys; len(s.of(name+"/check", perOp)) > 0 {
			all = append(all, row{what: "first check, of " + keys + " keys in the table", name: name + "/check", unit: perOp,
				beside: "bare GetItem and UpdateItem", floor: name + "/floor"})
		}
	}
	return all
}
