// Package smoke asks a deployed stack, from outside, for what latchkey expects of
// API Gateway in front of it, and says line by line what it found. [Run] makes
// two keys of its own, uses them up, revokes one, and deletes both.
//
// Nothing in it knows of the handlers or of the template: it is the caller's view.
package smoke

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/redact"
)

// Options say what to ask.
type Options struct {
	// URL is where the API answers, stage and all: https://….amazonaws.com/prod.
	URL *url.URL
	// Key is an admin key. It goes nowhere but to URL, in a header. With Outage it
	// is not used.
	Key redact.Secret[string]
	// Freshness, QueryAPIKey, ProtectValidate and DenyStatus are the stack's own
	// parameters, and Backend whether it stands before a BackendUrl.
	Freshness       time.Duration
	QueryAPIKey     bool
	ProtectValidate bool
	DenyStatus      int
	Backend         bool
	// Outage expects a stack whose functions cannot reach the table, and only that.
	Outage bool
	// Out gets a line for each check, without any key in it.
	Out io.Writer
	Now func() time.Time
}

const (
	// A cold function answers within 2 s, one that waits for a lost table within 3.
	requestTimeout = 15 * time.Second
	runTimeout     = 2 * time.Minute // and Freshness
	cleanTimeout   = 20 * time.Second
	crowd          = 8 // calls at once, so that more than one environment answers
)

// ParseURL reads where a stack answers. Only a machine's own loopback may be
// spoken to without TLS, since an admin key is sent along.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil {
		return nil, errors.New("the URL cannot be read") // what is wrong with it could be a key in it
	}
	local := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !local), u.Host == "":
		return nil, errors.New("the URL must be of the form https://host/stage, or http:// and this machine")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL must not have a user, a query or a fragment")
	}
	return u, nil
}

// Run makes all checks and returns how many differed. An error means that it did
// not come to an end: ctx or the time was over, or a key could not be deleted.
func Run(ctx context.Context, o Options) (differences int, err error) {
	bounded, cancel := context.WithTimeout(ctx, runTimeout+o.Freshness)
	defer cancel()
	r := &run{Options: o, ctx: bounded, report: report{out: o.Out, secrets: []redact.Secret[string]{o.Key}}}
	r.client = &http.Client{
		Timeout: requestTimeout,
		// Whoever is led elsewhere would take the key along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.Outage {
		r.outage()
	} else {
		r.service()
		r.refusals()
		r.routes()
		r.preflight()
		r.keys()
		r.skip("503: no caller can make the table fail; --outage looks at a stack whose functions cannot reach theirs")
		r.skip("429 of the stage's own throttling: it would take as many requests as the stage allows everybody")
	}
	err = r.clean()
	if bounded.Err() != nil {
		err = errors.Join(err, fmt.Errorf("stopped before the end: %w", context.Cause(bounded)))
	}
	r.sum()
	return r.differences, err
}

type run struct {
	Options
	report
	ctx    context.Context
	client *http.Client
	made   []string // ids of keys that are not deleted yet
}

const (
	whoamiPath   = "/api/v1/whoami"
	keysPath     = "/api/v1/api-keys"
	validatePath = keysPath + "/validate"
)

