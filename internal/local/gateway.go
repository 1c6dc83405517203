package local

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"latchkey/internal/local/sam"
)

// Gateway serves a template's routes as an API Gateway REST API does; the package comment lists the differences. It is
// safe for concurrent use.
type Gateway struct {
	template  *sam.Template
	functions map[string]*Pool
	now       func() time.Time
	logger    *slog.Logger
	resources []apiResource // the most specific first, so that the first match is the right one
	responses map[string]cannedResponse
	throttles throttles
	room      *semaphore.Weighted // for bodies
}

// apiResource is one path with its methods.
type apiResource struct {
	path     string
	segments []string
	methods  map[string]sam.Route
}

// NewGateway returns a gateway for t. functions holds a pool for every function that a route or authorizer names, by its
// logical ID. The logger gets what a caller is not told: why a function failed.
func NewGateway(t *sam.Template, functions map[string]*Pool, now func() time.Time, logger *slog.Logger) (*Gateway, error) {
	responses, err := newCannedResponses(t.Responses)
	if err != nil {
		return nil, err
	}
	for _, value := range []string{t.Cors.AllowOrigin, t.Cors.AllowHeaders, t.Cors.AllowMethods, t.Cors.MaxAge} {
		if _, quoted := sam.Unquote(value); value != "" && !quoted {
			return nil, fmt.Errorf("a value of Cors, %q, is not in single quotes", value)
		}
	}
	limits, err := newThrottles(t.Throttles)
	if err != nil {
		return nil, err
	}
	methods := make(map[string]map[string]sam.Route)
	for _, route := range t.Routes {
		for _, id := range []string{route.Function, route.Authorizer} {
			if id != "" && functions[id] == nil {
				return nil, fmt.Errorf("%s %s: no function %s was given", route.Method, route.Path, id)
			}
		}
		if methods[route.Path] == nil {
			methods[route.Path] = make(map[string]sam.Route)
		}
		if _, twice := methods[route.Path][route.Method]; twice || !strings.HasPrefix(route.Path, "/") {
			return nil, fmt.Errorf("%s %s: is there twice or does not begin with /", route.Method, route.Path)
		}
		methods[route.Path][route.Method] = route
	}
	g := &Gateway{template: t, functions: functions, now: now, logger: logger, responses: responses, throttles: limits, room: semaphore.NewWeighted(roomForBodies)}
	for path := range methods {
		g.resources = append(g.resources, apiResource{path, strings.Split(path, "/"), methods[path]})
	}
	slices.SortFunc(g.resources, func(a, b apiResource) int {
		return slices.CompareFunc(a.segments, b.segments, func(a, b string) int { return vagueness(a) - vagueness(b) })
	})
	return g, nil
}

// anyMethod are the methods that ANY stands for.
var anyMethod = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut,
}

// vagueness orders the segments of a resource's path: a literal beats {name}, which beats {name+}.
func vagueness(segment string) int {
	switch {
	case strings.HasSuffix(segment, "+}"):
		return 2
	case strings.HasPrefix(segment, "{"):
		return 1
	}
	return 0
}

