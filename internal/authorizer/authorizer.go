// Package authorizer answers API Gateway: it reads an authorizer event, asks the door about the
// request in it, and returns a policy. Make an [Authorizer] with [New], and hand it to Lambda.
//
// One authorizer answers every shape of events: REQUEST and TOKEN of a REST API, the payload formats
// 1.0 and 2.0 of an HTTP API, and $connect of a WebSocket API. The event itself tells its shape.
//
// One request goes through the package from top to bottom. [Authorizer.Invoke] reads the event
// (event.go, and http.go for HTTP APIs), asks package admission, and writes a policy (policy.go).
//
// A caller who may pass gets an Allow for the requested method, with a flat context for the
// integration. A key that has reached a limit gets a Deny, with a context for the gateway response.
// Every other refusal is [ErrUnauthorized], which API Gateway answers with 401. Any other error means
// that the authorizer could not decide. A REST API answers it with 503, and the others with 500.
package authorizer

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"latchkey/internal/admission"
	"latchkey/internal/jsonio"
)

// Options are the settings of an [Authorizer]. Door is required.
type Options struct {
	Door *admission.Door
	// Simple says that HTTP APIs with the payload format 2.0 have enableSimpleResponses. They then get
	// isAuthorized in place of a policy. API Gateway does not say in an event which of both it takes.
	Simple bool
}

// Authorizer is a lambda.Handler. It is safe for concurrent use if its door is.
type Authorizer struct {
	door    *admission.Door
	simple  bool
	readers sync.Pool // of *jsonio.Reader
}

// room is how many texts and lists of an event are usually read.
const room = 8

// New returns an authorizer.
func New(o Options) *Authorizer {
	return &Authorizer{
		door: o.Door, simple: o.Simple, readers: sync.Pool{New: func() any { return jsonio.NewReader(room) }},
	}
}

// ErrUnauthorized is the error that API Gateway answers with 401. API Gateway recognises it by its
// exact text. It is an answer, so it does not count as a failure of the function.
var ErrUnauthorized = errors.New("Unauthorized")

// Invoke returns one of these errors if it could not decide. API Gateway answers both alike.
// Lambda writes their texts to its log, so they contain nothing of the request.
var (
	errUnavailable = errors.New("unavailable: the key could not be checked")
	errEvent       = errors.New("not an authorizer event")
)

// Invoke answers one event with a policy, or returns [ErrUnauthorized] for a refusal. Any other
// error means that it could not decide. It logs every refusal and every error.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) (answer []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			answer, err = nil, a.panicked(ctx, cause)
		}
	}()
	text := a.readers.Get().(*jsonio.Reader)
	text.Reset(payload)
	defer func() {
		text.Reset(nil) // the event has a token
		a.readers.Put(text)
	}()
	e, err := a.readEvent(text, payload)
	if err != nil {
		return nil, a.malformed(ctx, payload)
	}
	return a.answer(ctx, &e)
}

// maxAnswer is how much API Gateway takes of an authorizer, in bytes.
const maxAnswer = 8192

// answer asks the door, and encodes the answer. An Allow for a backend gets an assertion. If the
// answer is too long for API Gateway, it stays without metadata. If it is still too long, it stays without
// an assertion as well, and the backend refuses the request.
func (a *Authorizer) answer(ctx context.Context, e *event) ([]byte, error) {
	d, err := a.door.Decide(ctx, &e.request)
	switch {
	case err != nil:
		return nil, errUnavailable
	case d.OverLimit():
		return a.denial(e, &d), nil
	case !d.Verdict.Valid():
		return nil, ErrUnauthorized
	}
	caller, extra := d.Caller(), extras{}
	if e.hasBackend() {
		if extra.assertion, err = a.door.Assert(ctx, &e.request, &caller, e.audience); err != nil {
			return nil, errUnavailable
		}
	}
	principal := principalOf(&d, &caller)
	if extra.assertion != "" && e.request.Own {
		// The template maps the texts for headers alone.
		caller.UserID, caller.Name, caller.Scopes = "", "", ""
	}
	if !e.request.Own {
		extra.metadata = caller.MetadataText()
	}
	if !e.request.Own || e.hasBackend() {
		extra.metadataHeader = a.door.MetadataHeader(ctx, &e.request, &caller)
	}
	text := a.allowance(e, principal, &d, &caller, extra)
	if len(text) > maxAnswer && extra.metadata+extra.metadataHeader != "" {
		a.door.WithoutMetadata(ctx, &e.request, &caller, len(text))
		extra.metadata, extra.metadataHeader = "", ""
		text = a.allowance(e, principal, &d, &caller, extra)
	}
	if len(text) > maxAnswer && extra.assertion != "" {
		a.door.Logger.LogAttrs(ctx, slog.LevelWarn, "no assertion: the answer is too long",
			a.door.About(&e.request, slog.String("keyId", caller.KeyID), slog.Int("bytes", len(text)))...)
		extra.assertion = ""
		text = a.allowance(e, principal, &d, &caller, extra)
	}
	return text, nil
}
