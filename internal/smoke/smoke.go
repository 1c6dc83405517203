// Package smoke checks a deployed stack from outside. It checks everything that latchkey expects of
// API Gateway in front of it, and writes one line for each check. Call [Run] with the URL that
// [ParseURL] returns. Run makes two keys, uses up the limit of one, and revokes the other. It makes two
// more for a user with a plan, and suspends the user. It deletes all four keys. The plan stays, and so
// does an empty record of the user.
//
// The package uses neither the handlers nor the template, so it sees a stack as a caller does.
package smoke

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/redact"
)

// Options describe the stack and where to report.
type Options struct {
	// URL is the URL of the API with its stage: https://….amazonaws.com/prod.
	URL *url.URL
	// Key is an admin key. It is sent only to URL, in a header. With Outage it is not used.
	Key redact.Secret[string]
	// Freshness, QueryAPIKey, ProtectValidate and DenyStatus must have the values of the stack's
	// parameters of these names.
	Freshness       time.Duration
	QueryAPIKey     bool
	ProtectValidate bool
	DenyStatus      int
	// Backend says that the stack has a BackendUrl, and Console that it has a console.
	Backend, Console bool
	// Outage says that the stack's functions cannot reach the table. Run then checks only that every
	// request is answered 503.
	Outage bool
	// Echo says that the BackendUrl of the stack leads to an [Echo]. Run then checks only what reaches
	// the backend.
	Echo bool
	// Throttle is the largest number of requests to revoke-by-token at once, to see the answer of a
	// stage that throttles. If 0, none are sent.
	Throttle int
	// Report is called for each check, one after another.
	Report func(Row)
	// Timeout is the longest time for one request. The default is 15 s.
	Timeout time.Duration
	// Now must return the current time. It is used if an answer has no Date header.
	Now func() time.Time
}

const (
	// A cold function answers within 2 s. One that cannot reach the table answers within 3 s.
	requestTimeout = 15 * time.Second
	runTimeout     = 2 * time.Minute // plus three times Freshness
	cleanTimeout   = 20 * time.Second
	crowdSize      = 8 // concurrent calls, so that more than one instance answers
)

// ParseURL reads the URL of a stack. It allows http only for this machine, because an admin key is
// sent with the requests. Its errors do not repeat the text, which may contain a token.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	local := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !local), u.Host == "":
		return nil, errors.New("the URL must be of the form https://host/stage, or http://localhost:port for this machine")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL must not have a user, a query or a fragment")
	}
	return u, nil
}

