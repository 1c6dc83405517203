package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// apiError is an error as the caller reads it, with its status and headers.
type apiError struct {
	status  int
	headers http.Header
	api.Envelope
}

func (e *apiError) Error() string               { return e.Detail.Message }
func (e *apiError) GetStatus() int              { return e.status }
func (e *apiError) GetHeaders() http.Header     { return e.headers }
func (e *apiError) ContentType(_ string) string { return "application/json" }

// Codes of errors that differ from the code of their status. API Gateway answers the last three, for requests that the
// authorizer refuses.
const (
	codeScope    api.ErrorCode = "insufficient_scope"
	codeReplaced api.ErrorCode = "replaced_key"
	codeTooMany  api.ErrorCode = "too_many_keys"

	codeInvalidKey api.ErrorCode = "invalid_api_key"
	codeLimit      api.ErrorCode = "rate_limit_exceeded"
	codeQuota      api.ErrorCode = "insufficient_quota"
)

var otherCodes = [...]api.ErrorCode{codeScope, codeReplaced, codeTooMany, codeInvalidKey, codeLimit, codeQuota}

// row is how a status is spelled out.
type row struct {
	status  int
	kind    api.ErrorType
	code    api.ErrorCode
	message string
}

var rows = [...]row{
	{400, api.InvalidRequestError, "invalid_request", "The request is not valid"},
	{401, api.InvalidRequestError, "missing_key", "Missing API key: " + apikey.HowToSend},
	{403, api.PermissionError, "forbidden", "Not allowed"},
	{404, api.InvalidRequestError, "not_found", "No such route"},
	{405, api.InvalidRequestError, "method_not_allowed", "The route does not have this method"},
	{406, api.InvalidRequestError, "not_acceptable", "Only application/json can be answered"},
	{408, api.InvalidRequestError, "timeout", "The body did not arrive in time"},
	{409, api.InvalidRequestError, "conflict", "The API key was changed at the same time. Try again."},
	{412, api.InvalidRequestError, "precondition_failed", "The API key has another revision than If-Match asks for"},
	{413, api.InvalidRequestError, "request_too_large", "The body must be at most 64 KB"},
	{415, api.InvalidRequestError, "unsupported_media_type", "The request needs the header Content-Type: application/json"},
	{422, api.InvalidRequestError, "idempotency_key_reused", "The Idempotency-Key was used for another request"},
	{500, api.APIError, "internal_error", "Internal error"},
	{503, api.APIError, "unavailable", "The request could not be decided. Try again."},
}

func rowOf(status int) row {
	for _, r := range rows {
		if r.status == status {
			return r
		}
	}
	if status < 500 {
		return rows[0]
	}
	return rowOf(http.StatusInternalServerError)
}

func envelope(kind api.ErrorType, code api.ErrorCode, message string) api.Envelope {
	return api.Envelope{Detail: api.Detail{Message: message, Type: kind, Code: code}}
}

// newError spells a status out. An empty message is the status's own.
func newError(status int, param, message string) *apiError {
	r := rowOf(status)
	e := &apiError{status: r.status, Envelope: envelope(r.kind, r.code, r.message)}
	if message != "" && status < 500 {
		e.Detail.Message = message
	}
	if param != "" {
		e.Detail.Param = &param
	}
	if status == http.StatusServiceUnavailable {
		e.headers = http.Header{"Retry-After": {"1"}}
	}
	return e
}

// failure is the table from what the domain says to what a client reads. Internal
// errors reach the log alone.
func (a *server) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	e := a.errorOf(err)
	o := outcomeOf(ctx)
	o.code = string(e.Detail.Code)
	if e.status >= 500 {
		o.err = err
	}
	return e
}

func (a *server) errorOf(err error) *apiError {
	var field *apikey.FieldError
	switch {
	case errors.As(err, &field) && errors.Is(err, apikey.ErrForbidden) && field.Field == "scope":
		e := newError(http.StatusForbidden, "", "API key does not have scope: "+strings.TrimSuffix(field.Problem, " is needed"))
		e.Detail.Code = codeScope
		return e
	case errors.As(err, &field) && errors.Is(err, apikey.ErrForbidden):
		return newError(http.StatusForbidden, field.Field, field.Error())
	case errors.As(err, &field):
		return newError(http.StatusBadRequest, field.Field, field.Error())
	case errors.Is(err, apikey.ErrReplaced):
		e := newError(http.StatusForbidden, "", "This key was replaced by a rotation. Until its grace period ends it may be used, but it must not change keys: use the new key")
		e.Detail.Code = codeReplaced
		return e
	case errors.Is(err, apikey.ErrForbidden):
		return newError(http.StatusForbidden, "", "")
	case errors.Is(err, apikey.ErrNotFound):
		return newError(http.StatusNotFound, "id", "No such API key")
	case errors.Is(err, apikey.ErrPrecondition):
		return newError(http.StatusPreconditionFailed, "", "")
	case errors.Is(err, apikey.ErrReused):
		return newError(http.StatusUnprocessableEntity, "Idempotency-Key", "")
	case errors.Is(err, apikey.ErrUnreadableReply):
		return newError(http.StatusConflict, "Idempotency-Key", "The answer that is stored for this Idempotency-Key cannot be opened. See whether the request was done, and use another Idempotency-Key")
	case errors.Is(err, apikey.ErrEnded):
		return newError(http.StatusConflict, "", "The API key is revoked or has expired")
	case errors.Is(err, apikey.ErrTwoSecrets):
		return newError(http.StatusConflict, "", "An older key of this record still works, until previousKeyValidUntil. End it with POST /api/v1/api-keys/{id}/end-grace first, or rotate with gracePeriod 0, which ends every older key now")
	case errors.Is(err, apikey.ErrConflict):
		e := newError(http.StatusConflict, "", "")
		e.headers = http.Header{"Retry-After": {"1"}}
		return e
	case errors.Is(err, apikey.ErrTooManyKeys):
		const full = "The user has as many API keys as a user may have, with those that were revoked or deleted but whose window or quota period has not ended. "
		e := newError(http.StatusConflict, "", full+"Revoke or delete one: its place is free when these have ended")
		var many *apikey.TooManyKeysError
		if errors.As(err, &many) && !many.Until.IsZero() {
			seconds := max(1, int64((many.Until.Sub(a.Now())+time.Second-1)/time.Second))
			e = newError(http.StatusConflict, "", full+fmt.Sprintf("There is room again in %d seconds", seconds))
			e.headers = http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
		}
		e.Detail.Code = codeTooMany
		return e
	}
	return newError(http.StatusServiceUnavailable, "", "")
}

