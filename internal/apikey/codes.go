package apikey

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Code is a reason in one word: of a verdict, of an error response, or of a line of the log.
// [Table] has the meaning of each.
type Code string

// Codes of verdicts. All but CodeValid refuse the request.
const (
	CodeValid             Code = "valid"
	CodeMissing           Code = "missing_key"
	CodeMalformed         Code = "malformed_key"
	CodeTwoKeys           Code = "two_keys"
	CodeUnknown           Code = "unknown_key"
	CodeRevoked           Code = "revoked_key"
	CodeDisabled          Code = "disabled_key"
	CodeUserSuspended     Code = "user_suspended"
	CodeInactive          Code = "inactive_key"
	CodeExpired           Code = "expired_key"
	CodeIdle              Code = "idle_key"
	CodeWrongEnvironment  Code = "wrong_environment"
	CodeAddressNotAllowed Code = "address_not_allowed"
	CodeInsufficientScope Code = "insufficient_scope"
	CodeRateLimited       Code = "rate_limited"
	CodeQuotaExceeded     Code = "quota_exceeded"
	CodeCostAboveLimit    Code = "cost_above_limit"
)

// Codes of errors, in the order of their statuses. See [Table] for their meaning.
const (
	CodeInvalidRequest     Code = "invalid_request"
	CodeInvalidKey         Code = "invalid_api_key"
	CodeInvalidSignature   Code = "invalid_signature"
	CodeForbidden          Code = "forbidden"
	CodeReplacedKey        Code = "replaced_key"
	CodeNotFound           Code = "not_found"
	CodeMethodNotAllowed   Code = "method_not_allowed"
	CodeNotAcceptable      Code = "not_acceptable"
	CodeTimeout            Code = "timeout"
	CodeConflict           Code = "conflict"
	CodeTooManyKeys        Code = "too_many_keys"
	CodePreconditionFailed Code = "precondition_failed"
	CodeRequestTooLarge    Code = "request_too_large"
	CodeUnsupportedMedia   Code = "unsupported_media_type"
	CodeIdempotencyReused  Code = "idempotency_key_reused"
	CodeRateLimitExceeded  Code = "rate_limit_exceeded"
	CodeInsufficientQuota  Code = "insufficient_quota"
	CodeTooManyRequests    Code = "too_many_requests"
	CodeInternalError      Code = "internal_error"
	CodeUnavailable        Code = "unavailable"
	CodeBackendUnavailable Code = "backend_unavailable"
)

// Codes of refusals of the authorizer that are no verdicts. Only its log has them, except
// no_route_rule, which explain also shows.
const (
	CodeNoRouteRule      Code = "no_route_rule"
	CodeIdentityHeader   Code = "identity_header"
	CodeMethodOverride   Code = "method_override"
	CodePathOverride     Code = "path_override"
	CodeMalformedEvent   Code = "malformed_event"
	CodeMalformedToken   Code = "malformed_token"
	CodeUnknownIssuer    Code = "unknown_issuer"
	CodeUnknownSignature Code = "unknown_signature"
	CodeWrongAudience    Code = "wrong_audience"
	CodeExpiredToken     Code = "expired_token"
	CodeTokenNotYetValid Code = "token_not_yet_valid"
	CodeWrongSubject     Code = "wrong_subject"
	CodeReservedSubject  Code = "reserved_subject"
	CodeWrongUserClaim   Code = "wrong_user_claim"
)

// Audience says who reads a code. Its text is fit for the manual.
type Audience string

const (
	// ForCaller marks a code in responses that any caller may get.
	ForCaller Audience = "caller"
	// ForOwner marks a code in responses that only the owner of the key and admins may get.
	ForOwner Audience = "owner and admin"
	// ForLog marks a code that only the log has.
	ForLog Audience = "log"
)

// CodeInfo is one row of the table of codes.
type CodeInfo struct {
	Code Code
	// Status is the HTTP status of the error responses with the code, and of a valid verdict.
	// It is 0 if no error response has the code.
	Status int
	// Text is the sentence that a response has by default, and "" if no response has one.
	// {scope} and {seconds} stand for values of the request.
	Text string
	// Meaning explains the code to the people who run or use the service.
	Meaning  string
	Audience Audience
	// Verdict reports whether [Verdict.Code] may be the code.
	Verdict bool
	// AtGateway is the code of API Gateway's response if the authorizer refuses a request for the
	// reason Code. It is "" if the authorizer does not refuse for this reason.
	AtGateway Code
	// Check is the name of the check in an explanation that refuses with the code, or "".
	Check string
}

