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

// event is what is used of an API Gateway REQUEST authorizer event.
type event struct {
	request admission.Request
	// arn names the method and path of the request in a policy.
	arn string
	// audience names the backend of the stage that wants assertions. It is empty if none does.
	audience string
}

// hasBackend reports whether the request goes to a backend that wants assertions. The stage's
// variable LATCHKEY_AUDIENCE names it, which no caller can set. In latchkey's own API, only the two
// resources of BackendUrl lead there.
func (e *event) hasBackend() bool {
	resource := e.request.Resource
	return e.audience != "" && (!e.request.Own || resource == "/" || resource == "/{proxy+}")
}

var (
	errMethodArn = errors.New("methodArn names no single method")
)

// readEvent reads an event. It returns an error for everything that is no REQUEST authorizer event
// with a usable methodArn. Names in an event are matched exactly, except those of headers and
// parameters. Members that are not used are skipped, but must be valid JSON.
func readEvent(r *jsonio.Reader) (e event, err error) {
	var methodArn string
	isToken := false
	// An event has each header and parameter twice: the last value alone, and all values. An event of
	// another sender may have only one of them.
	var all, last admission.Headers
	var query, lastQuery admission.Query
	r.Object(func(name []byte) {
		switch string(name) {
		case "type":
			isToken = string(r.Value()) == `"TOKEN"`
		case "methodArn":
			r.String(&methodArn)
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
	if isToken {
		return event{}, errMethodArn
	}
	e.request.Headers, e.request.Query = all.With(last), query.With(lastQuery)
	return e, e.setTarget(methodArn)
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
			e.request.ID = slog.String("extendedRequestId", id)
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

// maxResource is the length of a Resource that API Gateway accepts in a policy.
const maxResource = 512

// setTarget reads a methodArn, arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH. It
// returns errMethodArn if the methodArn names no method, or could stand for more than one API, stage
// or method.
//
// A policy accepts an ARN of at most 512 characters, in which *, ? and $ have a meaning. If the path
// does not fit, the event's arn names all paths of the same API, stage and method. This widens
// nothing, because the policy is for one request.
func (e *event) setTarget(methodArn string) error {
	stage := strings.IndexByte(methodArn, '/') + 1
	method := stage + strings.IndexByte(methodArn[stage:], '/') + 1
	if stage == 0 || method <= stage+1 {
		return errMethodArn
	}
	path := method + strings.IndexByte(methodArn[method:], '/')
	if path < method {
		path = len(methodArn)
	}
	if path == method || strings.ContainsAny(methodArn[:path], "*?") {
		return errMethodArn
	}
	e.request.Method, e.request.Path, e.arn = methodArn[method:path], "/", methodArn
	if path < len(methodArn) {
		e.request.Path = methodArn[path:]
	}
	if len(methodArn) > maxResource || strings.ContainsAny(methodArn[path:], "*?$") {
		e.arn = methodArn[:path] + "/*"
	}
	return nil
}