// match returns the path's parameters, still escaped as on AWS.
func (a apiResource) match(path string) (map[string]string, bool) {
	segments := strings.Split(path, "/")
	var parameters map[string]string
	for i, want := range a.segments {
		if i >= len(segments) {
			return nil, false
		}
		kind := vagueness(want)
		value := segments[i]
		if kind == 2 {
			value = strings.Join(segments[i:], "/")
			segments = segments[:i+1]
		}
		switch {
		case kind == 0 && value != want, kind != 0 && value == "":
			return nil, false
		case kind != 0:
			if parameters == nil {
				parameters = make(map[string]string)
			}
			parameters[strings.Trim(want, "{+}")] = value
		}
	}
	return parameters, len(segments) == len(a.segments)
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	id := newUUID()
	variables := map[string]string{"requestId": id, "httpMethod": r.Method, "path": path, "stage": g.template.Stage}

	var resource apiResource
	var parameters map[string]string
	var found bool
	for _, resource = range g.resources {
		if parameters, found = resource.match(path); found {
			break
		}
	}
	if !found {
		g.respond(w, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token", variables)
		return
	}
	route, ok := resource.methods[r.Method]
	if !ok && r.Method == http.MethodOptions && g.template.Cors != (sam.Cors{}) {
		g.preflight(w)
		return
	}
	if !ok && slices.Contains(anyMethod, r.Method) {
		route, ok = resource.methods["ANY"]
	}
	if !ok {
		g.respond(w, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token", variables)
		return
	}

	if !g.throttles.allow(route, g.now()) {
		unread(w, r)
		g.throttled(w, variables)
		return
	}
	if r.ContentLength > maxBody {
		unread(w, r)
		g.respond(w, requestTooLarge, "Request Too Long", variables)
		return
	}
	request := g.newRequest(r, id, resource.path, parameters)
	if route.Authorizer != "" && !g.admit(w, r, route.Authorizer, &request, variables) {
		return
	}
	// A body is only read after the authorizer has admitted the request, so that a caller without a key cannot fill the
	// memory.
	body, release, err := g.read(w, r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		g.respond(w, requestTooLarge, "Request Too Long", variables)
		return
	case errors.Is(err, errNoRoom):
		g.throttled(w, variables)
		return
	case err != nil:
		g.respond(w, "DEFAULT_4XX", "Bad Request", variables)
		return
	}
	// The time for sending a request ends here. A connection without deadlines, as in a test, needs no end.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if route.Backend != nil {
		g.forward(w, r, route.Backend, body, release, parameters, variables)
		return
	}
	defer release()
	if err := g.integrate(w, r.Context(), route.Function, proxyEvent{request, textOrNull(string(body)), false}); err != nil {
		g.logger.Error("function failed", "requestId", id, "method", r.Method, "function", route.Function, "error", err)
		g.respond(w, "DEFAULT_5XX", "Internal server error", variables)
	}
}

// admit asks an authorizer about a request, and reports whether it may go on. If not, admit has answered it.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request, function string, q *request, variables map[string]string) bool {
	authorizer, err := g.authorize(r.Context(), function, *q)
	noteKey(r.Context(), cmp.Or(authorizer["keyId"], authorizer["principalId"]))
	for name, value := range authorizer {
		variables["authorizer."+name] = value
	}
	var refused *refusal
	if errors.As(err, &refused) {
		if refused.cause != nil {
			g.logger.Error("authorizer failed", "requestId", variables["requestId"], "method", r.Method, "function", function, "error", refused.cause)
		}
		unread(w, r)
		g.respond(w, refused.response, refused.message, variables)
		return false
	}
	q.RequestContext.Authorizer = authorizer
	return true
}

// preflight answers as the mock integration that SAM adds to every path.
func (g *Gateway) preflight(w http.ResponseWriter) {
	for name, quoted := range map[string]string{
		"Access-Control-Allow-Origin":  g.template.Cors.AllowOrigin,
		"Access-Control-Allow-Headers": g.template.Cors.AllowHeaders,
		"Access-Control-Allow-Methods": g.template.Cors.AllowMethods,
		"Access-Control-Max-Age":       g.template.Cors.MaxAge,
	} {
		if value, ok := sam.Unquote(quoted); ok {
			w.Header().Set(name, value)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}\n")
}

// invoke runs a function with its own timeout. As on Lambda, it runs to its end when the caller hangs up.
func (g *Gateway) invoke(ctx context.Context, function string, event any) ([]byte, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.template.Timeouts[function])
	defer cancel()
	return g.functions[function].Invoke(ctx, payload)
}

// integrate runs a route's function and passes its answer on. After an error nothing has been written yet.
func (g *Gateway) integrate(w http.ResponseWriter, ctx context.Context, function string, event proxyEvent) error {
	payload, err := g.invoke(ctx, function, event)
	if err != nil {
		return err
	}
	var answer struct {
		StatusCode        int                 `json:"statusCode"`
		Headers           map[string]string   `json:"headers"`
		MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
		Body              string              `json:"body"`
		IsBase64Encoded   bool                `json:"isBase64Encoded"`
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		return fmt.Errorf("malformed proxy response: %w", err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 599 {
		return fmt.Errorf("malformed proxy response: status %d", answer.StatusCode)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
			return fmt.Errorf("malformed proxy response: body: %w", err)
		}
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	merged := make(map[string][]string)
	for name, values := range answer.MultiValueHeaders {
		name = textproto.CanonicalMIMEHeaderKey(name)
		merged[name] = append(merged[name], values...)
	}
	for name, value := range answer.Headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if !slices.Contains(merged[name], value) {
			merged[name] = append(merged[name], value)
		}
	}
	for name, values := range remapped(merged) {
		header[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body) // a caller that has gone does not read it
	return nil
}

// remapped are the headers of an integration as API Gateway passes them on: those
// that only it may set are called otherwise, which shows who relies on them.
func remapped(headers map[string][]string) map[string][]string {
	passed := make(map[string][]string, len(headers))
	for name, values := range headers {
		switch name {
		case "Connection", "Content-Length", "Transfer-Encoding":
			continue
		case "Date", "Server", "Www-Authenticate":
			name = "X-Amzn-Remapped-" + name
		}
		passed[name] = values
	}
	return passed
}
