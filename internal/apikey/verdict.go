package apikey

import (
	"cmp"
	"time"

	"latchkey/internal/ratelimit"
)

// Patience is how long a verdict may take. The caller can then be told within three seconds that it
// could not be decided.
const Patience = 2500 * time.Millisecond

// Verdict is the gate's answer to one request.
type Verdict struct {
	Code Code
	// Key is the record if the presented token belongs to it, and nil before that is proven. A
	// refusal therefore tells nothing about the key of another user. The record is shared, so it
	// must not be changed.
	Key *Key
	// Plan is the plan of the key, or nil if it has none. It is shared too.
	Plan *Plan
	// Scope is the scope that the request needs.
	Scope string
	// Status is the window status from the limiter: of the part that refuses or, if none does, of
	// the one that leaves the caller least. It is meaningful if Key is set and [Verdict.Limited].
	Status ratelimit.Status
	// Parts are the meters that the request spends from, and Statuses those of each. Both are shared
	// too. Statuses is nil if there is only one part, whose status is Status.
	Parts    []Part
	Statuses []ratelimit.Status
	// Replaced reports whether the presented token is in its grace period: a rotation has replaced
	// it by another token of the same key.
	Replaced bool
	// Ended is the time at which the presented token ended, if a rotation replaced it for good. It
	// is zero otherwise.
	Ended time.Time
	// Text is the message of an upstream that knows the key. If empty, the code has the message.
	Text string
	// RetryAfter is the time to wait if a limit or a quota refused: whole seconds, at least one. It
	// is zero if no wait helps.
	RetryAfter time.Duration
}

// Valid reports whether the request may pass.
func (v *Verdict) Valid() bool { return v.Code == CodeValid }

// HowToSend names the places in which a token may always stand.
const HowToSend = "send it as X-API-Key or as Authorization: Bearer"

// Refused is API Gateway's only message for the requests that the authorizer refuses, so it must be
// true of each.
const Refused = "Missing, invalid or revoked API key, or one that may not make this request. " +
	"Send it as X-API-Key or as Authorization: Bearer. " +
	"The route POST /api/v1/api-keys/validate of latchkey tells what is wrong with a key."

// Message returns a sentence for the caller, or "" if the verdict is valid. It gives an attacker no
// hint: every fault of a key has the same sentence. Only the holder of a replaced token reads when
// it ended, and only the holder of a revoked key's token reads why it was revoked.
func (v Verdict) Message() string {
	switch {
	case v.Text != "":
		return v.Text
	case !v.Ended.IsZero():
		return invalidOrRevoked + ": it was replaced, and ended at " + v.Ended.UTC().Format(time.RFC3339)
	case v.Valid():
		return ""
	case v.Code == CodeRevoked && v.Key != nil && v.Key.Revocation.Reason != "":
		return invalidOrRevoked + ": revoked: " + v.Key.Revocation.Reason
	}
	return cmp.Or(v.Code.Sentence(v.Scope, v.RetryAfter), invalidOrRevoked)
}

// Scopes returns the scopes that the key has here: its own, as far as its plan includes them. The
// list is shared too. Key must be set.
func (v *Verdict) Scopes() Scopes {
	if v.Plan == nil || len(v.Plan.Scopes) == 0 {
		return v.Key.Scopes
	}
	return v.Key.Scopes.Within(v.Plan.Scopes)
}

// Limited reports whether a limit or a quota bounds the key.
func (v *Verdict) Limited() bool { return v.Key != nil && (len(v.Parts) > 0 || !v.Key.Unlimited) }

// Spent adds the limiter's decision: its window status and, if it refuses, its code.
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
