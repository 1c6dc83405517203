// Package bill computes what a deployment costs a month, from AWS's list prices and from what a
// request needs. The manual's page of costs is made from it. [Read] returns the prices, and
// [Prices.Month] the bill of a month.
//
// Amounts are integers in micro-dollars, which are millionths of a dollar.
package bill

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed prices.json
var pricesText []byte

// Prices are list prices of one region, by a short name.
type Prices struct {
	// Date is the day on which the prices were read, such as 2026-11-30.
	Date   string `json:"date"`
	Region string `json:"region"`
	// Services has the URL of each service's page of prices.
	Services map[string]string `json:"services"`
	Prices   map[string]Price  `json:"prices"`
}

// Price is the price of one thing. Later tiers hold for the units above those of the tiers before.
type Price struct {
	// Name says what the units are.
	Name string `json:"name"`
	// Per is the number of units that a tier's amount is for. It is at least 1.
	Per   int64  `json:"per"`
	Tiers []Tier `json:"tiers"`
	// Service is a name in Services.
	Service string `json:"service"`
}

// Tier is the price of units up to a number. The last tier has no such number.
type Tier struct {
	UpTo         int64 `json:"upTo"`
	MicroDollars int64 `json:"microDollars"`
}

// Read returns the prices of prices.json. It fails if they are not complete.
func Read() (Prices, error) {
	var p Prices
	if err := json.Unmarshal(pricesText, &p); err != nil {
		return Prices{}, fmt.Errorf("read the prices: %w", err)
	}
	for name, price := range p.Prices {
		last := len(price.Tiers) - 1
		if last < 0 || price.Tiers[last].UpTo != 0 || price.Per < 1 || price.Name == "" || p.Services[price.Service] == "" {
			return Prices{}, fmt.Errorf("the price of %s is not complete", name)
		}
	}
	return p, nil
}

// of returns what n units cost, in micro-dollars. A name without a price panics, because the names
// are those of this package.
func (p Prices) of(name string, n int64) int64 {
	price, ok := p.Prices[name]
	if !ok {
		panic("there is no price of " + name)
	}
	var total, counted int64
	for _, tier := range price.Tiers {
		units := n - counted
		if tier.UpTo != 0 {
			units = min(units, tier.UpTo-counted)
		}
		// The units are divided first where both factors are large, because the product could overflow.
		total += units/price.Per*tier.MicroDollars + units%price.Per*tier.MicroDollars/price.Per
		counted += units
	}
	return total
}