// invalidOrRevoked is the one sentence for every fault of a key. It gives an attacker no hint.
const invalidOrRevoked = "Invalid or revoked API key"

// table has every code that a response, a log line or a metric may have. Verdicts come first, in
// the order in which the OpenAPI document lists them, then errors by status, then codes of the log.
var table = [...]CodeInfo{
	{Code: CodeValid, Status: 200, Audience: ForCaller, Verdict: true, Meaning: "The request may pass."},
	{Code: CodeMissing, Status: 401, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey,
		Text:    "Missing API key: " + HowToSend,
		Meaning: "The request has no API key in any of the places that are read."},
	{Code: CodeTwoKeys, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey,
		Text:    "Two different API keys were sent: send one",
		Meaning: "The request has two different texts that could both be tokens."},
	{Code: CodeMalformed, Text: invalidOrRevoked, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey,
		Meaning: "The text has not the form of a token: it was cut off, mistyped or is no key."},
	{Code: CodeUnknown, Text: invalidOrRevoked, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey,
		Meaning: "No key has this token. It was deleted, replaced by a rotation, belongs to another " +
			"deployment, or was never issued."},
	{Code: CodeRevoked, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "revoked",
		Text:    invalidOrRevoked,
		Meaning: "The key was revoked. This cannot be undone: create another key."},
	{Code: CodeDisabled, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "enabled",
		Text:    invalidOrRevoked,
		Meaning: "The key is disabled. Set enabled to true to use it again."},
	{Code: CodeUserSuspended, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "user",
		Text:    invalidOrRevoked,
		Meaning: "An admin has suspended the user of the key, and so all of the user's keys."},
	{Code: CodeInactive, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "notBefore",
		Text:    invalidOrRevoked,
		Meaning: "The key's notBefore is in the future."},
	{Code: CodeExpired, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "expiresAt",
		Text:    invalidOrRevoked,
		Meaning: "The key's expiresAt has passed."},
	{Code: CodeIdle, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "idleDays",
		Text:    invalidOrRevoked,
		Meaning: "The key was not used for as many days as its plan or the deployment allows. Rotate it to use it again."},
	{Code: CodeWrongEnvironment, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "environment",
		Text:    invalidOrRevoked,
		Meaning: "The key is of an environment, live or test, that this deployment does not accept."},
	{Code: CodeAddressNotAllowed, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey, Check: "address",
		Text:    invalidOrRevoked,
		Meaning: "The request comes from an address outside the key's allowedCidrs."},
	{Code: CodeInsufficientScope, Status: 403, Audience: ForCaller, Verdict: true, AtGateway: CodeInvalidKey,
		Check:   "scope",
		Text:    "API key does not have scope: {scope}",
		Meaning: "The key lacks a scope that the route needs, or its plan does not include it."},
	{Code: CodeRateLimited, Audience: ForCaller, Verdict: true, AtGateway: CodeRateLimitExceeded, Check: "rateLimit",
		Text: "Rate limit exceeded. Try again in {seconds} seconds.",
		Meaning: "A rate limit of the key, or one that the keys of its user share, is spent. " +
			"Wait for the time that Retry-After names."},
	{Code: CodeQuotaExceeded, Audience: ForCaller, Verdict: true, AtGateway: CodeInsufficientQuota, Check: "quota",
		Text: "Quota exceeded. Try again in {seconds} seconds.",
		Meaning: "A quota of the key, or one that the keys of its user share, is spent until the calendar " +
			"period ends. A lifetime quota ends only when an admin adds credits, and has no Retry-After."},
	{Code: CodeCostAboveLimit, Status: 429, Audience: ForCaller, Verdict: true, AtGateway: CodeCostAboveLimit,
		Check: "routeCost",
		Text:  "The request costs more than a limit of the API key allows",
		Meaning: "The request costs more than a limit or a quota allows at all. No wait is long enough, so it " +
			"has no Retry-After."},

	{Code: CodeInvalidRequest, Status: 400, Text: "The request is not valid", Audience: ForCaller,
		Meaning: "A header, a parameter or a field is wrong. param names it, and the message says what is allowed."},
	{Code: CodeInvalidKey, Status: 401, Text: Refused, Audience: ForCaller,
		Meaning: "The authorizer refused the request. Its log has the code of the reason. " +
			"The validate route and latchkey validate tell it too."},
	{Code: CodeInvalidSignature, Status: 401, Audience: ForCaller,
		Text: "No public key of the leak scanner has signed the body as the headers say",
		Meaning: "The report of leaked keys is not signed, its signature is wrong, or it names a public key that " +
			"LEAK_KEYS_URL does not have. Nothing was revoked."},
	{Code: CodeForbidden, Status: 403, Text: "Not allowed", Audience: ForCaller,
		Meaning: "The caller may not do this, or may not give the rights that the message names."},
	{Code: CodeReplacedKey, Status: 403, Audience: ForCaller,
		Text: "This key was replaced by a rotation. " +
			"Until its grace period ends it may be used, but it must not change keys: use the new key",
		Meaning: "The calling token was replaced by a rotation. " +
			"In its grace period it may read, and change nothing."},
	{Code: CodeNotFound, Status: 404, Text: "No such route", Audience: ForCaller,
		Meaning: "There is no such route, or no such key that the caller may see."},
	{Code: CodeMethodNotAllowed, Status: 405, Text: "The route does not have this method", Audience: ForCaller,
		Meaning: "The route exists, with the methods that the header Allow lists."},
	{Code: CodeNotAcceptable, Status: 406, Text: "Only application/json can be answered", Audience: ForCaller,
		Meaning: "The header Accept excludes application/json."},
	{Code: CodeTimeout, Status: 408, Text: "The body did not arrive in time", Audience: ForCaller,
		Meaning: "The body of the request did not arrive in time."},
	{Code: CodeConflict, Status: 409, Audience: ForCaller,
		Text: "The API key was changed at the same time. Try again.",
		Meaning: "The state of the key does not allow the change now, or another change was made at the " +
			"same time. The message says which."},
	{Code: CodeTooManyKeys, Status: 409, Audience: ForCaller,
		Text: "The user has as many API keys as a user may have, with those that were revoked or deleted " +
			"but whose window or quota period has not ended.",
		Meaning: "The user has as many keys as a user may have. " +
			"Retry-After says when there is room again, if that is known."},
	{Code: CodePreconditionFailed, Status: 412, Audience: ForCaller,
		Text:    "The API key has another revision than If-Match asks for",
		Meaning: "The key was changed since the caller read it. Read it again, and send its new ETag."},
	{Code: CodeRequestTooLarge, Status: 413, Text: "The body must be at most 64 KB", Audience: ForCaller,
		Meaning: "The body of the request is too large."},
	{Code: CodeUnsupportedMedia, Status: 415, Audience: ForCaller,
		Text:    "The request needs the header Content-Type: application/json",
		Meaning: "The body is not declared to be JSON."},
	{Code: CodeIdempotencyReused, Status: 422, Audience: ForCaller,
		Text:    "The Idempotency-Key was used for another request",
		Meaning: "The same Idempotency-Key was sent before with another request. Use a new one for each request."},
	{Code: CodeRateLimitExceeded, Status: 429, Audience: ForCaller,
		Text: "Rate limit exceeded. Try again in {seconds} seconds.",
		Meaning: "The key's rate limit, or one that the keys of its user share, is spent. " +
			"A deployment may choose another status than 429."},
	{Code: CodeInsufficientQuota, Status: 429, Audience: ForCaller,
		Text: "Quota exceeded. Try again in {seconds} seconds.",
		Meaning: "The key's quota is spent until the calendar period ends. " +
			"A deployment may choose another status than 429."},
	{Code: CodeTooManyRequests, Status: 429, Audience: ForCaller,
		Text: "This API gets more requests than it serves. No limit of the API key is reached. " +
			"Try again in 1 second.",
		Meaning: "API Gateway refused the request before anything judged it, for the rate of its route, of the stage or " +
			"of the account. Only API Gateway answers with it."},
	{Code: CodeInternalError, Status: 500, Text: "Internal error", Audience: ForCaller,
		Meaning: "A defect of the service. The log has the cause."},
	{Code: CodeUnavailable, Status: 503, Text: "The request could not be decided. Try again.", Audience: ForCaller,
		Check: "plan",
		Meaning: "The table, an issuer or an upstream did not answer in time, or the plan of the key does not " +
			"exist. The log has the cause. Try again after Retry-After."},
	{Code: CodeBackendUnavailable, Status: 504, Audience: ForCaller,
		Text:    "The API behind this gateway did not answer. Try again later.",
		Meaning: "The API behind the gateway did not answer, or not in time. latchkey itself let the request pass."},

	{Code: CodeNoRouteRule, Audience: ForOwner, AtGateway: CodeInvalidKey, Check: "route",
		Meaning: "There are rules for routes, and none for the route of the request."},
	{Code: CodeIdentityHeader, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The request has a header that only the gateway may set, such as X-User-Id."},
	{Code: CodeMethodOverride, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The request has a header or a parameter from which a server may take another method."},
	{Code: CodePathOverride, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The request has a header from which a server may take another path."},
	{Code: CodeMalformedEvent, Audience: ForLog,
		Meaning: "The function was invoked with an event that is not a request of API Gateway."},
	{Code: CodeMalformedToken, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The user's JSON Web Token cannot be read, or has an algorithm that is not accepted."},
	{Code: CodeUnknownIssuer, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The user's JSON Web Token is of an issuer that the deployment does not name."},
	{Code: CodeUnknownSignature, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "No key of the issuer has signed the user's JSON Web Token."},
	{Code: CodeWrongAudience, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The user's JSON Web Token is meant for another audience."},
	{Code: CodeExpiredToken, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The user's JSON Web Token has expired."},
	{Code: CodeTokenNotYetValid, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The user's JSON Web Token is not valid yet."},
	{Code: CodeWrongSubject, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The user's JSON Web Token has no subject that can be the id of a user."},
	{Code: CodeReservedSubject, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The subject of the user's JSON Web Token, or the claim that OIDC_USER_CLAIM names, is the id of a " +
			"user that no token may have, such as admin or one that begins with team:."},
	{Code: CodeWrongUserClaim, Audience: ForLog, AtGateway: CodeInvalidKey,
		Meaning: "The claim of the user's JSON Web Token that OIDC_USER_CLAIM names is missing, is no string, or " +
			"cannot be the id of a user."},
}

// Codes returns every code that a verdict may have, in the order of the table.
func Codes() []Code {
	var codes []Code
	for i := range table {
		if table[i].Verdict {
			codes = append(codes, table[i].Code)
		}
	}
	return codes
}

// Table returns every code, each once: verdicts, then errors by status, then codes of the log.
func Table() []CodeInfo { return slices.Clone(table[:]) }

// Info returns the row of a code. A code that is in no row has a zero CodeInfo.
func (c Code) Info() CodeInfo {
	for i := range table {
		if table[i].Code == c {
			return table[i]
		}
	}
	return CodeInfo{}
}

// Sentence returns the Text of a code's row. A scope and a time to wait, in whole seconds, stand in
// the places that the Text has for them. If there is no time to wait, the sentence about it is left
// out.
func (c Code) Sentence(scope string, wait time.Duration) string {
	text := c.Info().Text
	before, after, ok := strings.Cut(text, "{seconds}")
	if ok && wait == 0 {
		before, _, _ = strings.Cut(before, " Try again")
		return before
	}
	if ok {
		return before + strconv.FormatInt(int64(wait/time.Second), 10) + after
	}
	if before, after, ok = strings.Cut(text, "{scope}"); ok {
		return before + scope + after
	}
	return text
}

// CodeOf returns the general code of errors with an HTTP status, such as not_found of 404. Every
// other status from 500 has internal_error, and any other status has invalid_request.
func CodeOf(status int) Code {
	for i := range table {
		if row := &table[i]; row.Status == status && status >= 400 && !row.Verdict {
			return row.Code
		}
	}
	if status >= 500 {
		return CodeInternalError
	}
	return CodeInvalidRequest
}
