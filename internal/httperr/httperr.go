// Package httperr says which errors of a request to another service may be logged. Call [Unquoted]
// before logging one.
package httperr

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// Unquoted returns err, or an error without details if err could quote the service's response. That
// response may hold anything, even the token that the request was sent with.
func Unquoted(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &network) || errors.As(err, &certificate) || errors.Is(err, io.EOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.New("it did not answer as an HTTP service does")
}
