package authorizer

import (
	"encoding/json"
	"strings"
)

// malformed describes a payload that is no authorizer event. Both texts are fixed texts for
// the log, since the payload can hold a token.
type malformed struct {
	kind string // what the payload is
	set  string // the setting that corrects it
}

const (
	setAsAuthorizer = "name this function as the authorizer of a route, not as the function that a route runs"
	sendRequest     = "send an event of an authorizer, such as events/authorizer-allow.json"
	orOfAnotherType = ", or with a value of another type"
	throughGateway  = "ask through API Gateway; an ARN ends in API/STAGE/METHOD/PATH without * and ?"
)

// classify returns the description of a payload that readEvent has rejected.
func classify(payload []byte) malformed {
	var e map[string]json.RawMessage
	if json.Unmarshal(payload, &e) != nil {
		return malformed{"not a JSON object", sendRequest}
	}
	text := func(name string) (value string) {
		_ = json.Unmarshal(e[name], &value) // another type counts as empty
		return value
	}
	has := func(name string) bool { return len(e[name]) > 0 }
	var context map[string]json.RawMessage
	_ = json.Unmarshal(e["requestContext"], &context) // another type counts as empty
	source := strings.ToLower(text("source"))
	switch {
	case has("version") && text("version") != "1.0" && text("version") != "2.0" && (has("routeArn") || has("methodArn")):
		return malformed{"HTTP API authorizer, another payload format",
			"set authorizerPayloadFormatVersion to 1.0 or 2.0"}
	case has("routeArn"), has("methodArn") && has("version"):
		return malformed{"HTTP API authorizer without its path, method or ARN" + orOfAnotherType, throughGateway}
	case text("type") == "TOKEN":
		return malformed{"TOKEN authorizer whose methodArn names no single method" + orOfAnotherType, throughGateway}
	case has("methodArn"):
		return malformed{"REQUEST authorizer whose methodArn names no single method" + orOfAnotherType, throughGateway}
	case len(context["elb"]) > 0:
		return malformed{"request of a load balancer", setAsAuthorizer}
	case text("version") == "2.0":
		return malformed{"request of an HTTP API or of a function URL", setAsAuthorizer}
	case has("httpMethod"):
		return malformed{"request of a REST API", setAsAuthorizer}
	case has("detail-type") || source == "aws.events" || source == "aws.scheduler":
		return malformed{"scheduled event", "remove the schedule: this function needs no warming"}
	case has("warmer") || has("warmup") || strings.Contains(source, "warm"):
		return malformed{"warm-up event", "stop warming this function: it needs none"}
	case has("Records"):
		return malformed{"event of a queue, topic, bucket or stream",
			"remove the trigger: this function answers API Gateway alone"}
	}
	return malformed{"unknown", sendRequest}
}
