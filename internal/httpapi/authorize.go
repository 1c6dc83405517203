package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/admission"
	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// errorHeader has the body of an error in one line. The configuration of nginx sees the headers of
// an answer, and not its body.
const errorHeader = "X-Latchkey-Error"

// authorize answers a proxy that asks whether a request may pass. The answer is 200 with headers for
// the backend, or an error. tail is what follows the route in the path. Envoy writes there for which
// path it asks. The headers are those of the request that the proxy asks about.
func (a *server) authorize(w http.ResponseWriter, r *http.Request, tail string) {
	o := outcomeOf(r.Context())
	// A front door finds a route whether or not its path ends in a slash. The path that is asked about
	// keeps the slash, and "/" is not the route itself, where headers name the path.
	if strings.HasSuffix(o.arrival.Path, "/") && !strings.HasSuffix(tail, "/") {
		tail += "/"
	}
	if problem := a.admit(w.Header(), r, tail); problem != nil {
		if o.code == "" {
			o.code = string(problem.Detail.Code)
		}
		w.Header().Set(errorHeader, oneLine(problem))
		write(w, problem)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// admit decides about the request that a proxy asks about, and sets the headers of the answer.
func (a *server) admit(answer http.Header, r *http.Request, tail string) *apiError {
	if a.Door == nil {
		return newError(apikey.CodeNotFound, "", "")
	}
	o := outcomeOf(r.Context())
	t, forged, problem := targetOf(r, tail)
	if problem != nil {
		o.code = string(forged)
		return problem
	}
	request := admission.Request{
		Method: t.method, Path: t.path, Resource: api.AuthorizePath,
		Headers: admission.HeadersOf(r.Header), Query: t.parameters(),
		Peer: o.arrival.Peer, Time: o.arrival.Time, ID: o.arrival.ID,
	}
	o.logged = true // by the door
	// The gate has a limit of its own for the time, as in validate.
	d, err := a.Door.Decide(context.WithoutCancel(r.Context()), &request)
	if err != nil {
		return newError(apikey.CodeUnavailable, "", "")
	}
	if window, ok := d.Window(); ok {
		setWindow(answer, window, d.RateLimit())
	}
	if !d.Verdict.Valid() {
		return refusal(d.Verdict)
	}
	c := d.Caller()
	assertion, err := a.Door.Assert(r.Context(), &request, &c, a.ForwardAudience)
	if err != nil {
		return newError(apikey.CodeUnavailable, "", "")
	}
	setCaller(answer, &c, assertion)
	if text := a.Door.MetadataHeader(r.Context(), &request, &c); text != "" {
		answer.Set("X-Latchkey-Metadata", text)
	}
	return nil
}

// refusal returns the response to a request that may not pass. It tells no more than validate does.
func refusal(v apikey.Verdict) *apiError {
	row := v.Code.Info()
	var e *apiError
	switch {
	case !row.Verdict:
		e = newError(apikey.CodeInvalidKey, "authorization", "")
	case v.Code == apikey.CodeInsufficientScope:
		e = newError(v.Code, "", v.Message())
	case row.AtGateway == apikey.CodeInvalidKey:
		e = newError(apikey.CodeInvalidKey, "authorization", v.Message())
	default:
		e = newError(row.AtGateway, "", v.Message())
	}
	if e.status == http.StatusUnauthorized {
		e.headers = http.Header{"Www-Authenticate": {`Bearer realm="latchkey"`}}
	}
	if wait := int64(v.RetryAfter / time.Second); wait > 0 {
		e.retryAfter(wait)
	}
	return e
}

// setWindow sets the headers with the state of the caller's limit.
func setWindow(h http.Header, w admission.Window, l admission.RateLimit) {
	if l.State != "" {
		h.Set("RateLimit-Policy", l.Policy)
		h.Set("RateLimit", l.State)
	}
	h.Set("X-RateLimit-Limit", strconv.FormatInt(w.Limit, 10))
	h.Set("X-RateLimit-Remaining", strconv.FormatInt(w.Remaining, 10))
	if w.Reset != 0 {
		h.Set("X-RateLimit-Reset", strconv.FormatInt(w.Reset, 10))
	}
}

// setCaller sets the headers that a proxy passes on to its backend. assertion may be empty.
func setCaller(h http.Header, c *admission.Caller, assertion string) {
	h.Set("X-User-Id", c.UserIDHeader)
	h.Set("X-Key-Id", c.KeyIDHeader)
	h.Set("X-Scopes", c.ScopeHeader)
	if assertion != "" {
		h.Set("X-Latchkey-Assertion", assertion)
	}
}

// oneLine returns an error as JSON for a header. Another service may have written the message, so
// characters beyond ASCII become "?".
func oneLine(e *apiError) string {
	var text strings.Builder
	_ = writeJSON(&text, e) // a Builder takes everything
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, strings.TrimSuffix(text.String(), "\n"))
}

type authorizeInput struct {
	OriginalMethod  string `header:"X-Original-Method" doc:"The method of the request that the proxy asks about" example:"GET"`
	OriginalURI     string `header:"X-Original-URI" doc:"Its path and query, as the backend gets them" example:"/tts/speak"`
	ForwardedMethod string `header:"X-Forwarded-Method" doc:"X-Original-Method under the name that Traefik and Caddy use"`
	ForwardedURI    string `header:"X-Forwarded-Uri" doc:"X-Original-URI under the name that Traefik and Caddy use"`
	ForwardedFor    string `header:"X-Forwarded-For" doc:"The addresses that the request came from. TRUSTED_PROXY_HOPS says which one counts"`
}

type authorizeOutput struct {
	WindowHeaders
	UserID    string `header:"X-User-Id" doc:"This and the next two are for the backend"`
	KeyID     string `header:"X-Key-Id"`
	Scopes    string `header:"X-Scopes" doc:"With spaces between them; - if there are none"`
	Assertion string `header:"X-Latchkey-Assertion" doc:"Present if FORWARD_AUDIENCE is set"`
	Metadata  string `header:"X-Latchkey-Metadata" doc:"The metadata of the key as JSON, percent-encoded. Present if METADATA_HEADER is true, and the key has any of at most 4 KB"`
}

// registerAuthorize adds the operation to the document. The guard calls it, because a proxy may ask
// with every method and query, and at every path below the route.
func (a *server) registerAuthorize() {
	o := &huma.Operation{
		OperationID: "authorize", Method: http.MethodGet, Path: api.AuthorizePath, Tags: []string{"checks"},
		Security: open(),
		Summary:  "Whether a request may pass a proxy",
		Description: "For a proxy that asks before it passes a request on. It spends what the request costs. " +
			"The request has the headers of the one that is asked about, and names its method and path in one of three ways: " +
			"X-Original-Method with X-Original-URI, X-Forwarded-Method with X-Forwarded-Uri, or as Envoy does, " +
			"by its own method and by the path after " + api.AuthorizePath + ". " +
			"If there is more than one, all must agree. Every method may ask.",
		DefaultStatus: http.StatusOK,
		Errors:        []int{400, 401, 403, 429, 503, http.StatusInternalServerError},
	}
	a.registrations = append(a.registrations, func(to *registered) {
		huma.Register(to.api, *o, func(context.Context, *authorizeInput) (*authorizeOutput, error) {
			return nil, newError(apikey.CodeNotFound, "", "")
		})
		to.documentBody(reflect.TypeFor[authorizeInput]())
	})
}
