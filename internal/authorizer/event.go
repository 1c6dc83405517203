package authorizer

import (
	"cmp"
	"errors"
	"log/slog"
	"strings"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/jsonio"
)

// event is the part of an authorizer event that is used.
type event struct {
	request admission.Request
	// arn names the method and path of the request in a policy.
	arn string
	// audience names the backend of the stage that wants assertions. It is empty if none does.
	audience string
	// version is the payload format of an HTTP API, 1.0 or 2.0. REST and WebSocket APIs have none.
	version string
}

// hasBackend reports whether the request goes to a backend that wants assertions. The stage's
// variable LATCHKEY_AUDIENCE names it, which no caller can set. In latchkey's own API, only the two
// resources of BackendUrl lead there.
func (e *event) hasBackend() bool {
	resource := e.request.Resource
	return e.audience != "" && (!e.request.Own || resource == "/" || resource == "/{proxy+}")
}

var errVersion = errors.New("a payload format other than 1.0 and 2.0")

// handshake is the method of a request that opens a WebSocket.
const handshake = "GET"

// readEvent reads the event in r. It returns an error for everything that is no authorizer event with
// a usable ARN. Names in an event are matched exactly, except those of headers and parameters.
// Members that are not used are skipped, but must be valid JSON.
//
// The first reading is for REST and WebSocket APIs, which are the common case. If it finds the event of
// an HTTP API, a second reader reads the same payload for the rest.
func (a *Authorizer) readEvent(r *jsonio.Reader, payload []byte) (e event, err error) {
	var methodArn, routeArn, token string
	isToken := false
	// An event has each header and parameter twice: the last value alone, and all values. Some events
	// have only one of them.
	var all, last admission.Headers
	var query, lastQuery admission.Query
	r.Object(func(name []byte) {
		switch string(name) {
		case "version":
			r.String(&e.version)
		case "type":
			isToken = string(r.Value()) == `"TOKEN"`
		case "methodArn":
			r.String(&methodArn)
		case "routeArn":
			r.String(&routeArn)
		case "authorizationToken":
			r.String(&token)
		case "resource":
			r.String(&e.request.Resource)
		case "headers":
			readHeaders(r, &last)
		case "multiValueHeaders":
			readHeaders(r, &all)
		case "queryStringParameters":
			readQuery(r, &lastQuery)
		case "multiValueQueryStringParameters":
			readQuery(r, &query)
		case "stageVariables":
			e.readStageVariables(r)
		case "requestContext":
			e.readRequestContext(r)
		default:
			r.Value()
		}
	})
	if err := r.End(); err != nil {
		return event{}, err
	}
	e.request.Headers, e.request.Query = all.With(last), query.With(lastQuery)
	switch e.version {
	case "":
		if isToken {
			// API Gateway does not say in which header the token came.
			e.request.Headers.Authorization = append(e.request.Headers.Authorization, token)
		}
		return e, e.setTarget(methodArn)
	case "1.0":
		return e, a.readHTTP(&e, payload, methodArn)
	case "2.0":
		return e, a.readHTTP(&e, payload, routeArn)
	}
	return event{}, errVersion
}

// setTarget sets the method and path that the methodArn of a REST or WebSocket API names.
func (e *event) setTarget(methodArn string) error {
	t, err := parseArn(methodArn)
	e.request.Method, e.request.Path, e.arn = cmp.Or(t.method, handshake), t.path, t.resource
	return err
}

// readHeaders adds the headers of an object. A value is a text or a list of texts.
func readHeaders(r *jsonio.Reader, h *admission.Headers) {
	r.Object(func(name []byte) { readInto(r, h.Place(name)) })
}

// readQuery is readHeaders for the parameters of the URL.
func readQuery(r *jsonio.Reader, q *admission.Query) {
	r.Object(func(name []byte) { readInto(r, q.Place(name)) })
}

// readInto adds the next value to a list, or skips it if there is no list.
func readInto(r *jsonio.Reader, list *[]string) {
	if list == nil {
		r.Value()
		return
	}
	*list = r.Strings(*list)
}

func (e *event) readStageVariables(r *jsonio.Reader) {
	r.Object(func(name []byte) {
		switch string(name) {
		case "LATCHKEY_MANAGEMENT":
			own := ""
			r.String(&own)
			e.request.Own = own == "true"
		case "LATCHKEY_AUDIENCE":
			r.String(&e.audience)
			// latchkey's own stage has AssertionAudience, #, and the backend's URL.
			named, url, _ := strings.Cut(e.audience, "#")
			e.audience = cmp.Or(named, url)
		default:
			r.Value()
		}
	})
}

func (e *event) readRequestContext(r *jsonio.Reader) {
	r.Object(func(name []byte) {
		switch string(name) {
		case "requestTimeEpoch":
			received := int64(0)
			r.Integer(&received)
			if received > 0 {
				e.request.Time = time.UnixMilli(received)
			}
		case "extendedRequestId":
			// A client can choose requestId, but not this one.
			id := ""
			r.String(&id)
			e.request.ID = requestID(id)
		case "identity":
			r.Object(func(name []byte) {
				switch string(name) {
				case "sourceIp":
					r.String(&e.request.Peer)
				default:
					r.Value()
				}
			})
		default:
			r.Value()
		}
	})
}

// requestID names a request as API Gateway's access log does.
func requestID(id string) slog.Attr { return slog.String("extendedRequestId", id) }
