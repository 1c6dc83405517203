package authorizer

import (
	"cmp"
	"errors"
	"strings"

	"latchkey/internal/jsonio"
	"latchkey/internal/routes"
)

// event is the part of an API Gateway REQUEST authorizer event that is used.
type event struct {
	target
	// resource is the resource of the API that the request matched, such as /api/v1/api-keys/{id}.
	resource string
	// stageIsOwn is whether the stage belongs to latchkey's own API.
	stageIsOwn bool
	// audience names the backend of the stage that wants assertions. It is empty if none does.
	audience string
	// requestTime is when API Gateway received the request, in Unix milliseconds. It is 0 if unknown.
	requestTime int64
	// extendedID is API Gateway's ID of the request. A client can choose requestId, but not this one.
	extendedID string
	// peer is the address that connected to API Gateway.
	peer string
	// An event has each header and parameter twice: the last value alone, and all values. Most
	// readers want both, since an event of another sender may have only one.
	headers, multiValueHeaders headers
	query, multiValueQuery     query
}

// target is the method and path that a request is for.
type target struct {
	method, path string
	// arn names the target in a policy.
	arn string
}

var (
	errTokenEvent = errors.New("event of a TOKEN authorizer")
	errMethodArn  = errors.New("methodArn names no single method")
)

// readEvent reads an event. It returns an error for everything that is no REQUEST authorizer event
// with a usable methodArn. Names in an event are matched exactly, except those of headers and
// parameters. Members that are not used are skipped, but must be valid JSON.
func readEvent(r *jsonio.Reader) (e event, err error) {
	var methodArn string
	isToken := false
	r.Object(func(name []byte) {
		switch string(name) {
		case "type":
			isToken = string(r.Value()) == `"TOKEN"`
		case "methodArn":
			r.String(&methodArn)
		case "resource":
			r.String(&e.resource)
		case "headers":
			e.headers.read(r)
		case "multiValueHeaders":
			e.multiValueHeaders.read(r)
		case "queryStringParameters":
			e.query.read(r)
		case "multiValueQueryStringParameters":
			e.multiValueQuery.read(r)
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
		return event{}, errTokenEvent
	}
	e.target, err = parseTarget(methodArn)
	return e, err
}

func (e *event) readStageVariables(r *jsonio.Reader) {
	r.Object(func(name []byte) {
		switch string(name) {
		case "LATCHKEY_MANAGEMENT":
			own := ""
			r.String(&own)
			e.stageIsOwn = own == "true"
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
			r.Integer(&e.requestTime)
		case "extendedRequestId":
			r.String(&e.extendedID)
		case "identity":
			r.Object(func(name []byte) {
				switch string(name) {
				case "sourceIp":
					r.String(&e.peer)
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

// parseTarget reads a methodArn, arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH. It
// returns errMethodArn if the methodArn names no method, or could stand for more than one API, stage
// or method.
//
// A policy accepts an ARN of at most 512 characters, in which *, ? and $ have a meaning. If the path
// does not fit, the target's arn names all paths of the same API, stage and method. This widens
// nothing, because the policy is for one request.
func parseTarget(methodArn string) (target, error) {
	stage := strings.IndexByte(methodArn, '/') + 1
	method := stage + strings.IndexByte(methodArn[stage:], '/') + 1
	if stage == 0 || method <= stage+1 {
		return target{}, errMethodArn
	}
	path := method + strings.IndexByte(methodArn[method:], '/')
	if path < method {
		path = len(methodArn)
	}
	if path == method || strings.ContainsAny(methodArn[:path], "*?") {
		return target{}, errMethodArn
	}
	t := target{method: methodArn[method:path], path: "/", arn: methodArn}
	if path < len(methodArn) {
		t.path = methodArn[path:]
	}
	if len(methodArn) > maxResource || strings.ContainsAny(methodArn[path:], "*?$") {
		t.arn = methodArn[:path] + "/*"
	}
	return t, nil
}

// acceptsUsers reports whether the request is for a route of latchkey's own where a user may come
// without a key. Other APIs may name this authorizer and define the same resources. The stage must
// therefore say that it is latchkey's own. A caller can set neither.
func (e *event) acceptsUsers() bool {
	return e.managesKeys() || e.stageIsOwn && e.resource == "/api/v1/whoami"
}

// managesKeys reports whether the request is for a route that manages keys. These routes check
// scopes themselves.
func (e *event) managesKeys() bool {
	return e.stageIsOwn && routes.Manages(e.resource)
}
