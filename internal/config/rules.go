package config

import (
	"fmt"

	"latchkey/internal/routes"
)

// Rules are the rules about routes of a configuration.
type Rules struct {
	Scopes routes.Rules // of ROUTE_SCOPES
	Costs  routes.Costs // of ROUTE_COSTS
	Public routes.Rules // of PUBLIC_PATHS
}

// Rules reads the rules about routes. An error names the variable and the rule.
func (c Config) Rules() (r Rules, err error) {
	if r.Scopes, err = routes.Parse(c.RouteScopes); err != nil {
		return Rules{}, fmt.Errorf("ROUTE_SCOPES: %w", err)
	}
	if r.Costs, err = routes.ParseCosts(c.RouteCosts); err != nil {
		return Rules{}, fmt.Errorf("ROUTE_COSTS: %w", err)
	}
	if r.Public, err = routes.ParsePaths(c.PublicPaths); err != nil {
		return Rules{}, fmt.Errorf("PUBLIC_PATHS: %w", err)
	}
	return r, nil
}
