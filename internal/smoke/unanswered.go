package smoke

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"latchkey/internal/api"
)

// unanswered is the cause with which a run stops: a request had no answer, or another service's.
type unanswered struct {
	request string // the method and the URL without its query, which may have a token
	reason  string
}

func (u *unanswered) Error() string { return u.request + ": " + u.reason }

// probe returns an error unless latchkey answers. Its health says so, even if the table does not.
func (r *run) probe() error {
	a := r.get("whether latchkey answers", ownHealth)
	failed := a.status >= http.StatusInternalServerError && a.text("error.code") != ""
	if a.err == nil && a.text("status") == "" && !failed {
		return &unanswered{requestOf(a), fmt.Sprintf("the answer, with status %d, is not the health of latchkey: "+
			"the URL must be the output ApiUrl, with its stage, such as /prod", a.status)}
	}
	return context.Cause(r.ctx)
}

// requestOf names the request of an answer.
func requestOf(a answer) string {
	if a.url == nil {
		return a.method
	}
	at := *a.url
	at.RawQuery = ""
	return a.method + " " + at.String()
}

// reasonOf says why there is no answer, and what to check where that is known.
func (r *run) reasonOf(err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return "the host name cannot be resolved: check the URL and the region in it: " + name.Err
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there"
	case errors.As(err, &certificate), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "TLS failed: " + err.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", r.client.Timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed without a whole answer"
	}
	return err.Error()
}

// finish deletes the keys that are left, and returns why the run ended early, in one line. It is nil
// if the run made all its checks and deleted all its keys.
func (r *run) finish() error {
	cleaned := r.clean()
	cause := context.Cause(r.ctx)
	var gone *unanswered
	switch {
	case cause == nil:
		return cleaned
	case errors.As(cause, &gone) && r.checks == 0:
		cause = fmt.Errorf("the stack does not answer: %w", cause)
	case errors.As(cause, &gone):
		cause = fmt.Errorf("the stack stopped answering after %d checks: %w", r.checks, cause)
	default:
		cause = fmt.Errorf("stopped before the end: %w", cause)
	}
	if cleaned != nil {
		return fmt.Errorf("%w; %w", cause, cleaned)
	}
	return cause
}

// ownHealth is the path of health in every deployment. Without the prefix, it may be a backend's.
const ownHealth = api.OwnPrefix + api.HealthPath
