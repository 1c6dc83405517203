package httpapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// handle adds an operation whose callers the authorizer has let through. do gets the caller, with the
// conditions that the input makes for a change, and the input once it fits its schema. If there is no
// caller, the response is 401. An error that do returns becomes the response that the table in
// errors.go has for it.
//
// Only what depends on I and O is in this function and in [handleOpen]: each use makes a copy of
// it.
func handle[I, O any](a *server, o *huma.Operation, do func(context.Context, registry.Caller, *I) (*O, error)) {
	o.Security = protected()
	a.add(o, reflect.TypeFor[I](), func(api huma.API) {
		huma.Register(api, *o, func(ctx context.Context, in *I) (*O, error) {
			caller, err := a.caller(ctx, in)
			if err != nil {
				return nil, a.failed(ctx, err)
			}
			out, err := do(ctx, caller, in)
			if err != nil {
				return nil, a.failed(ctx, err)
			}
			return out, nil
		})
	})
}

// handleOpen adds an operation as [handle] does, and everybody may call it. If it has no Security,
// its part of the document says that no key is needed.
func handleOpen[I, O any](a *server, o *huma.Operation, do func(context.Context, *I) (*O, error)) {
	if o.Security == nil {
		o.Security = open()
	}
	a.add(o, reflect.TypeFor[I](), func(api huma.API) {
		huma.Register(api, *o, func(ctx context.Context, in *I) (*O, error) {
			out, err := do(ctx, in)
			if err != nil {
				return nil, a.failed(ctx, err)
			}
			return out, nil
		})
	})
}

// protected marks operations whose callers the authorizer checks.
func protected() []map[string][]string {
	return []map[string][]string{{"bearer": {}}, {"header": {}}, {"query": {}}}
}

// open marks operations that need no key. The OpenAPI document has to say so.
func open() []map[string][]string { return []map[string][]string{{}} }

// caller returns the caller of a request: with its source and, if the input has such headers, with
// If-Match and Idempotency-Key.
func (a *server) caller(ctx context.Context, in any) (registry.Caller, error) {
	p := &arrivalOf(ctx).Caller
	if p.isNobody() {
		return registry.Caller{}, newError(apikey.CodeMissing, "authorization", "")
	}
	outcomeOf(ctx).keyID = p.KeyID
	c := p.caller()
	c.From = a.origin(ctx)
	var err error
	if change, ok := in.(conditional); ok {
		if c.Match, err = change.revisions(); err != nil {
			return registry.Caller{}, err
		}
	}
	if request, ok := in.(idempotent); ok {
		c.Idempotency, err = request.once()
	}
	return c, err
}

// conditional is an input with the header If-Match.
type conditional interface{ revisions() ([]int64, error) }

// idempotent is an input with the header Idempotency-Key.
type idempotent interface {
	once() (registry.Idempotency, error)
}

// failed returns the response to an error, and gives the log its code. The log has the error itself
// if the response does not tell it.
func (a *server) failed(ctx context.Context, err error) *apiError {
	e := a.errorOf(err)
	o := outcomeOf(ctx)
	o.code = string(e.Detail.Code)
	if e.status >= http.StatusInternalServerError {
		o.err = err
	}
	return e
}
