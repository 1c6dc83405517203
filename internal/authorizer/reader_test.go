package authorizer_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/gate"
)

// echo is a gate that lets everyone in, as the user who is named like the token and the source.
type echo struct{}

func (echo) Check(_ context.Context, r gate.Request) (apikey.Verdict, error) {
	if r.Credential.Missing() {
		return apikey.Verdict{Code: apikey.CodeMissing}, nil
	}
	user := r.Credential.Token().Reveal() + " at " + r.Source.String()
	return apikey.Verdict{Code: apikey.CodeValid, Key: &apikey.Key{ID: "k", UserID: user, Unlimited: true}}, nil
}

// Policy: an event is judged by its own texts alone, whatever events were read before or are read at
// the same time.
func TestEventsDoNotMix(t *testing.T) {
	a := authorizer.New(authorizer.Options{Door: admission.New(admission.Options{
		Gate: echo{}, Format: newFormat(t), Logger: slog.New(slog.DiscardHandler), TrustedProxyHops: 1,
	})})
	const frame = `{"methodArn":"arn:aws:execute-api:us-east-1:1:a/prod/GET/x","multiValueHeaders":{%s},"headers":{%s}}`
	list := func(texts ...string) string { return `["` + strings.Join(texts, `","`) + `"]` }
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for round := range 50 {
				token := fmt.Sprintf("a-token-of-another-service-%d-%d", n, round)
				source := fmt.Sprintf("192.0.2.%d", n*8+round%8)
				multi := `"X-Forwarded-For":` + list("10.0.0.1", source, "10.0.0.2") + `,"X-API-Key":` + list(token)
				answer, err := a.Invoke(t.Context(), fmt.Appendf(nil, frame, multi, `"X-Forwarded-For":"10.0.0.1"`))
				if want := token + " at " + source; err != nil || !strings.Contains(string(answer), `"userId":"`+want+`"`) {
					t.Errorf("%s, %v; want %s", answer, err, want)
				}
				if answer, err = a.Invoke(t.Context(), fmt.Appendf(nil, frame, "", "")); err != authorizer.ErrUnauthorized {
					t.Errorf("without a token after one with a token: %s, %v", answer, err)
				}
			}
		})
	}
	all.Wait()
}
