package httpapi

import (
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// newSchemas returns a registry that knows how to describe the types of package api, which does not
// import huma.
func newSchemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	alias[api.Environment, oneOf[environments]](r)
	alias[api.CallerEnvironment, oneOf[callerEnvironments]](r)
	alias[api.Status, oneOf[statuses]](r)
	alias[api.Sort, oneOf[sorts]](r)
	alias[api.Level, oneOf[levels]](r)
	alias[api.Period, oneOf[periods]](r)
	alias[api.VerdictCode, oneOf[verdictCodes]](r)
	alias[api.ExplainCode, oneOf[explainCodes]](r)
	alias[api.CheckName, checkName](r)
	alias[api.Action, oneOf[actions]](r)
	alias[api.ActorType, oneOf[actorTypes]](r)
	alias[api.LeakLabel, oneOf[leakLabels]](r)
	alias[api.ErrorType, oneOf[errorTypes]](r)
	alias[api.ErrorCode, oneOf[errorCodes]](r)
	alias[api.Token, text](r)
	alias[api.Integer, integer](r)
	alias[api.Nullable[string], orNull[string]](r)
	alias[api.Nullable[api.RateLimit], orNull[api.RateLimit]](r)
	alias[api.Nullable[api.WhoamiLimit], orNull[api.WhoamiLimit]](r)
	alias[api.Member[string], orNull[string]](r)
	alias[api.Member[bool], orNull[bool]](r)
	alias[api.Member[api.Integer], orNull[api.Integer]](r)
	alias[api.Member[api.Period], orNull[api.Period]](r)
	alias[api.Member[[]string], orNull[[]string]](r)
	alias[api.Member[[]api.Line], orNull[[]api.Line]](r)
	alias[api.Member[map[string]*string], orNull[map[string]*string]](r)
	alias[api.Member[api.LimitPatch], orNull[api.LimitPatch]](r)
	alias[api.Member[api.QuotaPatch], orNull[api.QuotaPatch]](r)
	return r
}

func alias[T, As any](r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[As]())
}

// schemaName returns the name of a type in the OpenAPI document. Generated clients know the bodies
// by names that end in InputBody and OutputBody.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[*api.RotateRequest]() {
		return "RotateBody"
	}
	name := huma.DefaultSchemaNamer(t, hint)
	if prefix, ok := strings.CutSuffix(name, "Request"); ok {
		return prefix + "InputBody"
	}
	if prefix, ok := strings.CutSuffix(name, "Response"); ok {
		return prefix + "OutputBody"
	}
	return name
}

// orNull describes T or null.
type orNull[T any] struct{}

// Schema implements [huma.SchemaProvider].
func (orNull[T]) Schema(r huma.Registry) *huma.Schema {
	t := reflect.TypeFor[T]()
	var s *huma.Schema
	if t.Kind() == reflect.Struct {
		s = huma.SchemaFromType(r, t) // in place, with no name of its own
	} else {
		s = r.Schema(t, false, "")
	}
	s.Nullable = true
	return s
}

// text describes a string.
type text struct{}

// Schema implements [huma.SchemaProvider].
func (text) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

// integer describes a whole number.
type integer struct{}

// Schema implements [huma.SchemaProvider].
func (integer) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
}

// checkName describes the name of a check. Those of further limits end with a window in seconds, and
// those of further quotas with a period.
type checkName struct{}

// Schema implements [huma.SchemaProvider].
func (checkName) Schema(huma.Registry) *huma.Schema {
	names := append([]string{apikey.CodeNoRouteRule.Info().Check}, gate.Checks()...)
	for _, beginning := range gate.FurtherChecks() {
		names = append(names, beginning+"[0-9a-z]+")
	}
	pattern := "^(" + strings.ReplaceAll(strings.Join(names, "|"), ".", `\.`) + ")$"
	return &huma.Schema{Type: huma.TypeString, Pattern: pattern}
}

// oneOf describes a string of a list.
type oneOf[L lister] struct{}

type lister interface{ list() []string }

// Schema implements [huma.SchemaProvider].
func (oneOf[L]) Schema(huma.Registry) *huma.Schema {
	var l L
	s := &huma.Schema{Type: huma.TypeString}
	for _, value := range l.list() {
		s.Enum = append(s.Enum, value)
	}
	return s
}

// The lists come from the packages that decide by them, so the document always agrees with these.
type (
	environments       struct{}
	callerEnvironments struct{}
	statuses           struct{}
	sorts              struct{}
	levels             struct{}
	periods            struct{}
	verdictCodes       struct{}
	explainCodes       struct{}
	actions            struct{}
	actorTypes         struct{}
	leakLabels         struct{}
	errorTypes         struct{}
	errorCodes         struct{}
)

func (environments) list() []string { return texts(apikey.Environments()) }

// A static key, and a user without a key, have no environment.
func (callerEnvironments) list() []string { return append(environments{}.list(), "") }
func (statuses) list() []string           { return texts(apikey.Statuses()) }
func (sorts) list() []string              { return texts(registry.Sorts()) }
func (levels) list() []string             { return texts([]apikey.Level{apikey.OfKey, apikey.OfUser}) }
func (periods) list() []string {
	return texts([]ratelimit.Period{ratelimit.Day, ratelimit.Month, ratelimit.Lifetime})
}
func (verdictCodes) list() []string { return texts(apikey.Codes()) }
func (explainCodes) list() []string {
	return append(verdictCodes{}.list(), string(apikey.CodeNoRouteRule), string(apikey.CodeUnavailable))
}
func (actions) list() []string    { return registry.Actions() }
func (actorTypes) list() []string { return registry.Actors() }
func (leakLabels) list() []string { return texts([]api.LeakLabel{api.TruePositive, api.FalsePositive}) }
func (errorTypes) list() []string { return texts(api.ErrorTypes()) }

// The document lists the codes of latchkey's own routes, so not the code of a backend behind the
// gateway.
func (errorCodes) list() []string {
	var codes []string
	for _, row := range apikey.Table() {
		if row.Status >= 400 && row.Code != apikey.CodeBackendUnavailable {
			codes = append(codes, string(row.Code))
		}
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
