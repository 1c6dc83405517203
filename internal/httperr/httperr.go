// Package httperr says what may be logged of a request to another service that
// failed.
package httperr

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// Unquoted is err, unless it could quote what the service sent: that may be
// anything, and a key that it was sent with it.
func Unquoted(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &network) || errors.As(err, &certificate) || errors.Is(err, io.EOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.New("it did not answer as an HTTP service does")
}
