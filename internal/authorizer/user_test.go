package authorizer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
)

// registrar gives the same answer to every JSON Web Token. It records the last one.
type registrar struct {
	verdict admission.UserVerdict
	err     error
	asked   string
}

func (r *registrar) Verify(_ context.Context, token string) (admission.UserVerdict, error) {
	r.asked = token
	return r.verdict, r.err
}

const (
	ownStage = `"stageVariables":{"LATCHKEY_MANAGEMENT":"true"}`
	withJWT  = `"headers":{"Authorization":"Bearer ` + jwt + `"},` +
		`"multiValueHeaders":{"authorization":["Bearer ` + jwt + `"]}`
)

func TestUsersMayComeWithoutAKey(t *testing.T) {
	const (
		user   = "allow user"
		key    = "refuse missing_key" // the gate was asked, and there was no token
		own    = ownStage + ","
		whoami = "/api/v1/whoami"
	)
	for _, c := range []struct{ resource, members, want string }{
		// On latchkey's own routes.
		{"/api/v1/api-keys", own + withJWT, user},
		{"/api/v1/api-keys/{id}", own + withJWT, user},
		{"/api/v1/api-keys/{id}/revoke", own + withJWT, user},
		{"/api/v1/audit", own + withJWT, user},
		{"/api/v1/usage", own + withJWT, user},
		{"/api/v1/users", own + withJWT, user},
		{"/api/v1/users/{userId}", own + withJWT, user},
		{"/api/v1/users/{userId}/credits", own + withJWT, user},
		{"/api/v1/users/{userId}/revoke-keys", own + withJWT, user},
		{"/api/v1/plans", own + withJWT, user},
		{"/api/v1/plans/{name}", own + withJWT, user},
		{"/api/v1/plans/{name}/stats", own + withJWT, user},
		{whoami, own + withJWT, user},
		{whoami, own + `"headers":{"authorization":"` + jwt + `"}`, user},
		{whoami, own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `, Bearer ` + jwt + `"]}`, user},

		// Not on routes of a backend, nor on another API's routes with the same names.
		{"/tts", own + withJWT, key},
		{"/{proxy+}", own + withJWT, key},
		{"/api/v1/api-keys/{proxy+}", own + withJWT, key},
		{"/api/v1/users-of-another", own + withJWT, key},
		{"/api/v1/users/{proxy+}", own + withJWT, key},
		{"/api/v1/users/{userId}/{proxy+}", own + withJWT, key},
		{"/api/v1/plans/{proxy+}", own + withJWT, key},
		{"/api/v1/plans/{name}/x", own + withJWT, key},
		{"/api/v1/plans-of-another", own + withJWT, key},
		{"/api/v1/whoami/x", own + withJWT, key},
		{"/api/v1/api-keys-of-another", own + withJWT, key},
		{"/v1/api-keys", own + withJWT, key},
		{"/", own + withJWT, key},
		{"", own + withJWT, key},
		{"/api/v1/api-keys", withJWT, key},
		{whoami, withJWT, key},
		{"/api/v1/api-keys", `"stageVariables":null,` + withJWT, key},
		{"/api/v1/api-keys", `"stageVariables":{"LATCHKEY_MANAGEMENT":"false"},` + withJWT, key},

		// Not beside a token, nor beside a text that could be one.
		{whoami, own + `"headers":{"Authorization":"Bearer ` + jwt + `","X-API-Key":"` + token + `"}`, key},
		{whoami, own + `"headers":{"Authorization":"Bearer ` + jwt + `","api-key":"` + token + `"}`, key},
		{whoami, own + `"headers":{"Authorization":"Bearer ` + jwt + `","X-API-Key":"x y"}`, key},
		{whoami, own + `"queryStringParameters":{"api_key":"` + token + `"},` + withJWT, key},

		// Not in another place, by another scheme, or beside anything else.
		{whoami, own + `"headers":{}`, key},
		{whoami, own + `"headers":{"X-API-Key":"` + jwt + `"}`, key},
		{whoami, own + `"queryStringParameters":{"api_key":"` + jwt + `"}`, key},
		{whoami, own + `"headers":{"Authorization":"DPoP ` + jwt + `"}`, key},
		{whoami, own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `","Bearer ` + jwt + `2"]}`, key},
		{whoami, own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `, Bearer ` + jwt + `2"]}`, key},
		{whoami, own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `","Basic YTpi"]}`, key},
		{whoami, own + `"multiValueHeaders":{"Authorization":["Basic YTpi","Bearer ` + jwt + `"]}`, key},
		{whoami, own + `"multiValueHeaders":{"Authorization":["Bearer ` + jwt + `, Basic YTpi"]}`, key},
	} {
		r := &registrar{verdict: admission.UserVerdict{User: admission.User{ID: "alice"}}}
		// The path looks like one of latchkey's own routes in every row. The resource alone counts.
		event := request("GET/api/v1/whoami", `"resource":"`+c.resource+`",`+c.members)
		got := decision(t, says(apikey.CodeMissing), event, func(o *admission.Options) { o.Users = r })
		if got != c.want || (r.asked == jwt) != (c.want == user) {
			t.Errorf("%s, %s: %s, asked about %q; want %s", c.resource, c.members, got, r.asked, c.want)
		}
		// Rules for routes concern keys only.
		got = decision(t, says(apikey.CodeMissing), event, func(o *admission.Options) {
			o.Users, o.Routes = r, rules(t, "GET /tts=tts")
		})
		if (got == user) != (c.want == user) {
			t.Errorf("%s, %s with rules: %s, want %s", c.resource, c.members, got, c.want)
		}
	}
}

