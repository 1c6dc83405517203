// Package authorizer answers API Gateway: it reads a REQUEST authorizer event, has the gate judge
// the token in it, and returns a policy. Make an [Authorizer] with [New], and hand it to Lambda.
//
// One request goes through the package from top to bottom. [Authorizer.Invoke] reads the event
// (event.go), collects the credential (credential.go), asks the gate, writes a policy (policy.go)
// and logs a line (log.go).
//
// A valid key gets an Allow for the requested method, with a flat context for the integration. On
// the management routes of latchkey's own API, a user may send a JSON Web Token in place of a key. A
// key that has reached a limit gets a Deny, with a context for the gateway response. Every other
// refusal is [ErrUnauthorized], which API Gateway answers with 401. Any other error means that the
// authorizer could not decide, and becomes 503.
package authorizer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/jsonio"
	"latchkey/internal/oidc"
	"latchkey/internal/routes"
)

// Checker judges requests; see [gate.Gate].
type Checker interface {
	// Check must return an error only if it could not decide. A verdict with CodeValid,
	// CodeRateLimited, CodeQuotaExceeded or CodeCostAboveLimit must have a key.
	Check(ctx context.Context, r gate.Request) (apikey.Verdict, error)
}

// Users judges JSON Web Tokens; see [oidc.Verifier].
type Users interface {
	// Verify must return an error only if it could not decide.
	Verify(ctx context.Context, token string) (oidc.Verdict, error)
}

// Options are the settings of an [Authorizer]. Gate, Format and Logger are required.
type Options struct {
	Gate Checker
	// Users judges users who come without a key. If nil, every request needs a key.
	Users  Users
	Format apikey.Format
	// Signer signs assertions for backends. If nil, no request has one.
	Signer Signer
	// Routes are the scopes that routes need. If there is a rule, a route without a rule is refused.
	Routes routes.Rules
	// Costs say how many requests one request of a route counts as.
	Costs routes.Costs
	// Public are the routes that need no key. Their callers are anonymous.
	Public routes.Rules
	// Anonymous allows every request without a key. Its caller has no scopes.
	Anonymous bool
	// TrustedProxyHops is the number of the deployment's own proxies before API Gateway.
	TrustedProxyHops int
	// QueryAPIKey is whether the query parameter api_key may hold a token.
	QueryAPIKey bool
	Logger      *slog.Logger
}

// Authorizer is a lambda.Handler. It is safe for concurrent use if its gate and its users are.
type Authorizer struct {
	Options
	readers sync.Pool // of *jsonio.Reader
}

// room is how many texts and lists of an event are usually read.
const room = 8

// New returns an authorizer. It logs a warning if all requests are anonymous.
func New(o Options) *Authorizer {
	if o.Anonymous {
		o.Logger.Warn("REQUIRE_AUTH IS FALSE: EVERY REQUEST IS LET IN AS anonymous, WHATEVER KEY IT CARRIES")
	}
	return &Authorizer{Options: o, readers: sync.Pool{New: func() any { return jsonio.NewReader(room) }}}
}

// ErrUnauthorized is the error that API Gateway answers with 401. API Gateway recognises it by its
// exact text. It is an answer, so it does not count as a failure of the function.
var ErrUnauthorized = errors.New("Unauthorized")

// Invoke returns one of these errors if it could not decide. API Gateway answers both with the
// same 503. Lambda writes their texts to its log, so they contain nothing of the request.
var (
	errUnavailable = errors.New("unavailable: the key could not be checked")
	errEvent       = errors.New("not a REQUEST authorizer event")
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
	e, err := readEvent(text)
	if err != nil {
		return nil, a.malformed(ctx, payload)
	}
	r, err := a.decide(ctx, &e)
	if err != nil {
		return nil, err
	}
	return a.answer(ctx, &e, r)
}

// decide judges a request. Forged headers are refused first, even on public routes: a backend would
// believe them.
func (a *Authorizer) decide(ctx context.Context, e *event) (*response, error) {
	if code := e.forged(); code != "" {
		return nil, a.refuse(ctx, e, code)
	}
	if a.Anonymous || a.Public.Cover(e.method, e.path) {
		return allowAnonymous(e.arn), nil
	}
	credential := a.credential(e)
	if a.Users != nil && credential.Missing() && e.acceptsUsers() {
		if token := e.userToken(); token != "" {
			return a.decideUser(ctx, e, token)
		}
	}
	return a.decideKey(ctx, e, credential)
}

// decideUser judges a user who came without a key. The routes decide which keys the user may manage.
func (a *Authorizer) decideUser(ctx context.Context, e *event, token string) (*response, error) {
	v, err := a.Users.Verify(ctx, token)
	if err != nil {
		return nil, a.undecided(ctx, e, err)
	}
	if v.Refused != "" {
		return nil, a.refuse(ctx, e, v.Refused)
	}
	a.Logger.LogAttrs(ctx, slog.LevelDebug, "allowed", slog.String("code", string(apikey.CodeValid)))
	r, ignored := allowUser(e.arn, v.User)
	if ignored += v.User.BadGroups; ignored > 0 {
		a.Logger.LogAttrs(ctx, slog.LevelWarn, "groups ignored", slog.Int("ignored", ignored))
	}
	return r, nil
}

// decideKey has the gate judge the credential, which may be missing.
func (a *Authorizer) decideKey(ctx context.Context, e *event, credential apikey.Credential) (*response, error) {
	request := gate.Request{Credential: credential, Source: e.source(a.TrustedProxyHops), Cost: 1, RouteCost: true}
	if e.requestTime > 0 {
		request.Time = time.UnixMilli(e.requestTime)
	}
	if !e.managesKeys() {
		var err error
		if request.Scope, err = a.Routes.Scope(e.method, e.path); err != nil {
			return nil, a.refuse(ctx, e, apikey.CodeNoRouteRule)
		}
		request.Cost = a.Costs.Cost(e.method, e.path)
	}
	v, err := a.Gate.Check(ctx, request)
	if err != nil {
		return nil, a.undecided(ctx, e, err)
	}
	a.log(ctx, e, v)
	switch v.Code {
	case apikey.CodeValid:
		return allowKey(e.arn, v), nil
	case apikey.CodeRateLimited, apikey.CodeQuotaExceeded, apikey.CodeCostAboveLimit:
		return denyKey(e.arn, v), nil
	}
	return nil, ErrUnauthorized
}