// huma has no other way than a package variable to say what its own errors look
// like, nor that names must match in case: the one exception to having no
// package-level state. Both are set once, before anything runs.
func init() {
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return inputError(nil, status, message, errs)
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, message string, errs ...error) huma.StatusError {
		return inputError(c, status, message, errs)
	}
}

// inputError returns the error for a request that huma refuses. c is nil if huma has no context.
func inputError(c huma.Context, status int, message string, errs []error) *apiError {
	if status != http.StatusUnprocessableEntity && status != http.StatusBadRequest {
		return newError(status, "", "")
	}
	var details, unknown []*huma.ErrorDetail
	for _, err := range errs {
		var d *huma.ErrorDetail
		if !errors.As(err, &d) {
			continue
		}
		if details = append(details, d); d.Message == validation.MsgUnexpectedProperty {
			unknown = append(unknown, d)
		}
	}
	switch {
	case c != nil && len(unknown) > 0:
		// A field that is misspelt is also a field that is missing. Maps have no order.
		first := slices.MinFunc(unknown, func(a, b *huma.ErrorDetail) int { return strings.Compare(a.Location, b.Location) })
		return explainUnknown(c, first)
	case len(details) > 0:
		return explain(details[0])
	case message == "request body is required":
		return newError(http.StatusBadRequest, "", "The body is required")
	}
	return newError(http.StatusBadRequest, "", "")
}

// explainUnknown names a field that the request does not have. It only reads the names of the fields, never their
// values.
func explainUnknown(c huma.Context, d *huma.ErrorDetail) *apiError {
	_, location, _ := strings.Cut(d.Location, ".") // body
	name := ""
	object, _ := d.Value.(map[string]any)
	for field := range object { // a field may have a dot in its name
		if len(field) > len(name) && strings.HasSuffix("."+location, "."+field) {
			name = field
		}
	}
	parent := known(strings.TrimSuffix(strings.TrimSuffix(location, name), "."))
	fields := fieldsAt(outcomeOf(c.Context()).schemas, c.Operation(), parent)
	param, message := unknownName(parent, name, fields, "The body", "field")
	return newError(http.StatusBadRequest, param, message)
}

// names are the only words of a location that are ever repeated: any other was
// made up by the caller, and could be a token.
var names = []string{
	"name", "userId", "description", "environment", "scopes", "rateLimit", "requests", "window", "quota", "period", "unlimited",
	"allowedCidrs", "metadata", "enabled", "notBefore", "expiresAt", "expiresInDays",
	"apiKey", "publicKey", "scope", "cost", "sourceIp", "limit", "cursor", "status", "id", "from", "to", "method", "path", "at",
	"gracePeriod", "key", "If-Match", "Idempotency-Key",
}

// known is what a location begins with that is a name of ours.
func known(location string) string {
	var all []string
	for part := range strings.SplitSeq(location, ".") {
		part, _, _ = strings.Cut(part, "[")
		if !slices.Contains(names, part) {
			break
		}
		all = append(all, part)
	}
	return strings.Join(all, ".")
}

// explain turns what huma found into a sentence. Its value, which is what the
// caller sent, is never looked at; its message is made of the schema alone, but
// for what our own JSON reader says, which is fixed texts and names of ours.
func explain(d *huma.ErrorDetail) *apiError {
	_, location, _ := strings.Cut(d.Location, ".") // body, query or path
	param := known(location)
	about := func(param, problem string) *apiError {
		return newError(http.StatusBadRequest, param, cmp.Or(param, "The body")+" "+problem)
	}
	message := d.Message
	switch missing, found := strings.CutPrefix(message, "expected required property "); {
	case found:
		missing, _, _ = strings.Cut(missing, " ")
		if param != "" {
			param += "."
		}
		return about(param+missing, "is required")
	case strings.HasPrefix(message, "expected "):
		return about(param, "is not valid: "+inFull(message))
	case strings.HasPrefix(message, jsonProblem):
		param, text, _ := strings.Cut(strings.TrimPrefix(message, jsonProblem), ": ")
		return about(param, text)
	}
	return about(param, "is not valid")
}

// inFull writes out the bound that a message of huma's ends with, such as 1e+06.
func inFull(message string) string {
	at := strings.LastIndexByte(message, ' ') + 1
	n, err := strconv.ParseFloat(message[at:], 64)
	if err != nil {
		return message // it ends with no bound
	}
	return message[:at] + strconv.FormatFloat(n, 'f', -1, 64)
}
