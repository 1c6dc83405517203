package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// rule is one line of the policy: by what name it is explained, how it refuses,
// and what decided.
type rule struct {
	name   string
	code   apikey.Code
	passes func(question) bool
	detail func(question) string
}

// question is what the policy is asked. It is handed around by value, which takes
// no memory.
type question struct {
	gate   *Gate
	key    *apikey.Key
	scope  string
	source netip.Addr
	now    time.Time
}

// policy is in the order in which it is published: what is wrong with the key
// comes before what is wrong with the request. Limits come after it.
var policy = [...]rule{
	{"revoked", apikey.CodeRevoked,
		func(q question) bool { return q.key.RevokedAt.IsZero() },
		func(q question) string { return at("revoked at ", q.key.RevokedAt, "not revoked") }},
	{"enabled", apikey.CodeDisabled,
		func(q question) bool { return q.key.Enabled },
		func(q question) string { return fmt.Sprint("enabled is ", q.key.Enabled) }},
	{"notBefore", apikey.CodeInactive,
		func(q question) bool { return !q.now.Before(q.key.NotBefore) },
		func(q question) string { return at("active from ", q.key.NotBefore, "active from the start") }},
	{"expiresAt", apikey.CodeExpired,
		func(q question) bool { return q.key.ExpiresAt.IsZero() || q.now.Before(q.key.ExpiresAt) },
		func(q question) string { return at("expires at ", q.key.ExpiresAt, "never expires") }},
	{"environment", apikey.CodeWrongEnvironment,
		func(q question) bool {
			return q.key.Environment == "" || slices.Contains(q.gate.options.Environments, q.key.Environment)
		},
		func(q question) string {
			return fmt.Sprintf("a %s key; accepted are %v", q.key.Environment, q.gate.options.Environments)
		}},
	{"address", apikey.CodeAddressNotAllowed,
		func(q question) bool { return q.key.Allows(q.source) },
		func(q question) string { return fromWhere(q.source, q.key.AllowedCIDRs) }},
	{"scope", apikey.CodeInsufficientScope,
		func(q question) bool { return q.scope == "" || q.key.Scopes.Allow(q.scope) },
		func(q question) string {
			if q.scope == "" {
				return "no scope is asked for"
			}
			return fmt.Sprintf("asked for is %s; the key has %q", q.scope, strings.Join(q.key.Scopes, " "))
		}},
}

// judge is what every request goes through.
func (g *Gate) judge(k *apikey.Key, r *Request, now time.Time) apikey.Code {
	q := question{g, k, r.Scope, r.Source, now}
	for i := range policy {
		if !policy[i].passes(q) {
			return policy[i].code
		}
	}
	return apikey.CodeValid
}

// The checks that come after the policy.
const (
	checkQuota = "quota"
	checkLimit = "rateLimit"
)

// Checks returns the names of all checks that [Gate.Explain] explains, in their order.
func Checks() []string {
	var names []string
	for _, p := range policy {
		names = append(names, p.name)
	}
	return append(names, checkQuota, checkLimit)
}

// Step is one check of a request, and what decided it.
type Step struct {
	Check  string
	Pass   bool
	Detail string
}

// Explain judges as Check does a request with one of the key's own tokens, but
// goes on after a refusal, and spends nothing. The time is the request's, whether
// it has passed or is to come; without one it is now.
func (g *Gate) Explain(record apikey.Record, r Request) (apikey.Code, []Step, error) {
	k := record.Key
	if err := k.Affords(r.Cost); err != nil {
		return "", nil, err
	}
	q := question{g, k, r.Scope, r.Source, r.Time}
	if q.now.IsZero() {
		q.now = g.time(time.Time{})
	}
	code := apikey.CodeValid
	var steps []Step
	add := func(name string, refusal apikey.Code, pass bool, detail string) {
		if !pass && code == apikey.CodeValid {
			code = refusal
		}
		steps = append(steps, Step{name, pass, detail})
	}
	for _, p := range policy {
		add(p.name, p.code, p.passes(q), p.detail(q))
	}
	if k.Unlimited {
		add(checkLimit, apikey.CodeRateLimited, true, "unlimited")
		return code, steps, nil
	}
	terms := k.Terms()
	if terms.Quota != (ratelimit.Quota{}) {
		used := ratelimit.QuotaStatusOf(record.Meter, terms.Quota, q.now)
		add(checkQuota, apikey.CodeQuotaExceeded, used.Remaining >= r.Cost, fmt.Sprintf("%d of %d used in this %s, which ends at %s; asked for: %d",
			used.Used, terms.Quota.Requests, terms.Quota.Period, used.Reset.UTC().Format(time.RFC3339), r.Cost))
		terms.Quota = ratelimit.Quota{}
	}
	usage := ratelimit.StatusOf(record.Meter, terms, q.now)
	add(checkLimit, apikey.CodeRateLimited, usage.Remaining >= r.Cost, fmt.Sprintf("%d of %d left in %d seconds, all again at %s; asked for: %d",
		usage.Remaining, terms.Limit.Requests, int64(terms.Limit.Window/time.Second), usage.Reset.UTC().Format(time.RFC3339), r.Cost))
	return code, steps, nil
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
