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
	passes func(*question) bool
	detail func(*question) string // what decided, for [Gate.Explain]
}

// question is a request with the key that it is judged by.
type question struct {
	*subject
	*Request
	now          time.Time
	environments []apikey.Environment // accepted here
}

func (g *Gate) question(s *subject, r *Request, now time.Time) question {
	return question{s, r, now, g.options.Environments}
}

// policy has the rules in their published order: those about the key and its user come before those
// about the request. Limits come after all of them.
var policy = [...]rule{
	{apikey.CodeRevoked, (*question).unrevoked,
		func(q *question) string { return at("revoked at ", q.key.RevokedAt, "not revoked") + q.why() }},
	{apikey.CodeDisabled, (*question).enabled,
		func(q *question) string { return fmt.Sprint("enabled is ", q.key.Enabled) }},
	{apikey.CodeUserSuspended, (*question).unsuspended, (*question).aboutUser},
	{apikey.CodeInactive, (*question).active,
		func(q *question) string { return at("active from ", q.key.NotBefore, "active from the start") }},
	{apikey.CodeExpired, (*question).unexpired,
		func(q *question) string { return at("expires at ", q.key.ExpiresAt, "never expires") }},
	{apikey.CodeIdle, (*question).inUse, (*question).aboutIdle},
	{apikey.CodeWrongEnvironment, (*question).inEnvironment,
		func(q *question) string {
			return fmt.Sprintf("a %s key; accepted are %v", q.key.Environment, q.environments)
		}},
	{apikey.CodeAddressNotAllowed, (*question).fromAllowed,
		func(q *question) string { return fromWhere(q.Source, q.key.AllowedCIDRs) }},
	{apikey.CodeInsufficientScope, (*question).inScope, (*question).aboutScope},
}

// why returns the reason of a revocation, as a part of its detail.
func (q *question) why() string {
	if q.key.Revocation.Reason == "" {
		return ""
	}
	return ": " + q.key.Revocation.Reason
}

func (q *question) unrevoked() bool   { return q.key.RevokedAt.IsZero() }
func (q *question) enabled() bool     { return q.key.Enabled }
func (q *question) unsuspended() bool { return q.user == nil || !q.user.Suspended }
func (q *question) active() bool      { return !q.now.Before(q.key.NotBefore) }
func (q *question) unexpired() bool   { return !q.key.Expired(q.now) }

func (q *question) inUse() bool {
	return q.idleAt.IsZero() || q.now.Before(q.idleAt) || q.used != nil && q.used.Load()
}

func (q *question) inEnvironment() bool {
	return q.key.Environment == "" || slices.Contains(q.environments, q.key.Environment)
}

func (q *question) fromAllowed() bool { return q.key.Allows(q.Source) }

// inScope reports whether both the key and its plan include the scope.
func (q *question) inScope() bool {
	return q.Scope == "" || q.key.Scopes.Allow(q.Scope) && q.inPlan()
}

func (q *question) inPlan() bool {
	return q.plan == nil || len(q.plan.Scopes) == 0 || q.plan.Scopes.Allow(q.Scope)
}

// judge returns the code of the first rule that refuses a request, or CodeValid. It calls the rules
// of policy by their names, so that the question need not be allocated.
func (g *Gate) judge(s *subject, r *Request, now time.Time) apikey.Code {
	q := &question{s, r, now, g.options.Environments} // a copy would cost more than the rules
	switch {
	case !q.unrevoked():
		return apikey.CodeRevoked
	case !q.enabled():
		return apikey.CodeDisabled
	case !q.unsuspended():
		return apikey.CodeUserSuspended
	case !q.active():
		return apikey.CodeInactive
	case !q.unexpired():
		return apikey.CodeExpired
	case !q.inUse():
		return apikey.CodeIdle
	case !q.inEnvironment():
		return apikey.CodeWrongEnvironment
	case !q.fromAllowed():
		return apikey.CodeAddressNotAllowed
	case !q.inScope():
		return apikey.CodeInsufficientScope
	}
	return apikey.CodeValid
}

func (q *question) aboutUser() string {
	switch {
	case q.user == nil:
		return "nothing is set for the user"
	case q.user.Suspended:
		return "the user is suspended"
	}
	return "the user is not suspended"
}

func (q *question) aboutIdle() string {
	if q.idleAt.IsZero() {
		return "a key may be unused for any time"
	}
	return fmt.Sprintf("unused since %s; idle from %s",
		q.lastUse.UTC().Format(time.RFC3339), q.idleAt.UTC().Format(time.RFC3339))
}

func (q *question) aboutScope() string {
	if q.Scope == "" {
		return "no scope is asked for"
	}
	detail := fmt.Sprintf("asked for is %s; the key has %q", q.Scope, strings.Join(q.key.Scopes, " "))
	if q.plan != nil && len(q.plan.Scopes) > 0 {
		detail += fmt.Sprintf("; its plan includes %q", strings.Join(q.plan.Scopes, " "))
	}
	return detail
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
