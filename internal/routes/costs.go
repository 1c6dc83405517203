package routes

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// MaxCost is the largest cost of a route.
const MaxCost = 1_000_000

// defaultCost is the cost of a route without a rule.
const defaultCost = 1

// Costs are rules that say how many requests one request of a route counts as. They are immutable.
// A route without a rule costs 1.
type Costs []rule

// ParseCosts reads rules such as "POST /tts/*=5;GET /v1/models=0". They have the form of [Parse],
// with a cost from 0 to [MaxCost] in place of a scope. A request with the cost 0 spends nothing.
func ParseCosts(text string) (Costs, error) {
	return parse(text, "cost", func(r *rule, value string) (err error) {
		if r.cost, err = strconv.ParseInt(value, 10, 64); err != nil || r.cost < 0 || r.cost > MaxCost ||
			strings.Trim(value, "0123456789") != "" {
			return fmt.Errorf("the cost must be a whole number from 0 to %d", MaxCost)
		}
		return nil
	})
}

// Cost returns the cost of a request, by the most specific rule as [Rules.Scope] has it.
//
// A path that a backend could read as another one never costs less than that one. If more specific
// rules are for paths that many backends take for this one, the most expensive rule counts. If a
// server could read the path in two ways, the most expensive rule for the method counts.
func (cs Costs) Cost(method, path string) int64 {
	if len(cs) == 0 {
		return defaultCost
	}
	method = strings.ToUpper(method)
	plain, err := url.PathUnescape(path)
	if err != nil || ambiguous(path, plain) {
		return cs.most(method)
	}
	cost := int64(defaultCost)
	best := mostSpecific(cs, method, plain)
	if best != nil {
		cost = best.cost
	}
	folded := ""
	for i := range cs {
		if r := &cs[i]; r.cost > cost && (best == nil || r.beats(best)) {
			if folded == "" {
				folded = fold(plain)
			}
			if r.resembles(method, folded) {
				cost = r.cost
			}
		}
	}
	return cost
}

// most returns the largest cost that a request of a method may have.
func (cs Costs) most(method string) int64 {
	most := int64(defaultCost)
	for i := range cs {
		if cs[i].isFor(method) {
			most = max(most, cs[i].cost)
		}
	}
	return most
}
