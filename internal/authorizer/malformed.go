package authorizer

import (
	"encoding/json"
	"strings"
)

// strange describes, for the log, an event that is no REQUEST authorizer event: its kind, and the setting that corrects
// it. Both are fixed texts, since the event can hold a token.
type strange struct{ kind, set string }

const setAsAuthorizer = "name this function as the authorizer of a route, not as the function that a route runs"

// strangeness returns the kind of a payload that cannot be judged.
func strangeness(payload []byte) strange {
	var e map[string]json.RawMessage
	if json.Unmarshal(payload, &e) != nil {
		return strange{"not a JSON object", "send an event of a REQUEST authorizer, as in events/authorizer-allow.json"}
	}
	text := func(name string) (value string) {
		_ = json.Unmarshal(e[name], &value) // not a text: empty
		return value
	}
	has := func(name string) bool { return len(e[name]) > 0 }
	var context map[string]json.RawMessage
	_ = json.Unmarshal(e["requestContext"], &context) // not an object: empty
	source := strings.ToLower(text("source"))
	switch {
	case text("type") == "TOKEN":
		return strange{"TOKEN authorizer", "set the authorizer's type to REQUEST (in SAM FunctionPayloadType: REQUEST)"}
	case has("routeArn"):
		return strange{"HTTP API authorizer, payload format 2.0", "set authorizerPayloadFormatVersion to 1.0 and enableSimpleResponses to false"}
	case has("methodArn"):
		return strange{"REQUEST authorizer whose methodArn names no single method, or with a value of another type",
			"ask through API Gateway; a methodArn ends in API/STAGE/METHOD/PATH without * and ?"}
	case len(context["elb"]) > 0:
		return strange{"request of a load balancer", setAsAuthorizer}
	case text("version") == "2.0":
		return strange{"request of an HTTP API or of a function URL", setAsAuthorizer}
	case has("httpMethod"):
		return strange{"request of a REST API", setAsAuthorizer}
	case has("detail-type") || source == "aws.events" || source == "aws.scheduler":
		return strange{"scheduled event", "remove the schedule: this function needs no warming"}
	case has("warmer") || has("warmup") || strings.Contains(source, "warm"):
		return strange{"warm-up event", "stop warming this function: it needs none"}
	case has("Records"):
		return strange{"event of a queue, topic, bucket or stream", "remove the trigger: this function answers API Gateway alone"}
	}
	return strange{"unknown", "send an event of a REQUEST authorizer, as in events/authorizer-allow.json"}
}
