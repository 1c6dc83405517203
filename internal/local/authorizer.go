package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// refusal says with which gateway response a request ends at the authorizer, and for the log why.
type refusal struct {
	response, message string
	cause             error // nil when the authorizer did what it is for
}

func (r *refusal) Error() string { return r.response }

// maxResource is the length of a resource that API Gateway takes in a policy.
const maxResource = 512

// policy is the part of an IAM policy that is honoured; a statement with anything else is malformed.
type policy struct {
	Statement []struct {
		Sid      string
		Effect   string
		Action   oneOrMore
		Resource oneOrMore
	}
}

// oneOrMore is IAM's text or list of texts.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]string)(o))
	}
	*o = make([]string, 1)
	return json.Unmarshal(text, &(*o)[0])
}

// authorize asks the authorizer. The context it returns is for the integration or, beside a *refusal, for the response;
// there is no other error.
func (g *Gateway) authorize(ctx context.Context, function string, r request) (map[string]string, error) {
	arn := fmt.Sprintf("arn:aws:execute-api:us-east-1:%s:%s/%s/%s%s", accountID, apiID, r.RequestContext.Stage, r.HTTPMethod, r.Path)
	payload, err := g.invoke(ctx, function, authorizerEvent{"REQUEST", arn, r})
	if err != nil && err.Error() == "Unauthorized" {
		return nil, &refusal{"UNAUTHORIZED", "Unauthorized", nil}
	}
	if err != nil {
		return nil, &refusal{"AUTHORIZER_FAILURE", "", err}
	}
	values, allowed, err := judge(payload, arn)
	if err != nil {
		return nil, &refusal{"AUTHORIZER_CONFIGURATION_ERROR", "", fmt.Errorf("malformed authorizer answer: %w", err)}
	}
	if !allowed {
		return values, &refusal{"ACCESS_DENIED", "User is not authorized to access this resource", nil}
	}
	return values, nil
}

// judge reads an authorizer's answer: its context with principalId, and whether its policy allows the method.
func judge(payload []byte, arn string) (map[string]string, bool, error) {
	var answer struct {
		PrincipalID    string                     `json:"principalId"`
		PolicyDocument json.RawMessage            `json:"policyDocument"`
		Context        map[string]json.RawMessage `json:"context"`
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		return nil, false, err
	}
	if answer.PrincipalID == "" {
		return nil, false, errors.New("no principalId")
	}
	values := make(map[string]string)
	for name, raw := range answer.Context {
		switch raw[0] {
		case '{', '[':
			return nil, false, fmt.Errorf("context %s is not a text, number or boolean", name)
		case 'n': // null is no value
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, false, fmt.Errorf("context %s: %w", name, err)
			}
			values[name] = text
		default:
			values[name] = string(raw)
		}
	}
	values["principalId"] = answer.PrincipalID

	var document struct {
		Version string
		Id      string
		policy
	}
	decoder := json.NewDecoder(bytes.NewReader(answer.PolicyDocument))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return nil, false, fmt.Errorf("policy: %w", err)
	}
	allowed, err := document.allows(arn)
	return values, allowed, err
}

// allows says whether the policy lets execute-api:Invoke through to arn. A Deny that matches wins over every Allow.
func (p policy) allows(arn string) (bool, error) {
	if len(p.Statement) == 0 {
		return false, errors.New("policy without a statement")
	}
	allowed, denied := false, false
	for _, s := range p.Statement {
		if len(s.Action) == 0 || len(s.Resource) == 0 {
			return false, errors.New("policy statement without Action or Resource")
		}
		for _, resource := range s.Resource {
			if len(resource) > maxResource {
				return false, fmt.Errorf("policy resource of %d characters, which API Gateway does not take", len(resource))
			}
		}
		matches := s.Action.match("execute-api:Invoke", strings.EqualFold) && s.Resource.match(arn, func(a, b string) bool { return a == b })
		switch s.Effect {
		case "Allow":
			allowed = allowed || matches
		case "Deny":
			denied = denied || matches
		default:
			return false, fmt.Errorf("policy effect %q", s.Effect)
		}
	}
	return allowed && !denied, nil
}

// match says whether one of the patterns covers text; * stands for any characters and ? for one.
func (o oneOrMore) match(text string, equal func(a, b string) bool) bool {
	return slices.ContainsFunc(o, func(pattern string) bool { return covers(pattern, text, equal) })
}

func covers(pattern, text string, equal func(a, b string) bool) bool {
	wild := strings.IndexAny(pattern, "*?")
	if wild < 0 {
		return equal(pattern, text)
	}
	if len(text) < wild || !equal(pattern[:wild], text[:wild]) {
		return false
	}
	rest, text := pattern[wild+1:], text[wild:]
	if pattern[wild] == '?' {
		return text != "" && covers(rest, text[1:], equal)
	}
	for i := range len(text) + 1 {
		if covers(rest, text[i:], equal) {
			return true
		}
	}
	return false
}
