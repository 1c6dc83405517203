package authorizer

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/jsonio"
)

// httpEvent has the members that an HTTP API and a REST API have in different places. Both payload
// formats have it, under different names.
type httpEvent struct {
	version string
	method  string
	path    string // decoded: API Gateway has removed the percent-encoding. It may begin with the stage.
	query   string // as the client sent it; only with the payload format 2.0

	api, stage, domain string
}

var errTarget = errors.New("no method or no path")

// readHTTP adds the members that only the event of an HTTP API has. arn is its methodArn or routeArn.
func (a *Authorizer) readHTTP(e *event, payload []byte, arn string) error {
	r := a.readers.Get().(*jsonio.Reader)
	r.Reset(payload)
	defer func() {
		r.Reset(nil)
		a.readers.Put(r)
	}()
	h := httpEvent{version: e.version}
	h.read(r, &e.request)
	if err := r.End(); err != nil {
		return err
	}
	t, err := parseArn(arn)
	if err != nil {
		return err
	}
	if h.method == "" || !strings.HasPrefix(h.path, "/") {
		return errTarget
	}
	// Doors take a path that is still encoded. In a decoded path, only % could be read as an escape.
	path := strings.ReplaceAll(h.pathInStage(t), "%", "%25")
	e.request.Method, e.request.Path, e.arn = h.method, path, t.resource
	e.request.Own = false // latchkey's own API is a REST API
	e.request.Query = e.request.Query.With(queryOf(h.query))
	return nil
}

// read reads an event. It sets the time, address and ID of the request, too.
func (h *httpEvent) read(r *jsonio.Reader, request *admission.Request) {
	first := h.version == "1.0"
	r.Object(func(name []byte) {
		switch name := string(name); {
		case first && name == "path", !first && name == "rawPath":
			r.String(&h.path)
		case first && name == "httpMethod":
			r.String(&h.method)
		case !first && name == "rawQueryString":
			r.String(&h.query)
		case !first && name == "routeKey":
			routeKey := ""
			r.String(&routeKey) // such as GET /items/{id}
			_, request.Resource, _ = strings.Cut(routeKey, " ")
		case name == "requestContext":
			h.readContext(r, request)
		default:
			r.Value()
		}
	})
}

func (h *httpEvent) readContext(r *jsonio.Reader, request *admission.Request) {
	r.Object(func(name []byte) {
		switch string(name) {
		case "apiId":
			r.String(&h.api)
		case "stage":
			r.String(&h.stage)
		case "domainName":
			r.String(&h.domain)
		case "timeEpoch":
			received := int64(0)
			if r.Integer(&received); received > 0 {
				request.Time = time.UnixMilli(received)
			}
		case "requestId":
			id := ""
			r.String(&id)
			request.ID = requestID(id) // in HTTP APIs, both IDs are one
		case "http":
			r.Object(func(name []byte) {
				switch string(name) {
				case "method":
					r.String(&h.method)
				case "sourceIp":
					r.String(&request.Peer)
				default:
					r.Value()
				}
			})
		default:
			r.Value()
		}
	})
}

// pathInStage returns the path without what API Gateway puts before it. A request to the API's own
// domain begins with the name of the stage, unless that is $default. A request to a custom domain
// begins with the key of its mapping, if it has one. The ARN has the path without the key.
//
// If the ARN does not tell where a key ends, the path gets a second slash at its beginning. It is then
// never public and has no rule.
func (h *httpEvent) pathInStage(t target) string {
	if h.domain == "" || h.hasOwnDomain() {
		rest, ok := strings.CutPrefix(h.path+"/", "/"+h.stage+"/")
		if !ok || h.stage == "$default" {
			return h.path
		}
		return "/" + strings.TrimSuffix(rest, "/")
	}
	inArn, err := url.PathUnescape(t.path)
	if err != nil {
		inArn = t.path
	}
	for _, path := range []string{inArn, inArn + "/"} { // the ARN may lack a slash at the end
		key, ok := strings.CutSuffix(h.path, path)
		// An ARN whose path is / would fit every path with a slash at its end.
		tells := t.method != "" && (path != "/" || key == "")
		if ok && tells && !strings.Contains(key, "..") && !strings.Contains(key+"/", "//") {
			return path
		}
	}
	return "/" + h.path
}

// hasOwnDomain reports whether the request came to the domain that API Gateway gives the API. A client
// may write it in any case.
func (h *httpEvent) hasOwnDomain() bool {
	return strings.HasPrefix(strings.ToLower(h.domain), strings.ToLower(h.api)+".execute-api.")
}

// queryOf returns the parameters of a query as the client sent it, which a backend may get. A semicolon
// counts as an ampersand, because some servers read it so. A text with a wrong escape stays as it is.
func queryOf(raw string) (q admission.Query) {
	plain := func(text string) string {
		if unescaped, err := url.QueryUnescape(text); err == nil {
			return unescaped
		}
		return text
	}
	for part := range strings.FieldsFuncSeq(raw, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		if list := q.Place([]byte(plain(name))); list != nil {
			*list = append(*list, plain(value))
		}
	}
	return q
}
