package authorizer_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/oidc"
)

// registrar has a fixed mind on whose every token is, and remembers what it was
// asked.
type registrar struct {
	verdict oidc.Verdict
	err     error
	asked   string
}

func (r *registrar) Verify(_ context.Context, token string) (oidc.Verdict, error) {
	r.asked = token
	return r.verdict, r.err
}

const (
	jwt    = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.canary"
	own    = `"stageVariables":{"LATCHKEY_MANAGEMENT":"true"},`
	bearer = `"headers":{"Authorization":"Bearer ` + jwt + `"},"multiValueHeaders":{"authorization":["Bearer ` + jwt + `"]}`
)

func TestAUserComesWithoutAKeyOnlyToManageKeys(t *testing.T) {
	const key = `"X-API-Key":"a-foreign-token-of-ours"`
	for _, c := range []struct {
		name, resource, fields string
		user                   bool // the token is asked about, not the gate
	}{
		{"create and list", "/api/v1/api-keys", own + bearer, true},
		{"one", "/api/v1/api-keys/{id}", own + bearer, true},
		{"below one", "/api/v1/api-keys/{id}/revoke", own + bearer, true},
		{"whoami", "/api/v1/whoami", own + bearer, true},
		{"audit", "/api/v1/audit", own + bearer, true},
		{"usage", "/api/v1/usage", own + bearer, true},
		{"a user's keys", "/api/v1/users/{userId}/revoke-keys", own + bearer, true},
		{"bare", "/api/v1/whoami", own + `"headers":{"authorization":"` + jwt + `"}`, true},

		{"another API with the same route", "/api/v1/api-keys", bearer, false},
		{"one that says otherwise", "/api/v1/api-keys", `"stageVariables":{"LATCHKEY_MANAGEMENT":"false"},` + bearer, false},
		{"one without variables", "/api/v1/api-keys", `"stageVariables":null,` + bearer, false},
		{"a backend's route beside ours", "/tts", own + bearer, false},
		{"any route of a backend", "/{proxy+}", own + bearer, false},
		{"any route of a backend below ours", "/api/v1/api-keys/{proxy+}", own + bearer, false},
		{"a backend's users", "/api/v1/users/{userId}", own + bearer, false},
		{"below a route that has nothing below", "/api/v1/whoami/x", own + bearer, false},
		{"the same beginning", "/api/v1/api-keys-of-another", own + bearer, false},
		{"another base", "/v1/api-keys", own + bearer, false},
		{"the root", "/", own + bearer, false},
		{"none that is known", "", own + bearer, false},

		{"beside a key", "/api/v1/whoami", own + `"headers":{"Authorization":"Bearer ` + jwt + `",` + key + `}`, false},
		{"beside a malformed key", "/api/v1/whoami", own + `"headers":{"Authorization":"Bearer ` + jwt + `","X-API-Key":"x y"}`, false},
		{"beside a key in the query", "/api/v1/whoami", own + `"queryStringParameters":{"api_key":"a-foreign-token-of-ours"},` + bearer, false},
		{"where a key stands", "/api/v1/whoami", own + `"headers":{"X-API-Key":"` + jwt + `"}`, false},
		{"in the query", "/api/v1/whoami", own + `"queryStringParameters":{"api_key":"` + jwt + `"}`, false},
		{"by another scheme", "/api/v1/whoami", own + `"headers":{"Authorization":"DPoP ` + jwt + `"}`, false},
		{"two of them", "/api/v1/whoami", own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `","Bearer ` + jwt + `2"]}`, false},
		{"twice in one line", "/api/v1/whoami", own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `, Bearer ` + jwt + `"]}`, true},
		{"two in one line", "/api/v1/whoami", own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `, Bearer ` + jwt + `2"]}`, false},
		{"one and something else in one line", "/api/v1/whoami", own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `, Basic YTpi"]}`, false},
		{"beside a key of Azure's", "/api/v1/whoami", own + `"headers":{"Authorization":"Bearer ` + jwt + `","api-key":"a-foreign-token-of-ours"}`, false},
		{"one and something else", "/api/v1/whoami", own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `","Basic YTpi"]}`, false},
		{"none", "/api/v1/whoami", own + `"headers":{}`, false},
	} {
		// Rules on routes are for keys on routes of backends.
		for _, scopes := range []string{"", "GET /tts=tts"} {
			j := &judge{verdict: apikey.Verdict{Code: apikey.CodeMissing}}
			r := &registrar{verdict: oidc.Verdict{User: oidc.User{ID: "alice"}}}
			a := newAuthorizer(t, j, &bytes.Buffer{}, func(o *authorizer.Options) { o.Users, o.Routes = r, rules(t, scopes) })
			// The path leads where the resource says, whatever it looks like.
			_, err := a.Invoke(t.Context(), []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/stage/GET/api/v1/whoami","resource":"`+c.resource+`",`+c.fields+`}`))
			if c.user && (err != nil || r.asked != jwt) || !c.user && (r.asked != "" || err == nil || err.Error() != "Unauthorized") {
				t.Errorf("%s, scopes %q: %v, asked about %q", c.name, scopes, err, r.asked)
			}
		}
	}
}

func TestAUserIsAllowedWithoutAKeyID(t *testing.T) {
	const arn = "arn:aws:execute-api:r:1:a/s/GET/api/v1/whoami"
	event := `{"methodArn":"` + arn + `","resource":"/api/v1/whoami",` + own + bearer + `}`
	var log bytes.Buffer
	r := &registrar{verdict: oidc.Verdict{User: oidc.User{ID: "alice", Name: "Alice", Scopes: apikey.Scopes{"keys:read", "keys:write"}}}}
	answer, err := newAuthorizer(t, &judge{}, &log, func(o *authorizer.Options) { o.Users = r }).Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"principalId":"user","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"` + arn + `"}]},
		"context":{"userId":"alice","name":"Alice","scopes":"keys:read keys:write","userIdHeader":"alice","scopeHeader":"keys:read keys:write","environment":"","internal":false,"unlimited":true}}`
	if diff := cmp.Diff(decode(t, []byte(want)), decode(t, answer)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, c := range []struct {
		name string
		r    *registrar
		want string
		code string
	}{
		{"a refusal", &registrar{verdict: oidc.Verdict{Refused: oidc.Expired}}, "Unauthorized", "expired_token"},
		{"an outage", &registrar{err: errors.New("dial tcp")}, "unavailable: the key could not be checked", "unavailable"},
	} {
		var log bytes.Buffer
		j := &judge{verdict: verdict(apikey.CodeValid)}
		a := newAuthorizer(t, j, &log, func(o *authorizer.Options) { o.Users = c.r })
		answer, err := a.Invoke(t.Context(), []byte(event))
		if answer != nil || err == nil || err.Error() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, answer, err, c.want)
		}
		if !strings.Contains(log.String(), `"code":"`+c.code+`"`) || strings.Contains(log.String(), "canary") {
			t.Errorf("%s: log %s", c.name, log.String())
		}
		// Keys are judged as ever.
		if _, err := a.Invoke(t.Context(), read(t, "authorizer-allow.json")); err != nil {
			t.Errorf("a key after %s: %v", c.name, err)
		}
	}
}