func TestEachVerdictOnAUserHasItsDecision(t *testing.T) {
	event := request("GET/api/v1/whoami", `"resource":"/api/v1/whoami",`+ownStage+","+withJWT)
	for _, c := range []struct {
		users *registrar
		want  string
	}{
		{&registrar{verdict: admission.UserVerdict{User: admission.User{ID: "alice"}}}, "allow user"},
		{&registrar{verdict: admission.UserVerdict{Refused: apikey.CodeExpiredToken}}, "refuse expired_token"},
		{&registrar{err: errors.New("dial tcp")}, "fail could not decide"},
	} {
		users := func(o *admission.Options) { o.Users = c.users }
		if got := decision(t, says(apikey.CodeValid), event, users); got != c.want {
			t.Errorf("%+v: %s, want %s", c.users, got, c.want)
		}
		// Keys do not depend on issuers.
		key := string(read(t, "authorizer-allow.json"))
		if got := decision(t, says(apikey.CodeValid), key, users); got != "allow "+validKeyID {
			t.Errorf("a key beside %+v: %s", c.users, got)
		}
	}
}

// API Gateway takes at most 8 KB of an authorizer. Groups beyond that give no rights, and the log
// says so.
func TestGroupsBeyondTheRoomGiveNoRights(t *testing.T) {
	named := func(n int, name string) (groups []string) {
		for i := range n {
			groups = append(groups, fmt.Sprintf("%s%03d", name, i))
		}
		return groups
	}
	event := request("GET/"+strings.Repeat("p", 400), `"resource":"/api/v1/api-keys",`+ownStage+","+withJWT)
	for _, c := range []struct {
		name   string
		groups []string
		bad    int
		kept   int
		log    string // what the log says is ignored
	}{
		{"none", nil, 0, 0, ""},
		{"as many as there may be", named(50, "g"), 0, 50, ""},
		{"one more", named(51, "g"), 0, 50, `"ignored":1`},
		{"long names", named(50, strings.Repeat("x", 120)), 0, 24, `"ignored":26`},
		{"names that are encoded", named(50, strings.Repeat("é", 60)), 0, 8, `"ignored":42`},
		{"a name that JSON would escape", named(50, strings.Repeat("<", 60)), 0, 16, `"ignored":34`},
		{"bad names", []string{"a"}, 3, 1, `"ignored":3`},
	} {
		user := admission.User{
			ID: strings.Repeat("é", 128), Subject: strings.Repeat("ü", 128), Name: strings.Repeat("n", 255),
			Scopes: apikey.Scopes{"keys:read", "keys:write"}, Groups: c.groups, BadGroups: c.bad,
		}
		var log bytes.Buffer
		a := newAuthorizer(t, says(apikey.CodeMissing), &log, func(o *admission.Options) {
			o.Users = &registrar{verdict: admission.UserVerdict{User: user}}
		})
		answer, err := a.Invoke(t.Context(), []byte(event))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(answer) > 8000 {
			t.Errorf("%s: the answer has %d bytes", c.name, len(answer))
		}
		var r struct{ Context struct{ Groups string } }
		unmarshal(t, answer, &r)
		var got []string
		for text := range strings.SplitSeq(r.Context.Groups, ",") {
			group, err := url.PathUnescape(text)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if group != "" {
				got = append(got, group)
			}
		}
		if !slices.Equal(got, c.groups[:c.kept]) {
			t.Errorf("%s: %d groups are left, want the first %d", c.name, len(got), c.kept)
		}
		if logged := log.String(); (logged != "") != (c.log != "") || !strings.Contains(logged, c.log) {
			t.Errorf("%s: the log has %q, want %q", c.name, logged, c.log)
		}
	}
}
