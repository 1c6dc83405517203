package apikey

import (
	"fmt"
	"time"

	"latchkey/internal/ratelimit"
)

// Code says in one word why the gate answered as it did.
type Code string

const (
	CodeValid             Code = "valid"
	CodeMissing           Code = "missing_key"
	CodeMalformed         Code = "malformed_key"
	CodeTwoKeys           Code = "two_keys" // it is ambiguous which was meant
	CodeUnknown           Code = "unknown_key"
	CodeRevoked           Code = "revoked_key"
	CodeDisabled          Code = "disabled_key"
	CodeInactive          Code = "inactive_key"
	CodeExpired           Code = "expired_key"
	CodeWrongEnvironment  Code = "wrong_environment"
	CodeAddressNotAllowed Code = "address_not_allowed"
	CodeInsufficientScope Code = "insufficient_scope"
	CodeRateLimited       Code = "rate_limited"
	CodeQuotaExceeded     Code = "quota_exceeded"
)

// Codes returns every code that a verdict may have.
func Codes() []Code {
	return []Code{
		CodeValid, CodeMissing, CodeTwoKeys, CodeMalformed, CodeUnknown, CodeRevoked, CodeDisabled, CodeInactive, CodeExpired,
		CodeWrongEnvironment, CodeAddressNotAllowed, CodeInsufficientScope, CodeRateLimited, CodeQuotaExceeded,
	}
}

// Verdict is the gate's answer to one request.
type Verdict struct {
	Code Code
	// Key is the record, once the presented secret was proven to belong to it;
	// nil before that, so that a refusal tells nothing about somebody's key. It
	// is shared: do not change it.
	Key *Key
	// Scope is the one that was asked for.
	Scope string
	// Status is the window status from the limiter. It is meaningful if Key is set and not
	// unlimited.
	Status ratelimit.Status
	// Replaced reports whether the token that was presented is in its grace: a rotation has
	// replaced it by another of the same key.
	Replaced bool
	// Ended is when the secret that was presented was replaced for good by another
	// of the same key.
	Ended time.Time
	// Text is what another service, which knows the key, says of its refusal.
	Text string
	// RetryAfter is how long to wait, when the limit or the quota refused; whole
	// seconds, at least one.
	RetryAfter time.Duration
}

// Valid reports whether the request may pass.
func (v Verdict) Valid() bool { return v.Code == CodeValid }

// HowToSend says where a key may always stand.
const HowToSend = "send it as X-API-Key or as Authorization: Bearer"

// Refused is API Gateway's one text for all that the authorizer refuses, so it is true
// of each.
const Refused = "Missing, invalid or revoked API key, or one that may not make this request. Send it as X-API-Key or as Authorization: Bearer. " +
	"The route POST /api/v1/api-keys/validate of latchkey tells what is wrong with a key."

// Message is a sentence for the caller. It tells nothing that an attacker could
// use: everything wrong with a key reads the same, but for whoever holds a secret
// that was replaced.
func (v Verdict) Message() string {
	if v.Text != "" {
		return v.Text
	}
	if !v.Ended.IsZero() {
		return "Invalid or revoked API key: it was replaced, and ended at " + v.Ended.UTC().Format(time.RFC3339)
	}
	switch v.Code {
	case CodeValid:
		return ""
	case CodeMissing:
		return "Missing API key: " + HowToSend
	case CodeTwoKeys:
		return "Two different API keys were sent: send one"
	case CodeInsufficientScope:
		return "API key does not have scope: " + v.Scope
	case CodeRateLimited:
		return fmt.Sprintf("Rate limit exceeded. Try again in %d seconds.", int64(v.RetryAfter/time.Second))
	case CodeQuotaExceeded:
		return fmt.Sprintf("Quota exceeded. Try again in %d seconds.", int64(v.RetryAfter/time.Second))
	}
	return "Invalid or revoked API key"
}

// Spent adds the numbers of the limiter's decision. If the limiter has refused, the code says so.
func (v *Verdict) Spent(d *ratelimit.Decision) {
	v.Status, v.RetryAfter = d.Status, d.RetryAfter
	switch {
	case d.Admitted:
	case d.OverQuota:
		v.Code = CodeQuotaExceeded
	default:
		v.Code = CodeRateLimited
	}
}
