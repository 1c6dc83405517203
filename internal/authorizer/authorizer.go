// Package authorizer answers API Gateway: a REQUEST authorizer event comes in,
// the gate judges the key in it, a policy document goes out.
//
// A valid key is allowed on the method that was asked for, with a flat context
// for the integration. On the management routes of latchkey's own API a user may
// come with a JSON Web Token in place of a key. A limit is a Deny with a context for the gateway
// response. Everything that is wrong with a key is the error "Unauthorized",
// which API Gateway answers with 401. Any other error says that it could not
// decide, and becomes 503.
package authorizer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/oidc"
	"latchkey/internal/routes"
)

// Checker is what judges; see [apikey.Gate].
type Checker interface {
	Check(ctx context.Context, r apikey.Request) (apikey.Verdict, error)
}

// Users says whose a JSON Web Token is; see [oidc.Verifier].
type Users interface {
	Verify(ctx context.Context, token string) (oidc.Verdict, error)
}

// Options say how events are read.
type Options struct {
	Gate Checker
	// Users judges users who come without a key; nil: there are none.
	Users  Users
	Format apikey.Format
	// Routes say what each route asks for. Once there is a rule, a route without
	// any is refused.
	Routes routes.Rules
	// Public routes need no key. Whoever asks for them is anonymous.
	Public routes.Rules
	// Anonymous lets everybody in, as nobody and without any scope.
	Anonymous bool
	// TrustedProxyHops is how many proxies of our own stand before API Gateway.
	TrustedProxyHops int
	// QueryAPIKey says whether a key may stand in the query as api_key.
	QueryAPIKey bool
	Logger      *slog.Logger
}

// Authorizer is a lambda.Handler.
type Authorizer struct{ Options }

// New returns an authorizer.
func New(o Options) *Authorizer {
	if o.Anonymous {
		o.Logger.Warn("REQUIRE_AUTH IS FALSE: EVERY REQUEST IS LET IN AS anonymous, WHATEVER KEY IT CARRIES")
	}
	return &Authorizer{o}
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

// QuietWriter drops the lines in which aws-lambda-go repeats errors that Invoke has logged, and
// writes all other lines. The main function must pass it to [log.SetOutput]. aws-lambda-go prints
// every error of a handler with the standard logger, and has no option against it. Its fatal errors
// and the stacks of panics go the same way, so the logger cannot be silenced as a whole.
type QuietWriter struct{ io.Writer }

// Write drops the line if it repeats an error of Invoke.
func (w QuietWriter) Write(line []byte) (int, error) {
	for _, err := range []error{ErrUnauthorized, errUnavailable, errEvent} {
		if bytes.Contains(line, []byte(`{"errorMessage":"`+err.Error()+`"`)) {
			return len(line), nil
		}
	}
	return w.Writer.Write(line)
}

// Invoke answers one event.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) (answer []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			a.Logger.ErrorContext(ctx, "panic", "cause", describe(cause), "stack", string(debug.Stack()))
			answer, err = nil, errUnavailable
		}
	}()
	var e event
	err = json.Unmarshal(payload, &e)
	to, ok := e.target()
	if err != nil || !ok || bool(e.Token) {
		s := strangeness(payload)
		a.Logger.LogAttrs(ctx, slog.LevelError, "malformed event", slog.String("event", s.kind), slog.String("set", s.set))
		return nil, errEvent
	}
	p, err := a.authorize(ctx, &e, to)
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

func (a *Authorizer) authorize(ctx context.Context, e *event, to target) (*response, error) {
	if code := e.forged(); code != "" {
		a.Logger.LogAttrs(ctx, slog.LevelWarn, "refused", slog.String("code", code))
		return nil, ErrUnauthorized
	}
	if a.Anonymous || a.Public.Cover(to.method, to.path) {
		return answer("Allow", to.resource, anonymousID, allowed{
			KeyID: anonymousID, UserID: anonymousID, Name: anonymousID,
			UserIDHeader: anonymousID, KeyIDHeader: anonymousID, ScopeHeader: noScopes,
		}), nil
	}
	credential := a.credential(e)
	if a.Users != nil && credential.Missing() && e.management() {
		if token := e.userToken(); token != "" {
			return a.user(ctx, to.resource, token)
		}
	}
	scope := ""
	if !e.managesKeys() { // those routes ask for scopes themselves
		var err error
		if scope, err = a.Routes.Scope(to.method, to.path); err != nil {
			a.Logger.LogAttrs(ctx, slog.LevelWarn, "refused", slog.String("code", "no_route_rule"))
			return nil, ErrUnauthorized
		}
	}
	request := apikey.Request{
		Credential: credential,
		Scope:      scope,
		Source:     e.source(a.TrustedProxyHops),
		Cost:       1,
	}
	if ms := e.RequestContext.RequestTimeEpoch; ms > 0 {
		request.Time = time.UnixMilli(ms)
	}
	v, err := a.Gate.Check(ctx, request)
	if err != nil {
		a.Logger.LogAttrs(ctx, slog.LevelError, "could not decide", slog.String("code", "unavailable"), slog.Any("error", err))
		return nil, errUnavailable
	}
	a.log(ctx, e, v)
	switch v.Code {
	case apikey.CodeValid:
		return allow(to.resource, v), nil
	case apikey.CodeRateLimited, apikey.CodeQuotaExceeded:
		return deny(to.resource, v), nil
	}
	return nil, ErrUnauthorized
}

