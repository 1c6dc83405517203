package edge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
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

// Policy: the same request gets the same verdict in every shape. fronttest says where a shape may
// differ, because API Gateway does not tell it all.
func TestEachShapeAnswersAlike(t *testing.T) {
	options := dynamotest.Options(t)
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			variables := fronttest.Variables()
			variables["TABLE_NAME"], variables["AWS_ENDPOINT_URL_DYNAMODB"] = options.Name, options.Endpoint
			variables["LATCHKEY_SECRET"] = `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`
			if s.simple {
				variables["HTTP_API_ANSWER"] = "simple"
			}
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
			fronttest.Run(t, fronttest.Front{
				Tokens: fronttest.Fill(t, i), Lacks: s.lacks, Path: s.path,
				Send: func(t testing.TB, r fronttest.Request) fronttest.Answer {
					event, path, ok := s.event(parse(t, r))
					if !ok {
						return fronttest.Answer{Outcome: s.withoutAsking()}
					}
					a := ask(t, handler, &log, event, s.simple)
					a.Path = path
					return a
				},
			})
		})
	}
}

// withoutAsking is what becomes of a request that API Gateway refuses without asking the authorizer.
func (s *shape) withoutAsking() fronttest.Outcome {
	if strings.Contains(s.name, "TOKEN") {
		return fronttest.Refused // 401, since there is no token
	}
	return fronttest.Rejected
}

func parse(t testing.TB, r fronttest.Request) request {
	t.Helper()
	path, query := r.Target()
	parsed := request{method: r.Method(), path: path, rawQuery: query, headers: make(map[string][]string)}
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

// ask invokes the authorizer with an event.
func ask(t testing.TB, handler lambda.Handler, log *bytes.Buffer, event any, simple bool) fronttest.Answer {
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
		IsAuthorized   *bool
		PolicyDocument *struct{ Statement []struct{ Effect string } }
		Context        struct{ UserID string }
	}
	decode(t, text, &answer)
	if simple != (answer.IsAuthorized != nil) || simple == (answer.PolicyDocument != nil) {
		t.Fatalf("%s: another form of answer: %s", payload, text)
	}
	allowed := simple && *answer.IsAuthorized
	if !simple {
		allowed = len(answer.PolicyDocument.Statement) == 1 && answer.PolicyDocument.Statement[0].Effect == "Allow"
	}
	if !allowed {
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
