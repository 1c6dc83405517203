package authorizer

import (
	"errors"
	"strings"
)

// target is what an ARN of API Gateway says about a request.
type target struct {
	method string // empty if the ARN names a route such as $connect
	path   string // the rest of the ARN. Without a method, it is / and the route.
	// resource is what a policy for the request names.
	resource string
}

var errArn = errors.New("the ARN names no single method or route")

// maxResource is the length of a Resource that API Gateway accepts in a policy.
const maxResource = 512

// parseArn reads arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH, in which $connect or
// $default may stand for the method and the path. It returns errArn if the ARN names neither, or could
// stand for more than one API, stage or method.
//
// A policy accepts an ARN of at most 512 characters, in which *, ? and $ have a meaning. If the path
// does not fit, the resource names all paths of the same API, stage and method. This widens
// nothing, because the policy is for one request.
func parseArn(arn string) (target, error) {
	stage := strings.IndexByte(arn, '/') + 1
	method := stage + strings.IndexByte(arn[stage:], '/') + 1
	if stage == 0 || method <= stage+1 {
		return target{}, errArn
	}
	path := method + strings.IndexByte(arn[method:], '/')
	if path < method {
		path = len(arn)
	}
	if path == method || strings.ContainsAny(arn[:path], "*?") {
		return target{}, errArn
	}
	if arn[method] == '$' {
		if path < len(arn) || path > maxResource {
			return target{}, errArn
		}
		return target{path: "/" + arn[method:], resource: arn}, nil
	}
	t := target{method: arn[method:path], path: "/", resource: arn}
	if path < len(arn) {
		t.path = arn[path:]
	}
	if len(arn) > maxResource || strings.ContainsAny(arn[path:], "*?$") {
		t.resource = arn[:path] + "/*"
	}
	return t, nil
}
