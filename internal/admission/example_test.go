package admission_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
)

// tokenGate accepts one token. A deployment has a gate.Gate in its place.
type tokenGate struct{ token string }

func (g tokenGate) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	if r.Credential.Missing() || r.Credential.Token().Reveal() != g.token {
		return apikey.Verdict{Code: apikey.CodeUnknown}, nil
	}
	return apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{ID: "k1", UserID: "alice", Unlimited: true}}, nil
}

// A front door describes each request, and gets a decision.
func Example() {
	format, err := apikey.NewFormat("sk")
	if err != nil {
		panic(err)
	}
	door := admission.New(admission.Options{
		Gate: tokenGate{"a-token-of-alice"}, Format: format, Logger: slog.New(slog.DiscardHandler),
	})
	for _, token := range []string{"a-token-of-alice", "another-token"} {
		headers := http.Header{"Authorization": {"Bearer " + token}}
		d, err := door.Decide(context.Background(), &admission.Request{
			Method: "GET", Path: "/tts", Headers: admission.HeadersOf(headers), Peer: "192.0.2.1",
		})
		switch {
		case err != nil:
			fmt.Println("503") // it could not decide
		case d.Verdict.Valid():
			fmt.Println("200 for", d.Caller().UserIDHeader)
		case d.OverLimit():
			fmt.Println("429")
		default:
			fmt.Println("401:", d.Verdict.Code)
		}
	}
	// Output:
	// 200 for alice
	// 401: unknown_key
}
