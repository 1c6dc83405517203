package instance_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/gate"
	"latchkey/internal/instance"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// account answers for Secrets Manager, and passes other requests on.
type account struct {
	aws.HTTPClient
	secret string
}

func (a *account) Do(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		return a.HTTPClient.Do(r)
	}
	body, err := json.Marshal(map[string]string{"SecretString": a.secret})
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(string(body))),
	}, err
}

// A new pepper is known first to an instance that has just started. It hashes new tokens and used
// tokens with that pepper. The other instances judge these tokens too, although they read the secret
// only every five minutes.
func TestANewPepperInterruptsNoCaller(t *testing.T) {
	options, _ := dynamotest.Faulty(t)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	services := &account{
		HTTPClient: options.AWS.HTTPClient,
		secret:     `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`,
	}
	options.AWS.HTTPClient = services
	start := func() *instance.Instance {
		e, err := instance.New(t.Context(), config.Config{
			TableName: options.Name, Endpoint: options.Endpoint, Local: true, SecretARN: "arn",
			KeyPrefix: "sk", AuditDays: 365, Freshness: config.Duration(time.Second), Environments: []apikey.Environment{apikey.Live},
		}, options.AWS, func() time.Time { return now }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	root := registry.Caller{
		UserID: "root", Scopes: apikey.Scopes{apikey.ScopeAdmin}, Idempotency: registry.Idempotency{Key: "a-request-of-16-characters"},
	}
	issue := func(e *instance.Instance, who registry.Caller) apikey.Token {
		t.Helper()
		_, token, err := e.Registry.Create(
			t.Context(),
			who,
			"u1",
			apikey.Live,
			apikey.Change{Limit: &ratelimit.Limit{Requests: 100, Window: time.Minute}},
		)
		if err != nil {
			t.Error(err)
		}
		return token
	}
	check := func(what string, e *instance.Instance, token apikey.Token) {
		t.Helper()
		v, err := e.Gate.Check(t.Context(), gate.Request{Credential: e.Format.Credential(token.Reveal()), Cost: 1})
		if err != nil || !v.Valid() {
			t.Errorf("%s: %s, %v", what, v.Code, err)
		}
	}
	old, idle, asked, found := start(), start(), start(), start()
	before := issue(old, registry.Caller{UserID: "root", Scopes: root.Scopes})
	for _, e := range []*instance.Instance{old, idle, asked, found} {
		check("before", e, before)
	}

	services.secret = strings.Replace(services.secret, "[]", `["a-newer-pepper-of-16"]`, 1)
	now = now.Add(10 * time.Second)
	started := start()
	check("at one that has started since", started, before)
	now = now.Add(time.Second) // what is remembered may not be trusted any more
	check("what was used there", old, before)
	made := issue(started, root)
	check("what was made there", idle, made)
	if again := issue(asked, root); again.Reveal() != made.Reveal() {
		t.Error("what was asked again, elsewhere, was done again")
	}
	if _, err := found.Registry.Lookup(t.Context(), root, found.Format.Credential(before.Reveal())); err != nil {
		t.Errorf("what was found: %v", err)
	}
}
