package edge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/fronttest"
	"latchkey/internal/instance"
	"latchkey/internal/instance/edge"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// shape is one form of API Gateway's authorizer events.
type shape struct {
	name  string
	event func(request) any
	lacks []fronttest.Ability
}

// request is a request as API Gateway reads it.
type request struct {
	method, path string
	headers      map[string][]string // by names as the client wrote them
	query        url.Values
}

// peer is the address from which every request comes.
const peer = "127.0.0.1"

func shapes() []shape {
	return []shape{
		{"REST, REQUEST", restRequest, []fronttest.Ability{fronttest.TakesBytes}},
	}
}

func parse(t testing.TB, r fronttest.Request) request {
	t.Helper()
	path, query := r.Target()
	parsed := request{method: r.Method(), path: path, headers: make(map[string][]string)}
	for _, line := range r.Headers {
		name, value, _ := strings.Cut(line, ":")
		parsed.headers[name] = append(parsed.headers[name], strings.TrimSpace(value))
	}
	var err error
	if parsed.query, err = url.ParseQuery(query); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// last returns the last value of each name.
func last(all map[string][]string) map[string]string {
	single := make(map[string]string)
	for name, values := range all {
		single[name] = values[len(values)-1]
	}
	return single
}

func restRequest(r request) any {
	return map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/prod/" + r.method + r.path,
		"resource": "/{proxy+}", "path": r.path, "httpMethod": r.method,
		"headers": last(r.headers), "multiValueHeaders": r.headers,
		"queryStringParameters": last(r.query), "multiValueQueryStringParameters": r.query,
		"requestContext": map[string]any{
			"requestTimeEpoch": time.Now().UnixMilli(), "extendedRequestId": "abc=", "identity": map[string]any{"sourceIp": peer},
		},
	}
}

func TestEachShapeAnswersAlike(t *testing.T) {
	options := dynamotest.Options(t)
	variables := fronttest.Variables()
	variables["TABLE_NAME"], variables["AWS_ENDPOINT_URL_DYNAMODB"] = options.Name, options.Endpoint
	variables["LATCHKEY_SECRET"] = `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`
	c, err := config.Load(variables)
	if err != nil {
		t.Fatal(err)
	}
	c.Local = true
	var log bytes.Buffer
	i, err := instance.New(t.Context(), c, options.AWS, time.Now, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	handler := edge.Authorizer(i)
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			fronttest.Run(t, fronttest.Front{
				Tokens: fronttest.Fill(t, i), Lacks: s.lacks,
				Send: func(t testing.TB, r fronttest.Request) fronttest.Answer {
					return ask(t, handler, &log, s.event(parse(t, r)))
				},
			})
		})
	}
}

// ask invokes the authorizer with an event.
func ask(t testing.TB, handler lambda.Handler, log *bytes.Buffer, event any) fronttest.Answer {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	log.Reset()
	text, err := handler.Invoke(t.Context(), payload)
	var line struct{ Code apikey.Code }
	if log.Len() > 0 {
		decode(t, log.Bytes(), &line)
	}
	if errors.Is(err, authorizer.ErrUnauthorized) {
		return fronttest.Answer{Outcome: fronttest.Refused, Code: line.Code}
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", payload, err, log)
	}
	var answer struct {
		PolicyDocument struct{ Statement []struct{ Effect string } }
		Context        struct{ UserID string }
	}
	decode(t, text, &answer)
	if slices.ContainsFunc(answer.PolicyDocument.Statement, func(s struct{ Effect string }) bool { return s.Effect != "Allow" }) {
		return fronttest.Answer{Outcome: fronttest.Limited, Code: line.Code}
	}
	return fronttest.Answer{Outcome: fronttest.Allowed, User: answer.Context.UserID}
}

func decode(t testing.TB, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
