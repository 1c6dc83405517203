package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"latchkey/internal/jsonio"
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

// authorizerAnswer is what latchkey's authorizer answers.
type authorizerAnswer struct {
	principal  string
	statements []statement
	context    map[string]string
}

// statement is the part of an IAM policy. API Gateway also accepts lists and conditions.
type statement struct{ effect, action, resource string }

// answerReader reads an authorizer's answer. It returns an error for a member that latchkey's
// authorizer does not write.
type answerReader struct {
	*jsonio.Reader
	answer authorizerAnswer
	other  error // there was such a member
}

func readAnswer(payload []byte) (authorizerAnswer, error) {
	r := answerReader{Reader: jsonio.NewReader(0)} // few texts of an answer come twice
	r.Reset(payload)
	r.Object(func(name []byte) {
		switch string(name) {
		case "principalId":
			r.String(&r.answer.principal)
		case "policyDocument":
			r.readPolicy()
		case "context":
			r.answer.context = r.Scalars()
		default:
			r.readOther()
		}
	})
	return r.answer, cmp.Or(r.End(), r.other)
}

func (r *answerReader) readPolicy() {
	r.Object(func(name []byte) {
		switch string(name) {
		case "Version":
			r.Value()
		case "Statement":
			r.List(r.readStatement)
		default:
			r.readOther()
		}
	})
}

func (r *answerReader) readStatement() {
	var s statement
	r.Object(func(name []byte) {
		switch string(name) {
		case "Effect":
			r.String(&s.effect)
		case "Action":
			r.String(&s.action)
		case "Resource":
			r.String(&s.resource)
		default:
			r.readOther()
		}
	})
	r.answer.statements = append(r.answer.statements, s)
}

func (r *answerReader) readOther() {
	r.Value()
	r.other = errors.New("it has a member that the local stack does not support")
}

// judge reads an authorizer's answer. It returns its context, to which it adds principalId, and
// whether its policy allows execute-api:Invoke on arn.
func judge(payload []byte, arn string) (map[string]string, bool, error) {
	answer, err := readAnswer(payload)
	if err != nil {
		return nil, false, err
	}
	if answer.principal == "" {
		return nil, false, errors.New("no principalId")
	}
	if n := len(answer.statements); n != 1 {
		return nil, false, fmt.Errorf("the policy has %d statements and not one", n)
	}
	allowed, err := answer.statements[0].allows(arn)
	if err != nil {
		return nil, false, fmt.Errorf("the policy: %w", err)
	}
	if answer.context == nil {
		answer.context = make(map[string]string)
	}
	answer.context["principalId"] = answer.principal
	return answer.context, allowed, nil
}

// allows reports whether the statement allows execute-api:Invoke on arn. The resource may end in *,
// and must have no other wildcard.
func (s statement) allows(arn string) (bool, error) {
	prefix, open := strings.CutSuffix(s.resource, "*")
	switch {
	case s.effect != "Allow" && s.effect != "Deny":
		return false, fmt.Errorf("the effect %q must be Allow or Deny", s.effect)
	case s.action != "execute-api:Invoke":
		return false, fmt.Errorf("the action %q must be execute-api:Invoke", s.action)
	case s.resource == "" || len(s.resource) > maxResource:
		return false, fmt.Errorf("the resource has %d characters and must have 1 to %d", len(s.resource), maxResource)
	case strings.ContainsAny(prefix, "*?"):
		return false, fmt.Errorf("the resource %q has a wildcard before its end", s.resource)
	}
	covers := s.resource == arn || open && strings.HasPrefix(arn, prefix)
	return s.effect == "Allow" && covers, nil
}
