package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// maxResource is the longest resource, in characters, that API Gateway accepts in a policy.
const maxResource = 512

// authorize asks the authorizer about the request of an event. It returns the authorizer's context,
// which the integration or the gateway response uses. refusal is the type of that response, and empty
// if the request may go on. cause is nil unless the authorizer failed.
func (g *Gateway) authorize(ctx context.Context, function string, event events.APIGatewayProxyRequest) (
	values map[string]string, refusal string, cause error) {
	arn := fmt.Sprintf("arn:aws:execute-api:us-east-1:%s:%s/%s/%s%s",
		accountID, apiID, event.RequestContext.Stage, event.HTTPMethod, event.Path)
	payload, err := g.invoke(ctx, function, authorizerEvent{"REQUEST", arn, event})
	if err != nil && err.Error() == "Unauthorized" {
		return nil, unauthorized, nil
	}
	if err != nil {
		return nil, authorizerFailed, err
	}
	values, allowed, err := judge(payload, arn)
	if err != nil {
		return nil, malformedAnswer, fmt.Errorf("malformed authorizer answer: %w", err)
	}
	if !allowed {
		return values, accessDenied, nil
	}
	return values, "", nil
}

// authorizerAnswer has only what latchkey's authorizer answers. Anything else is an error.
type authorizerAnswer struct {
	PrincipalID    string
	PolicyDocument struct {
		Version   string
		Statement []statement
	}
	Context map[string]any
}

// statement is the part of an IAM policy. API Gateway also accepts lists and conditions.
type statement struct{ Effect, Action, Resource string }

// judge reads an authorizer's answer. It returns its context, to which it adds principalId, and
// whether its policy allows execute-api:Invoke on arn.
func judge(payload []byte, arn string) (map[string]string, bool, error) {
	var answer authorizerAnswer
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return nil, false, err
	}
	if answer.PrincipalID == "" {
		return nil, false, errors.New("no principalId")
	}
	if n := len(answer.PolicyDocument.Statement); n != 1 {
		return nil, false, fmt.Errorf("the policy has %d statements and not one", n)
	}
	allowed, err := answer.PolicyDocument.Statement[0].allows(arn)
	if err != nil {
		return nil, false, fmt.Errorf("the policy: %w", err)
	}
	values := make(map[string]string)
	for name, value := range answer.Context {
		switch value := value.(type) {
		case nil:
		case string, bool, json.Number:
			values[name] = fmt.Sprint(value)
		default:
			return nil, false, fmt.Errorf("context %s is not a text, number or boolean", name)
		}
	}
	values["principalId"] = answer.PrincipalID
	return values, allowed, nil
}

// allows reports whether the statement allows execute-api:Invoke on arn. The resource may end in *,
// and must have no other wildcard.
func (s statement) allows(arn string) (bool, error) {
	prefix, open := strings.CutSuffix(s.Resource, "*")
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return false, fmt.Errorf("the effect %q must be Allow or Deny", s.Effect)
	case s.Action != "execute-api:Invoke":
		return false, fmt.Errorf("the action %q must be execute-api:Invoke", s.Action)
	case s.Resource == "" || len(s.Resource) > maxResource:
		return false, fmt.Errorf("the resource has %d characters and must have 1 to %d", len(s.Resource), maxResource)
	case strings.ContainsAny(prefix, "*?"):
		return false, fmt.Errorf("the resource %q has a wildcard before its end", s.Resource)
	}
	covers := s.Resource == arn || open && strings.HasPrefix(arn, prefix)
	return s.Effect == "Allow" && covers, nil
}
