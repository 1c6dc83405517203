//go:build sam

package samtest_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// functions invokes the functions of a start-lambda with AWS's own client.
type functions struct{ client *lambda.Client }

func (s *server) functions() functions {
	return functions{lambda.New(lambda.Options{
		BaseEndpoint: &s.url, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})}
}

// result is the answer of a function, or the error if it failed. If a function ends before its
// answer, SAM's answer is empty.
type result struct {
	failed         bool
	Message        string `json:"errorMessage"`
	Type           string `json:"errorType"`
	StatusCode     int    `json:"statusCode"`
	Body           string `json:"body"`
	Context        map[string]any
	PolicyDocument struct {
		Statement []struct{ Effect, Resource string }
	}
}

func (f functions) invoke(t *testing.T, function string, event any) result {
	t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.client.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	r := result{failed: aws.ToString(out.FunctionError) != "" || len(out.Payload) == 0}
	if len(out.Payload) == 0 {
		return r
	}
	if err := json.Unmarshal(out.Payload, &r); err != nil {
		t.Fatalf("%s: %v: %d %q %v", function, err, out.StatusCode, out.Payload, aws.ToString(out.FunctionError))
	}
	return r
}

// event returns an event of the folder events, with the fields of change in place of its own.
func event(t *testing.T, name string, change map[string]any) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module, "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(asAdmin(t, text), &e); err != nil {
		t.Fatal(err)
	}
	maps.Copy(e, change)
	return e
}

func withKey(token string) map[string]any {
	return map[string]any{
		"headers":           map[string]string{"X-API-Key": token},
		"multiValueHeaders": map[string][]string{"X-API-Key": {token}},
	}
}

func TestTheSDKInvokesTheFunctions(t *testing.T) {
	t.Parallel()
	f := serve(t, "start-lambda").functions()
	id, token := create(t, given(t, "LOCAL_STACK"), `{"name":"demo","rateLimit":{"requests":1,"window":3600}}`)

	e := event(t, "authorizer-allow", withKey(token))
	r := f.invoke(t, "AuthorizerFunction", e)
	if r.failed || len(r.PolicyDocument.Statement) != 1 || r.PolicyDocument.Statement[0].Effect != "Allow" ||
		r.PolicyDocument.Statement[0].Resource != e["methodArn"] || r.Context["keyId"] != id || r.Context["remaining"] != 0.0 {
		t.Errorf("a key that is valid: %+v", r)
	}
	r = f.invoke(t, "AuthorizerFunction", e)
	if r.failed || r.PolicyDocument.Statement[0].Effect != "Deny" || r.Context["code"] != "rate_limit_exceeded" {
		t.Errorf("a key over its limit: %+v", r)
	}
	// API Gateway answers 401 only for exactly this error text.
	for name, change := range map[string]map[string]any{
		"no key": nil, "an unknown key": withKey("0123456789abcdef0123456789abcdef"), "no key at all": withKey("Basic"),
	} {
		r := f.invoke(t, "AuthorizerFunction", event(t, "authorizer-unauthorized", change))
		if !r.failed || r.Message != "Unauthorized" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	r = f.invoke(t, "AuthorizerFunction", map[string]any{"type": "REQUEST"})
	if !r.failed || r.Message == "Unauthorized" {
		t.Errorf("an event of another kind: %+v", r)
	}
	if r := f.invoke(t, "KeysFunction", event(t, "health", nil)); r.failed || r.StatusCode != 200 {
		t.Errorf("health: %+v", r)
	}
}