// Run makes all checks and reports a row for each. It returns an error if it had to stop early, or if
// it could not delete one of its keys. It stops when a request has no answer, when ctx ends, or when
// the checks take too long.
func Run(ctx context.Context, o Options) error {
	bounded, cancel := context.WithTimeout(ctx, runTimeout+3*o.Freshness)
	defer cancel()
	bounded, stop := context.WithCancelCause(bounded)
	defer stop(nil)
	r := &run{Options: o, ctx: bounded, stop: stop, secrets: []redact.Secret[string]{o.Key}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.Echo { // HTTP/2 would write all names of headers in lower case
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetHTTP1(true)
	}
	defer transport.CloseIdleConnections()
	r.client = &http.Client{
		Transport: transport,
		Timeout:   cmp.Or(o.Timeout, requestTimeout),
		// Following a redirect would send the key to another service.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := r.probe(); err != nil {
		stop(err)
	}
	switch {
	case o.Outage:
		r.outage()
	case o.Echo:
		r.echo()
	default:
		r.service()
		r.pages()
		r.refusals()
		r.routes()
		r.preflight()
		r.proxies()
		r.keys()
		r.people()
		r.assumption = outages
		r.skip("503: a caller cannot make the table fail; --outage checks a stack whose functions cannot reach it")
		r.throttle()
	}
	return r.finish()
}

type run struct {
	Options
	ctx        context.Context
	stop       context.CancelCauseFunc
	client     *http.Client
	secrets    []redact.Secret[string]
	assumption Assumption // of the next checks
	checks     int
	made       []string // ids of the keys that are not deleted yet
}

// limitHeaders are the headers of a limit. A browser may read them only if the answer exposes them.
var limitHeaders = []string{"Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}

func (r *run) service() {
	r.assumption = reaches
	r.expect(r.get("health", ownHealth), status(200), isJSON, cors, field("status", "ok"))
	r.expect(r.get("the OpenAPI document", api.OwnPrefix+api.DocumentPath),
		status(200), cors, fieldMatches("openapi", whole(`3\.1\.\d`)))
	r.expect(r.get("the admin key", api.WhoamiPath, "X-API-Key: "+r.Key.Reveal()),
		status(200), isJSON, cors, exposes(limitHeaders[1:]...))
}

// pages checks the manual, and the console if the stack has one.
func (r *run) pages() {
	r.assumption = pages
	r.folder("the manual", "docs")
	if r.Console {
		r.folder("the console", "console")
	}
}

// folder checks a folder of pages: its redirect, its first page, and a page that it does not have.
func (r *run) folder(name, folder string) {
	at := api.OwnPrefix + "/" + folder
	moved, first := r.get(name+" without the slash", at), at+"/index.html"
	r.expect(moved, status(307))
	r.checkOn(stage, moved.name+": header Location", moved.location() == r.URL.String()+first,
		r.URL.Path+first, moved.header.Get("Location"))
	r.expect(r.get(name+", its first page", first), append(page(), status(200))...)
	r.expect(r.get(name, at+"/"), append(page(), status(200))...)
	r.expect(r.get(name+", a page that does not exist", at+"/no-such-page"), append(page(), status(404))...)
}

// page returns the expectations for each answer of a page. A browser obeys these headers, so an answer
// without them would let a text in a page run as a script.
func page() []expectation {
	return []expectation{
		header("Content-Type", "text/html; charset=utf-8"), header("X-Content-Type-Options", "nosniff"),
		header("Referrer-Policy", "no-referrer"), header("Cross-Origin-Opener-Policy", "same-origin"),
		headerMatches("Content-Security-Policy", whole(`default-src 'none'; script-src 'self'; style-src 'self'; `+
			`img-src 'self' data:; connect-src 'self'[^;]*; base-uri 'none'; form-action 'none'; `+
			`frame-ancestors 'none'; require-trusted-types-for 'script'`)),
	}
}

func (r *run) refusals() {
	r.assumption = refuses
	unknown := "smoke-" + rand.Text()
	r.expect(r.get("no key", api.WhoamiPath), unauthorized()...)
	r.expect(r.get("a malformed key", api.WhoamiPath, "X-API-Key: x"), unauthorized()...)
	r.expect(r.get("an unknown key", api.WhoamiPath, "Authorization: Bearer "+unknown), unauthorized()...)
	r.assumption = allHeaders // the authorizer refuses those that claim an identity
	r.expect(r.get("a header that says who the caller is", api.WhoamiPath,
		"X-API-Key: "+r.Key.Reveal(), "X-User-Id: smoke"), unauthorized()...)
	r.assumption = refuses
	if r.ProtectValidate {
		r.expect(r.send("no key for validate", http.MethodPost, api.ValidatePath, validation(unknown)),
			unauthorized()...)
	}
	r.expect(r.send("no key for a change", http.MethodPost, api.KeysPath, api.CreateRequest{}), unauthorized()...)
}

// unauthorized returns the expectations for the gateway's answer when the authorizer refuses a key.
func unauthorized() []expectation {
	return []expectation{
		status(401), isJSON, cors, exposes("WWW-Authenticate"),
		header("WWW-Authenticate", `Bearer realm="latchkey"`),
		envelope(apikey.Refused, api.InvalidRequestError, "authorization", apikey.CodeInvalidKey),
	}
}

// routes checks routes that latchkey does not have. With a backend they belong to it and require a
// key. Otherwise API Gateway's default answer would be 403. With an Authorization header it would be
// an error about an AWS signature.
func (r *run) routes() {
	notFound := []expectation{
		status(404), isJSON, cors, envelope("No such route", api.InvalidRequestError, "", apikey.CodeNotFound),
	}
	wanted := notFound
	r.assumption = unknownRoutes
	if r.Backend {
		wanted, r.assumption = unauthorized(), refuses
	}
	r.expect(r.get("an unknown route", "/no-such-route"), wanted...)
	r.expect(r.get("an unknown route beside known ones", "/api/v1/no-such-route"), wanted...)
	// Not the admin key, because API Gateway's default answer would repeat Authorization.
	random := "smoke-" + rand.Text()
	r.expect(r.get("an unknown route with a key", "/no-such-route", "X-API-Key: "+random), wanted...)
	r.expect(r.get("an unknown route with Authorization", "/no-such-route", "Authorization: Bearer "+random),
		wanted...)
	r.assumption = unknownRoutes
	// The backend has no method of latchkey's own paths.
	r.expect(r.send("an unknown method", http.MethodPut, ownHealth, nil), notFound...)
}

// proxies asks as proxies do. A status other than that of an error would let requests pass.
func (r *run) proxies() {
	r.assumption = questions
	r.expect(r.get("a proxy that asks about nothing", api.AuthorizePath, "X-API-Key: "+r.Key.Reveal()), status(400))
	r.expect(r.send("a proxy that asks about a preflight", http.MethodOptions, api.AuthorizePath+"/smoke", nil,
		"Origin: https://example.com", "Access-Control-Request-Method: GET"), status(401))
	r.expect(r.get("a proxy that asks about two paths", api.AuthorizePath+"/", "X-API-Key: "+r.Key.Reveal(),
		"X-Original-Method: GET", "X-Original-Uri: /smoke"), status(401))
}

func (r *run) preflight() {
	r.assumption = preflights
	for _, at := range []struct{ path, method string }{
		{api.WhoamiPath, http.MethodGet}, {api.KeysPath, http.MethodPost},
		{api.KeysPath + "/abc", http.MethodPatch}, {api.ValidatePath, http.MethodPost},
	} {
		a := r.send("preflight of "+at.method+" "+at.path, http.MethodOptions, at.path, nil, "Origin: https://example.com",
			"Access-Control-Request-Method: "+at.method, "Access-Control-Request-Headers: authorization,content-type,x-api-key")
		r.expect(a, status(200), cors, lists("Access-Control-Allow-Methods", at.method),
			lists("Access-Control-Allow-Headers", "Authorization", "Content-Type", "X-API-Key"))
	}
}

// outage checks a stack that cannot reach the table. It needs no key, because even an unknown token
// cannot be refused without the table.
func (r *run) outage() {
	r.assumption = outages
	unknown := "smoke-" + rand.Text()
	r.secrets = append(r.secrets, redact.New(unknown))
	undecided := func(message string) []expectation {
		return []expectation{
			status(503), isJSON, cors, exposes("Retry-After"), header("Retry-After", "1"),
			envelope(message, api.APIError, "", apikey.CodeUnavailable),
		}
	}
	const own = "The request could not be decided. Try again."
	const gateways = "The API key could not be checked. Try again."
	r.expect(r.get("a key, without the table", api.WhoamiPath, "X-API-Key: "+unknown), undecided(gateways)...)
	r.expect(r.send("validate, without the table", http.MethodPost, api.ValidatePath, validation(unknown)),
		undecided(own)...)
	r.expect(r.get("health, without the table", ownHealth), undecided(own)...)
	r.expect(r.get("no key, without the table", api.WhoamiPath), unauthorized()...)
}
