package admission

import (
	"context"
	"net/url"

	"latchkey/internal/assertion"
)

// Signer signs assertions for a backend; see [assertion.Signer].
type Signer interface {
	// Sign must return an error only if it has no key to sign with.
	Sign(ctx context.Context, c assertion.Claims) (string, error)
}

// Assert returns an assertion for a backend that the audience names: it proves that the request of
// this caller passed. It returns "" if there is no audience or no signer. An error means that it could
// not sign, and has been logged. The request must then not pass, as if it could not be judged.
func (d *Door) Assert(ctx context.Context, r *Request, c *Caller, audience string) (string, error) {
	if d.Signer == nil || audience == "" {
		return "", nil
	}
	path, err := url.PathUnescape(r.Path)
	if err != nil {
		path = r.Path
	}
	text, err := d.Signer.Sign(ctx, assertion.Claims{
		Audience: audience, Subject: c.UserID, KeyID: c.KeyID, Scopes: c.Scopes,
		Environment: string(c.Environment), Method: r.Method, Path: path,
	})
	if err != nil {
		return "", d.undecided(ctx, r, err)
	}
	return text, nil
}
