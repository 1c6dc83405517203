package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

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

// newError returns the error with a code. If param is empty, the error is about no field. If
// message is empty, or the status is 500 or more, the message is the code's own.
func newError(code apikey.Code, param, message string) *apiError {
	row := code.Info()
	e := &apiError{status: row.Status}
	e.Detail = api.Detail{Message: row.Text, Type: api.ErrorTypeOf(row.Status), Code: api.ErrorCode(code)}
	if message != "" && row.Status < 500 {
		e.Detail.Message = message
	}
	if param != "" {
		e.Detail.Param = &param
	}
	if row.Status == http.StatusServiceUnavailable {
		e.retryAfter(1)
	}
	return e
}

// retryAfter asks the caller to try again after some seconds.
func (e *apiError) retryAfter(seconds int64) {
	e.headers = http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
}

// answers has the response to each mistake of a caller. The first row whose error matches counts.
// An empty text is the code's own.
var answers = [...]struct {
	err         error
	code        apikey.Code
	param, text string
	retry       bool // after a second
}{
	{err: apikey.ErrReplaced, code: apikey.CodeReplacedKey},
	{err: apikey.ErrForbidden, code: apikey.CodeForbidden},
	{err: apikey.ErrNotFound, code: apikey.CodeNotFound, param: "id", text: noSuchKey},
	{err: apikey.ErrPrecondition, code: apikey.CodePreconditionFailed},
	{err: apikey.ErrReused, code: apikey.CodeIdempotencyReused, param: "Idempotency-Key"},
	{err: apikey.ErrUnreadableReply, code: apikey.CodeConflict, param: "Idempotency-Key",
		text: "The answer that is stored for this Idempotency-Key cannot be opened. " +
			"See whether the request was done, and use another Idempotency-Key"},
	{err: apikey.ErrEnded, code: apikey.CodeConflict, text: "The API key is revoked or has expired"},
	{err: apikey.ErrTwoSecrets, code: apikey.CodeConflict,
		text: "An older key of this record still works, until previousKeyValidUntil. " +
			"End it with POST /api/v1/api-keys/{id}/end-grace first, " +
			"or rotate with gracePeriod 0, which ends every older key now"},
	{err: apikey.ErrConflict, code: apikey.CodeConflict, retry: true},
}

const noSuchKey = "No such API key"

// errorOf returns the response to an error. An error that is no mistake of the caller becomes 503,
// whose text tells nothing of the error.
func (a *server) errorOf(err error) *apiError {
	var ready *apiError
	var field *apikey.FieldError
	var scope *apikey.ScopeError
	var full *apikey.TooManyKeysError
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &scope):
		return newError(apikey.CodeInsufficientScope, "", apikey.CodeInsufficientScope.Sentence(scope.Scope, 0))
	case errors.As(err, &field) && errors.Is(field, apikey.ErrForbidden):
		return newError(apikey.CodeForbidden, field.Field, field.Error())
	case errors.As(err, &field):
		return newError(apikey.CodeInvalidRequest, field.Field, field.Error())
	case errors.As(err, &full):
		return tooManyKeys(*full, a.Now())
	case errors.Is(err, apikey.ErrTooManyKeys):
		return tooManyKeys(apikey.TooManyKeysError{}, a.Now())
	}
	for _, answer := range answers {
		if errors.Is(err, answer.err) {
			e := newError(answer.code, answer.param, answer.text)
			if answer.retry {
				e.retryAfter(1)
			}
			return e
		}
	}
	return newError(apikey.CodeUnavailable, "", "")
}

// tooManyKeys returns the error for a user who has no room for another key until a time. A zero
// time means that there is no room before a key ends.
func tooManyKeys(err apikey.TooManyKeysError, now time.Time) *apiError {
	full := apikey.CodeTooManyKeys.Info().Text
	if err.Until.IsZero() {
		return newError(apikey.CodeTooManyKeys, err.Field,
			full+" Revoke or delete one: its place is free when these have ended")
	}
	seconds := max(1, int64((err.Until.Sub(now)+time.Second-1)/time.Second))
	e := newError(apikey.CodeTooManyKeys, err.Field, full+fmt.Sprintf(" There is room again in %d seconds", seconds))
	e.retryAfter(seconds)
	return e
}

// huma has no other way than package variables to say how its own errors look, and that names must
// match in case. They are the one exception to the rule that packages have no state. They are set
// once, before anything runs.
func init() {
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return inputError(status, errs)
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, _ string, errs ...error) huma.StatusError {
		e := inputError(status, errs)
		outcomeOf(c.Context()).code = string(e.Detail.Code)
		return e
	}
}

// inputError returns the error for a request that huma refuses: the first error that it found in a
// parameter, or else the error in the body.
func inputError(status int, errs []error) *apiError {
	if status != http.StatusUnprocessableEntity && status != http.StatusBadRequest {
		return newError(apikey.CodeOf(status), "", "")
	}
	for _, err := range errs {
		var ofBody *apiError
		var ofParameter *huma.ErrorDetail
		switch {
		case errors.As(err, &ofBody):
			return ofBody
		case errors.As(err, &ofParameter):
			return explain(ofParameter)
		}
	}
	return newError(apikey.CodeInvalidRequest, "", "")
}

// explain returns the error for a value that does not fit its schema. It never shows the value.
// huma makes its message of the schema alone.
func explain(d *huma.ErrorDetail) *apiError {
	_, location, _ := strings.Cut(d.Location, ".") // without body, query, header or path
	param := known(location)
	message := d.Message
	if missing, found := strings.CutPrefix(message, "expected required property "); found {
		missing, _, _ = strings.Cut(missing, " ")
		return invalid(join(param, missing), "is required")
	}
	if strings.HasPrefix(message, "expected ") {
		return invalid(param, "is not valid: "+inFull(message))
	}
	return invalid(param, "is not valid")
}

// invalid returns the error for a field, or for the whole body if param is empty.
func invalid(param, problem string) *apiError {
	return newError(apikey.CodeInvalidRequest, param, cmp.Or(param, "The body")+" "+problem)
}

// inFull writes out the bound at the end of a message of huma's, such as 1e+06.
func inFull(message string) string {
	at := strings.LastIndexByte(message, ' ') + 1
	n, err := strconv.ParseFloat(message[at:], 64)
	if err != nil {
		return message // it ends with no bound
	}
	return message[:at] + strconv.FormatFloat(n, 'f', -1, 64)
}
