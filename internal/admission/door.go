// Package admission decides whether a request may pass a front door: API Gateway, a proxy that asks,
// or latchkey's own server. It has all that is true at each of them. Make a [Door] with [New]. For each
// request, fill a [Request] and call [Door.Decide]. The front door then answers in its own form.
//
// [Decision.Caller] is what a backend may know of the caller. [Door.Assert] signs it.
package admission

import (
	"context"
	"log/slog"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/routes"
)

// Checker judges requests; see [gate.Gate].
type Checker interface {
	// Check must return an error only if it could not decide. A verdict with CodeValid,
	// CodeRateLimited, CodeQuotaExceeded or CodeCostAboveLimit must have a key.
	Check(ctx context.Context, r gate.Request) (apikey.Verdict, error)
}

// Users judges JSON Web Tokens. Package oidc has an implementation.
type Users interface {
	// Verify must return an error only if it could not decide.
	Verify(ctx context.Context, token string) (UserVerdict, error)
}

// User is a user who came without a key.
type User struct {
	ID      string // of the owner of the user's keys
	Subject string // the token's sub
	Name    string // may be empty
	Scopes  apikey.Scopes
	// Groups are the groups whose keys the user may manage. BadGroups is the number of those that no
	// key can belong to.
	Groups    []string
	BadGroups int
}

// UserVerdict is the answer to one JSON Web Token: either a user or the reason of a refusal.
type UserVerdict struct {
	User    User
	Refused apikey.Code // empty if the token is accepted
}

// Options are the settings of a [Door]. Gate, Format and Logger are required.
type Options struct {
	Gate Checker
	// Users judges users who come without a key. If nil, every request needs a key.
	Users  Users
	Format apikey.Format
	// Signer signs assertions for backends. If nil, no request has one.
	Signer Signer
	// PassMetadata says that backends get the metadata of keys in the header X-Latchkey-Metadata.
	PassMetadata bool
	// Routes are the scopes that routes need. If there is a rule, a route without a rule is refused.
	Routes routes.Rules
	// Costs say how many requests one request of a route counts as.
	Costs routes.Costs
	// Public are the routes that need no key. Their callers are anonymous.
	Public routes.Rules
	// Anonymous allows every request without a key. Its caller has no scopes.
	Anonymous bool
	// TrustedProxyHops is the number of the deployment's own proxies before the front door.
	TrustedProxyHops int
	// QueryAPIKey is whether the query parameter api_key may hold a token.
	QueryAPIKey bool
	Logger      *slog.Logger
}

// Door decides about requests. It is safe for concurrent use if its gate and its users are.
type Door struct{ Options }

// New returns a door. It logs a warning if all requests are anonymous.
func New(o Options) *Door {
	if o.Anonymous {
		o.Logger.Warn("REQUIRE_AUTH IS FALSE: EVERY REQUEST IS LET IN AS anonymous, WHATEVER KEY IT CARRIES")
	}
	return &Door{o}
}

// Decision is the answer to one request. The request may pass if and only if the verdict is valid.
type Decision struct {
	// Verdict is the gate's verdict. If the gate was not asked, it has a code and no key.
	Verdict apikey.Verdict
	// User is the user who came without a key, or nil.
	User *User
	// Anonymous says that the caller needs no key.
	Anonymous bool
	arrived   time.Time // of the request; zero if it is not known
}

// OverLimit reports whether the request is refused for a limit, a quota or a cost alone. Its key is
// then good. Every other refusal is one of the caller.
func (d *Decision) OverLimit() bool {
	switch d.Verdict.Code {
	case apikey.CodeRateLimited, apikey.CodeQuotaExceeded, apikey.CodeCostAboveLimit:
		return true
	}
	return false
}

// Decide judges a request. It spends from the key's limits if the request may pass, and only then. An
// error means that it could not decide. It is never evidence against the caller, and its text must
// not reach the caller. Decide logs every refusal and every error.
//
// Forged headers are refused first, even on public routes: a backend would believe them.
func (d *Door) Decide(ctx context.Context, r *Request) (Decision, error) {
	if code := r.forged(); code != "" {
		return d.refuse(ctx, r, code), nil
	}
	if d.Anonymous || d.Public.Cover(r.Method, r.Path) {
		return Decision{Verdict: apikey.Verdict{Code: apikey.CodeValid}, Anonymous: true}, nil
	}
	credential := d.credential(r)
	if d.Users != nil && credential.Missing() && r.acceptsUsers() {
		if token := r.userToken(); token != "" {
			return d.decideUser(ctx, r, token)
		}
	}
	return d.decideKey(ctx, r, credential)
}

// decideUser judges a user who came without a key. The routes decide which keys the user may manage.
func (d *Door) decideUser(ctx context.Context, r *Request, token string) (Decision, error) {
	v, err := d.Users.Verify(ctx, token)
	if err != nil {
		return Decision{}, d.undecided(ctx, r, err)
	}
	if v.Refused != "" {
		return d.refuse(ctx, r, v.Refused), nil
	}
	d.Logger.LogAttrs(ctx, slog.LevelDebug, "allowed", slog.String("code", string(apikey.CodeValid)))
	user := v.User
	_, kept := groupsOf(user.Groups)
	if ignored := len(user.Groups) - kept + user.BadGroups; ignored > 0 {
		d.Logger.LogAttrs(ctx, slog.LevelWarn, "groups ignored", slog.Int("ignored", ignored))
	}
	user.Groups = user.Groups[:kept]
	return Decision{Verdict: apikey.Verdict{Code: apikey.CodeValid}, User: &user}, nil
}

// decideKey has the gate judge the credential, which may be missing.
func (d *Door) decideKey(ctx context.Context, r *Request, credential apikey.Credential) (Decision, error) {
	request := gate.Request{Credential: credential, Source: d.source(r), Cost: 1, RouteCost: true, Time: r.Time}
	if !r.managesKeys() {
		var err error
		if request.Scope, err = d.Routes.Scope(r.Method, r.Path); err != nil {
			return d.refuse(ctx, r, apikey.CodeNoRouteRule), nil
		}
		request.Cost = d.Costs.Cost(r.Method, r.Path)
	}
	v, err := d.Gate.Check(ctx, request)
	if err != nil {
		return Decision{}, d.undecided(ctx, r, err)
	}
	d.log(ctx, r, &v)
	return Decision{Verdict: v, arrived: r.Time}, nil
}
