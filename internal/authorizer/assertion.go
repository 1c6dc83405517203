package authorizer

import (
	"context"
	"log/slog"
	"net/url"

	"latchkey/internal/assertion"
)

// Signer signs assertions for a backend; see [assertion.Signer].
type Signer interface {
	// Sign must return an error only if it has no key to sign with.
	Sign(ctx context.Context, c assertion.Claims) (string, error)
}

// maxAnswer is how much API Gateway takes of an authorizer, in bytes.
const maxAnswer = 8192

// answer encodes a response. An Allow for a backend gets an assertion. If the response is then too
// long for API Gateway, it stays without one, and the backend refuses the request.
func (a *Authorizer) answer(ctx context.Context, e *event, r *response) ([]byte, error) {
	allow, ok := r.context.(*allowed)
	if !ok || a.Signer == nil || !e.hasBackend() {
		return r.encode(), nil
	}
	path, err := url.PathUnescape(e.path)
	if err != nil {
		path = e.path
	}
	allow.Assertion, err = a.Signer.Sign(ctx, assertion.Claims{
		Audience: e.audience, Subject: allow.UserID, KeyID: allow.KeyID, Scopes: allow.Scopes,
		Environment: string(allow.Environment), Method: e.method, Path: path,
	})
	if err != nil {
		return nil, a.undecided(ctx, e, err)
	}
	if e.stageIsOwn {
		// The template maps the texts for headers alone.
		allow.UserID, allow.Name, allow.Scopes = "", "", ""
	}
	text := r.encode()
	if len(text) > maxAnswer {
		a.Logger.LogAttrs(ctx, slog.LevelWarn, "no assertion: the answer is too long",
			a.about(e, slog.String("keyId", allow.KeyID), slog.Int("bytes", len(text)))...)
		allow.Assertion = ""
		return r.encode(), nil
	}
	return text, nil
}

// hasBackend reports whether the request goes to a backend that wants assertions. The stage's
// variable LATCHKEY_AUDIENCE names it, which no caller can set. In latchkey's own API, only the two
// resources of BackendUrl lead there.
func (e *event) hasBackend() bool {
	return e.audience != "" && (!e.stageIsOwn || e.resource == "/" || e.resource == "/{proxy+}")
}
