package api

// Envelope is the body of each response that is an error.
type Envelope struct {
	Detail Detail `json:"error"`
}

// Detail is the content of an [Envelope].
type Detail struct {
	Message string    `json:"message" doc:"A sentence for people"`
	Type    ErrorType `json:"type"`
	Param   *string   `json:"param" doc:"The field, parameter or header that is wrong; null if none is"`
	Code    ErrorCode `json:"code" doc:"A word for programs"`
}

// The types of errors.
const (
	InvalidRequestError ErrorType = "invalid_request_error"
	PermissionError     ErrorType = "permission_error"
	RateLimitError      ErrorType = "rate_limit_error"
	APIError            ErrorType = "api_error"
)

// ErrorTypes returns all types of errors.
func ErrorTypes() []ErrorType {
	return []ErrorType{InvalidRequestError, PermissionError, RateLimitError, APIError}
}

// ErrorTypeOf returns the type of errors with an HTTP status.
func ErrorTypeOf(status int) ErrorType {
	switch {
	case status == 403:
		return PermissionError
	case status == 429:
		return RateLimitError
	case status >= 500:
		return APIError
	}
	return InvalidRequestError
}