// user judges a user who came without a key. Which of their keys they may touch
// is for the routes to say.
func (a *Authorizer) user(ctx context.Context, arn, token string) (*response, error) {
	v, err := a.Users.Verify(ctx, token)
	if err != nil {
		a.Logger.LogAttrs(ctx, slog.LevelError, "could not decide", slog.String("code", "unavailable"), slog.Any("error", err))
		return nil, errUnavailable
	}
	if v.Refused != "" {
		a.Logger.LogAttrs(ctx, slog.LevelWarn, "refused", slog.String("code", string(v.Refused)))
		return nil, ErrUnauthorized
	}
	a.Logger.LogAttrs(ctx, slog.LevelDebug, "allowed", slog.String("code", string(apikey.CodeValid)))
	// The principal goes into access logs unescaped, and a sub is anybody's text.
	scopes := strings.Join(v.User.Scopes, " ")
	return answer("Allow", arn, "user", allowed{
		UserID: v.User.ID, Name: v.User.Name, Scopes: scopes, Unlimited: true,
		UserIDHeader: inHeader.Encode(v.User.ID), ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
	}), nil
}

// credential looks at every place where a key may stand. The single-valued maps
// repeat one of the values of the others, which does no harm.
func (a *Authorizer) credential(e *event) apikey.Credential {
	var room [8]string
	found := room[:0]
	for _, h := range []*headers{&e.MultiValueHeaders, &e.Headers} {
		found = append(found, h.APIKey...)
		for _, line := range h.Authorization {
			found = apikey.AppendAuthorization(found, line)
		}
	}
	if a.QueryAPIKey {
		found = append(append(found, e.MultiValueQuery.APIKey...), e.Query.APIKey...)
	}
	return a.Format.Credential(found...)
}

// log writes a line for each refusal. One for each request that passes would
// cost as much as the check itself.
func (a *Authorizer) log(ctx context.Context, e *event, v apikey.Verdict) {
	level, message := slog.LevelWarn, "refused"
	if v.Valid() {
		level, message = slog.LevelDebug, "allowed"
	}
	if !a.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("code", string(v.Code))}
	if v.Key != nil {
		attrs = append(attrs, slog.String("keyId", v.Key.ID))
	}
	if v.Code == apikey.CodeMissing {
		attrs = append(attrs, slog.String("why", e.whyMissing()))
	}
	a.Logger.LogAttrs(ctx, level, message, attrs...)
}

// response is API Gateway's.
type response struct {
	PrincipalID    string `json:"principalId"`
	PolicyDocument policy `json:"policyDocument"`
	Context        any    `json:"context"`
}

type policy struct {
	Version   string
	Statement [1]statement
}

type statement struct {
	Action, Effect, Resource string
}

// anonymousID is who needs no key. It is no key's id and can own none.
const anonymousID = apikey.AnonymousUser

const noScopes = "-"

// allowed is for the integration. An unlimited key has no numbers, and a user
// without a key has none of a key's names either.
type allowed struct {
	// UserIDHeader, KeyIDHeader and ScopeHeader are UserID, KeyID and Scopes as
	// headers for a backend have them; see inHeader. Without scopes ScopeHeader is
	// "-": API Gateway might leave a client's own header alone where it has nothing to
	// put in its place.
	UserIDHeader string             `json:"userIdHeader"`
	KeyIDHeader  string             `json:"keyIdHeader,omitempty"`
	ScopeHeader  string             `json:"scopeHeader"`
	KeyID        string             `json:"keyId,omitempty"`
	UserID       string             `json:"userId"`
	Name         string             `json:"name"`
	Scopes       string             `json:"scopes"`
	Environment  apikey.Environment `json:"environment"`
	Internal     bool               `json:"internal"`
	Unlimited    bool               `json:"unlimited,omitempty"`
	// Generation and Replaced say which of the key's tokens was presented; see
	// [apikey.Presented]. The number is text, which no API Gateway writes in another way.
	Generation string `json:"generation,omitempty"`
	Replaced   bool   `json:"replaced,omitempty"`
	*usage
}

// denied is for the gateway response.
type denied struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	*usage
	RetryAfter int64 `json:"retryAfter"`
}

type usage struct {
	Limit     int64 `json:"limit"`
	Remaining int64 `json:"remaining"`
	Reset     int64 `json:"reset"`
}

func allow(arn string, v apikey.Verdict) *response {
	scopes := strings.Join(v.Key.Scopes, " ")
	return answer("Allow", arn, v.Key.ID, allowed{
		KeyID: v.Key.ID, UserID: v.Key.UserID, Name: v.Key.Name, Scopes: scopes,
		UserIDHeader: inHeader.Encode(v.Key.UserID), KeyIDHeader: inHeader.Encode(v.Key.ID), ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
		Environment: v.Key.Environment, Internal: v.Key.Internal, Unlimited: v.Key.Unlimited, usage: usageOf(v),
		Generation: strconv.FormatInt(v.Key.Generation(), 10), Replaced: v.Replaced,
	})
}

func deny(arn string, v apikey.Verdict) *response {
	code := "rate_limit_exceeded"
	if v.Code == apikey.CodeQuotaExceeded {
		code = "insufficient_quota"
	}
	return answer("Deny", arn, v.Key.ID, denied{
		Code: code, Message: v.Message(), usage: usageOf(v), RetryAfter: int64(v.RetryAfter / time.Second),
	})
}

func answer(effect, arn, principal string, context any) *response {
	return &response{
		PrincipalID: principal,
		PolicyDocument: policy{
			Version:   "2012-10-17",
			Statement: [1]statement{{Action: "execute-api:Invoke", Effect: effect, Resource: arn}},
		},
		Context: context,
	}
}

func usageOf(v apikey.Verdict) *usage {
	if v.Key.Unlimited {
		return nil
	}
	return &usage{Limit: v.Usage.Limit, Remaining: v.Usage.Remaining, Reset: v.Usage.Reset.Unix()}
}

// describe says what a panic was about without the values in it, one of which
// could be a secret.
func describe(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", cause)
}