// limited are the headers that a browser may read only if it is told so.
var limited = []string{"Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}

func (r *run) service() {
	r.expect(r.get("health", "/health"), status(200), isJSON, cors, field("status", "ok"))
	r.expect(r.get("the OpenAPI document", "/openapi.json"), status(200), cors, fieldMatches("openapi", whole(`3\.1\.\d`)))
	r.expect(r.get("the admin key", whoamiPath, "X-API-Key: "+r.Key.Reveal()), status(200), isJSON, cors, exposes(limited[1:]...))
}

func (r *run) refusals() {
	unknown := "smoke-" + rand.Text()
	r.expect(r.get("no key", whoamiPath), unauthorized()...)
	r.expect(r.get("a malformed key", whoamiPath, "X-API-Key: x"), unauthorized()...)
	r.expect(r.get("an unknown key", whoamiPath, "Authorization: Bearer "+unknown), unauthorized()...)
	// The authorizer must see the names of headers, and a client must not get past it by one.
	r.expect(r.get("a header that says who the caller is", whoamiPath, "X-API-Key: "+r.Key.Reveal(), "X-User-Id: smoke"), unauthorized()...)
	if r.ProtectValidate {
		r.expect(r.send("no key for validate", http.MethodPost, validatePath, `{"apiKey":"`+unknown+`"}`), unauthorized()...)
	}
	r.expect(r.send("no key for a change", http.MethodPost, keysPath, `{"name":"smoke"}`), unauthorized()...)
}

// unauthorized is what the gateway says when the authorizer finds fault with a key.
func unauthorized() []expectation {
	return []expectation{
		status(401), isJSON, cors, exposes("WWW-Authenticate"),
		header("WWW-Authenticate", `Bearer realm="latchkey"`),
		envelope(apikey.Refused, "invalid_request_error", "authorization", "invalid_api_key"),
	}
}

// routes are those that there are not, unless a backend has them: then they want a
// key. API Gateway's own answer would be 403, and with Authorization a complaint
// about an AWS signature that nobody meant.
func (r *run) routes() {
	unknown := []expectation{status(404), isJSON, cors, envelope("No such route", "invalid_request_error", "", "not_found")}
	if r.Backend {
		unknown = unauthorized()
	}
	r.expect(r.get("an unknown route", "/no-such-route"), unknown...)
	r.expect(r.get("an unknown route beside known ones", "/api/v1/no-such-route"), unknown...)
	nobody := "smoke-" + rand.Text() // no key: API Gateway's own complaint repeats Authorization
	r.expect(r.get("an unknown route with a key", "/no-such-route", "X-API-Key: "+nobody), unknown...)
	r.expect(r.get("an unknown route with Authorization", "/no-such-route", "Authorization: Bearer "+nobody), unknown...)
	if !r.Backend {
		r.expect(r.send("an unknown method", http.MethodPut, "/health", ""), unknown...)
	}
}

func (r *run) preflight() {
	for _, at := range []struct{ path, method string }{
		{whoamiPath, http.MethodGet}, {keysPath, http.MethodPost}, {keysPath + "/abc", http.MethodPatch}, {validatePath, http.MethodPost},
	} {
		a := r.send("preflight of "+at.method+" "+at.path, http.MethodOptions, at.path, "", "Origin: https://example.com",
			"Access-Control-Request-Method: "+at.method, "Access-Control-Request-Headers: authorization,content-type,x-api-key")
		r.expect(a, status(200), cors, lists("Access-Control-Allow-Methods", at.method),
			lists("Access-Control-Allow-Headers", "Authorization", "Content-Type", "X-API-Key"))
	}
}

// outage needs no key: one that nobody has ever seen cannot be judged without the table.
func (r *run) outage() {
	unknown := "smoke-" + rand.Text()
	r.secrets = append(r.secrets, redact.New(unknown))
	undecided := func(message string) []expectation {
		return []expectation{
			status(503), isJSON, cors, exposes("Retry-After"), header("Retry-After", "1"),
			envelope(message, "api_error", "", "unavailable"),
		}
	}
	const own = "The request could not be decided. Try again."
	r.expect(r.get("a key, without the table", whoamiPath, "X-API-Key: "+unknown), undecided("The API key could not be checked. Try again.")...)
	r.expect(r.send("validate, without the table", http.MethodPost, validatePath, `{"apiKey":"`+unknown+`"}`), undecided(own)...)
	r.expect(r.get("health, without the table", "/health"), undecided(own)...)
	r.expect(r.get("no key, without the table", whoamiPath), unauthorized()...)
}
