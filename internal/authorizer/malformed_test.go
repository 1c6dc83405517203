package authorizer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
)

// An event that is no authorizer event is never judged, even if no key is required. The log
// names its kind and the setting to correct.
func TestEventsOfAnotherKindAreNamed(t *testing.T) {
	const http = `"type":"REQUEST","routeArn":"` + methodArn + `GET/","headers":{"x-api-key":"canary"},` +
		`"requestContext":{"http":{"method":"GET"}}`
	const arn = `{"methodArn":"` + methodArn + `GET/"`
	for _, c := range []struct{ event, kind, set string }{
		{`{"type":"TOKEN","authorizationToken":"canary","methodArn":"canary"}`, "TOKEN authorizer", "API/STAGE"},
		{`{"type":"TOKEN","authorizationToken":["canary"],"methodArn":"` + methodArn + `GET/"}`, "TOKEN authorizer", "API/STAGE"},
		{`{"type":"TOKEN","authorizationToken":"canary"}`, "TOKEN authorizer", "API/STAGE"},
		{`{"version":"3.0",` + http + `}`, "another payload format", "1.0 or 2.0"},
		{`{"version":"",` + http + `}`, "another payload format", "1.0 or 2.0"},
		{`{"version":2,` + http + `}`, "another payload format", "1.0 or 2.0"},
		{`{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}},"routeArn":"canary"}`, "HTTP API", "API/STAGE"},
		{`{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}},"methodArn":"` + methodArn + `GET/"}`,
			"HTTP API", "API/STAGE"},
		{`{"version":"2.0","rawPath":"canary",` + http + `}`, "HTTP API", "API/STAGE"},
		{`{"version":"2.0","rawPath":"",` + http + `}`, "HTTP API", "API/STAGE"},
		{`{"version":"2.0","rawPath":7,` + http + `}`, "HTTP API", "API/STAGE"},
		{`{"version":"2.0","rawPath":"/","routeArn":"` + methodArn + `GET/","headers":{"x-api-key":"canary"}}`, "HTTP API", "API/STAGE"},
		{`{"version":"1.0","path":"/","methodArn":"` + methodArn + `GET/","headers":{"x-api-key":"canary"}}`, "HTTP API", "API/STAGE"},
		{`{"version":"1.0","httpMethod":"GET","methodArn":"` + methodArn + `GET/"}`, "HTTP API", "API/STAGE"},
		{`{"version":"1.0","httpMethod":"GET","path":"/","routeArn":"` + methodArn + `GET/"}`, "HTTP API", "API/STAGE"},
		{`{"type":"REQUEST","routeArn":"` + methodArn + `GET/"}`, "HTTP API", "API/STAGE"},
		{`{"version":"2.0","routeKey":"$default","rawPath":"/canary","headers":{"x-api-key":"canary"},
			"requestContext":{"http":{"method":"GET"}}}`, "HTTP API", "not as the function"},
		{`{"resource":"/x","path":"/canary","httpMethod":"GET","headers":{"X-API-Key":"canary"},
			"requestContext":{"resourcePath":"/x"}}`, "REST API", "not as the function"},
		{`{"requestContext":{"elb":{"targetGroupArn":"canary"}},"httpMethod":"GET","path":"/"}`,
			"load balancer", "not as the function"},
		{`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{"canary":1}}`,
			"scheduled", "schedule"},
		{`{"source":"serverless-plugin-warmup"}`, "warm-up", "warming"},
		{`{"warmer":true,"concurrency":3}`, "warm-up", "warming"},
		{`{"Records":[{"body":"canary"}]}`, "queue", "trigger"},
		{`{"key1":"canary"}`, "unknown", "events/"},
		{`{}`, "unknown", "events/"},
		{`null`, "unknown", "events/"},

		{`{"methodArn":"canary"}`, "methodArn", "API/STAGE/METHOD"},
		{`{"methodArn":7}`, "methodArn", "API/STAGE/METHOD"},
		{`{"METHODARN":"` + methodArn + `GET/"}`, "unknown", "events/"}, // names match exactly

		{arn + `,"resource":7}`, "of another type", "API Gateway"},
		{arn + `,"headers":["canary"]}`, "of another type", "API Gateway"},
		{arn + `,"headers":{"X-API-Key":[{"a":"canary"}]}}`, "of another type", "API Gateway"},
		{arn + `,"headers":{"X-API-Key":[["canary"]]}}`, "of another type", "API Gateway"},
		{arn + `,"headers":{"X-API-Key":7}}`, "of another type", "API Gateway"},
		{arn + `,"queryStringParameters":"canary"}`, "of another type", "API Gateway"},
		{arn + `,"stageVariables":{"LATCHKEY_MANAGEMENT":true}}`, "of another type", "API Gateway"},
		{arn + `,"requestContext":{"requestTimeEpoch":1.5}}`, "of another type", "API Gateway"},
		{arn + `,"requestContext":{"requestTimeEpoch":"1"}}`, "of another type", "API Gateway"},
		{arn + `,"requestContext":{"identity":[]}}`, "of another type", "API Gateway"},

		{`"canary"`, "not a JSON object", "events/"},
		{`{"canary`, "not a JSON object", "events/"},
		{`{"methodArn":`, "not a JSON object", "events/"},
		{arn + `,"path":canary}`, "not a JSON object", "events/"},
		{arn + `,"headers":{"X-Other":"\canary"}}`, "not a JSON object", "events/"},
		{arn + `} {}`, "not a JSON object", "events/"},
		{``, "not a JSON object", "events/"},
	} {
		for name, set := range map[string]settings{
			"judged":    nil,
			"anonymous": func(o *admission.Options) { o.Anonymous = true },
			"public":    func(o *admission.Options) { o.Public = paths(t, "/,/*") },
		} {
			var log bytes.Buffer
			j := says(apikey.CodeValid)
			a := newAuthorizer(t, j, &log, set)
			log.Reset()
			answer, err := a.Invoke(t.Context(), []byte(c.event))
			if err == nil || errors.Is(err, authorizer.ErrUnauthorized) || answer != nil || j.wasAsked() {
				t.Errorf("%s, %s: %s, %v; want an error that is no refusal", c.event, name, answer, err)
			}
			var line struct{ Msg, Event, Set string }
			if json.Unmarshal(log.Bytes(), &line) != nil || line.Msg != "malformed event" {
				t.Errorf("%s, %s: log %s", c.event, name, log.String())
			}
			if !strings.Contains(line.Event, c.kind) || !strings.Contains(line.Set, c.set) {
				t.Errorf("%s, %s: the log says %q and %q, want %q and %q", c.event, name, line.Event, line.Set, c.kind, c.set)
			}
			if strings.Contains(log.String(), "canary") {
				t.Errorf("%s, %s: the log repeats the event: %s", c.event, name, log.String())
			}
		}
	}
}
