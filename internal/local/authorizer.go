package local

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxResource is the longest resource, in characters, that API Gateway accepts in a policy.
const maxResource = 512

// authorize asks the authorizer about the request of an event. It returns the authorizer's context,
// which the integration or the gateway response uses. refusal is the type of that response, and empty
// if the request may go on. cause is nil unless the authorizer failed.
func (g *Gateway) authorize(ctx context.Context, function string, e event) (
	values map[string]string, refusal string, cause error) {
	payload, err := g.invoke(ctx, function, e.forAuthorizer())
	if err != nil && err.Error() == "Unauthorized" {
		return nil, unauthorized, nil
	}
	if err != nil {
		return nil, authorizerFailed, err
	}
	values, allowed, err := judge(payload, e.arn)
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
	PrincipalID    string `json:"principalId"`
	PolicyDocument struct {
		Version   string
		Statement []statement
	} `json:"policyDocument"`
	Context map[string]jsontext.Value `json:"context"`
}

// statement is the part of an IAM policy. API Gateway also accepts lists and conditions.
type statement struct{ Effect, Action, Resource string }

// judge reads an authorizer's answer. It returns its context, to which it adds principalId, and
// whether its policy allows execute-api:Invoke on arn.
func judge(payload []byte, arn string) (map[string]string, bool, error) {
	var answer authorizerAnswer
	if err := json.Unmarshal(payload, &answer, json.RejectUnknownMembers(true)); err != nil {
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
	values := make(map[string]string, len(answer.Context)+1)
	for name, value := range answer.Context {
		switch value.Kind() {
		case 'n':
		case '"':
			text, err := jsontext.AppendUnquote(nil, value)
			if err != nil {
				return nil, false, err
			}
			values[name] = string(text)
		case 't', 'f', '0':
			values[name] = string(value)
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
