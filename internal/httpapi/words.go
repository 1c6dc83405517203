package httpapi

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// lister lists the values that a text may have.
type lister interface{ list() []string }

// oneOf is a text of a list, which the OpenAPI document shows and huma checks.
type oneOf[L lister] string

// Schema describes the type to huma.
func (oneOf[L]) Schema(huma.Registry) *huma.Schema {
	var l L
	s := &huma.Schema{Type: huma.TypeString}
	for _, value := range l.list() {
		s.Enum = append(s.Enum, value)
	}
	return s
}

// The lists come from the packages that decide by them, so that the document always agrees.
type (
	environments       struct{}
	callersEnvironment struct{}
	statuses           struct{}
	periods            struct{}
	verdictCodes       struct{}
	explainedCodes     struct{}
	checkNames         struct{}
	actions            struct{}
	actors             struct{}
	errorTypes         struct{}
	errorCodes         struct{}
)

func (environments) list() []string { return texts(apikey.Environments()) }

// A static key, and a user without a key, are of no environment.
func (callersEnvironment) list() []string { return append(environments{}.list(), "") }
func (statuses) list() []string           { return texts(apikey.Statuses()) }
func (periods) list() []string            { return texts(ratelimit.Periods()) }
func (verdictCodes) list() []string       { return texts(apikey.Codes()) }
func (explainedCodes) list() []string     { return append(verdictCodes{}.list(), noRouteRule) }
func (checkNames) list() []string         { return append([]string{checkRoute}, apikey.Checks()...) }
func (actions) list() []string            { return apikey.Actions() }
func (actors) list() []string             { return apikey.Actors() }
func (errorTypes) list() []string         { return []string{typeRequest, typePermission, typeLimit, typeAPI} }

func (errorCodes) list() []string {
	codes := slices.Clone(otherCodes[:])
	for _, r := range rows {
		codes = append(codes, r.code)
	}
	slices.Sort(codes)
	return codes
}

func texts[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return out
}
