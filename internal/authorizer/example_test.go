package authorizer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/gate"
)

// tokenGate accepts one token. A deployment has a gate.Gate in its place.
type tokenGate struct{ token string }

func (g tokenGate) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	if r.Credential.Missing() {
		return apikey.Verdict{Code: apikey.CodeMissing}, nil
	}
	if r.Credential.Token().Reveal() != g.token {
		return apikey.Verdict{Code: apikey.CodeUnknown}, nil
	}
	return apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{ID: "k1", UserID: "alice", Unlimited: true}}, nil
}

// A valid token gets an Allow for the requested method. Any other token is the error Unauthorized,
// which API Gateway answers with 401.
func Example() {
	format, err := apikey.NewFormat("sk")
	if err != nil {
		panic(err)
	}
	a := authorizer.New(authorizer.Options{Door: admission.New(admission.Options{
		Gate: tokenGate{"a-token-of-alice"}, Format: format, Logger: slog.New(slog.DiscardHandler),
	})})
	for _, token := range []string{"a-token-of-alice", "another-token"} {
		answer, err := a.Invoke(context.Background(), []byte(`{
			"type": "REQUEST",
			"methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/tts",
			"headers": {"Authorization": "Bearer `+token+`"}
		}`))
		if errors.Is(err, authorizer.ErrUnauthorized) {
			fmt.Println("401")
			continue
		}
		if err != nil {
			panic(err) // the authorizer could not decide
		}
		var policy struct {
			PolicyDocument struct {
				Statement []struct{ Effect, Resource string }
			}
			Context struct{ KeyID, UserID string }
		}
		if err := json.Unmarshal(answer, &policy); err != nil {
			panic(err)
		}
		fmt.Println(policy.PolicyDocument.Statement[0].Effect, policy.Context.KeyID, policy.Context.UserID)
	}
	// Output:
	// Allow k1 alice
	// 401
}
