package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
)

// rule is one line of the policy. The table of codes has the name of its check.
type rule struct {
	code   apikey.Code // of the refusal
	passes func(question) bool
	detail func(question) string // what decided, for [Gate.Explain]
}

// question is a request with the key that it is judged by. It is passed by value, so that it takes
// no memory.
type question struct {
	gate   *Gate
	key    *apikey.Key
	scope  string
	source netip.Addr
	now    time.Time
}

// policy has the rules in their published order: those about the key alone come before those about
// the request. Limits come after all of them.
var policy = [...]rule{
	{apikey.CodeRevoked,
		func(q question) bool { return q.key.RevokedAt.IsZero() },
		func(q question) string { return at("revoked at ", q.key.RevokedAt, "not revoked") }},
	{apikey.CodeDisabled,
		func(q question) bool { return q.key.Enabled },
		func(q question) string { return fmt.Sprint("enabled is ", q.key.Enabled) }},
	{apikey.CodeInactive,
		func(q question) bool { return !q.now.Before(q.key.NotBefore) },
		func(q question) string { return at("active from ", q.key.NotBefore, "active from the start") }},
	{apikey.CodeExpired,
		func(q question) bool { return q.key.ExpiresAt.IsZero() || q.now.Before(q.key.ExpiresAt) },
		func(q question) string { return at("expires at ", q.key.ExpiresAt, "never expires") }},
	{apikey.CodeWrongEnvironment,
		func(q question) bool {
			return q.key.Environment == "" || slices.Contains(q.gate.options.Environments, q.key.Environment)
		},
		func(q question) string {
			return fmt.Sprintf("a %s key; accepted are %v", q.key.Environment, q.gate.options.Environments)
		}},
	{apikey.CodeAddressNotAllowed,
		func(q question) bool { return q.key.Allows(q.source) },
		func(q question) string { return fromWhere(q.source, q.key.AllowedCIDRs) }},
	{apikey.CodeInsufficientScope,
		func(q question) bool { return q.scope == "" || q.key.Scopes.Allow(q.scope) },
		func(q question) string {
			if q.scope == "" {
				return "no scope is asked for"
			}
			return fmt.Sprintf("asked for is %s; the key has %q", q.scope, strings.Join(q.key.Scopes, " "))
		}},
}

// judge returns the code of the first rule that refuses a request, or CodeValid.
func (g *Gate) judge(k *apikey.Key, r *Request, now time.Time) apikey.Code {
	q := question{g, k, r.Scope, r.Source, now}
	for i := range policy {
		if !policy[i].passes(q) {
			return policy[i].code
		}
	}
	return apikey.CodeValid
}

// Checks returns the names of all steps of [Gate.Explain], in their order: those of the policy, and
// then those of the limits.
func Checks() []string {
	var names []string
	for _, p := range policy {
		names = append(names, p.code.Info().Check)
	}
	return append(names, apikey.CodeQuotaExceeded.Info().Check, apikey.CodeRateLimited.Info().Check)
}

func at(what string, t time.Time, otherwise string) string {
	if t.IsZero() {
		return otherwise
	}
	return what + t.UTC().Format(time.RFC3339)
}

func fromWhere(source netip.Addr, allowed []netip.Prefix) string {
	where := "an address that is not known"
	if source.IsValid() {
		where = source.String()
	}
	if len(allowed) == 0 {
		return where + "; allowed from anywhere"
	}
	return fmt.Sprintf("%s; allowed from %v", where, allowed)
}
