package oidc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/oidc"
	"latchkey/internal/oidc/oidctest"
)

// signedIn returns the verdict of a verifier with the options on a token of alice that has more
// claims. A claim with the value absent is left out.
func signedIn(t testing.TB, i *oidctest.Issuer, o oidc.Options, more map[string]any) oidc.Verdict {
	t.Helper()
	o.Issuers, o.Audiences, o.Now = []string{i.URL}, []string{oidctest.Audience}, time.Now
	claims := i.Claims("alice")
	for name, value := range more {
		if claims[name] = value; value == absent {
			delete(claims, name)
		}
	}
	return judge(t, oidc.New(o), i.Sign(claims))
}

const absent = "\x00absent"

func TestAClaimMayNameTheOwner(t *testing.T) {
	i := oidctest.Start(t)
	for _, c := range []struct {
		claim  string // OIDC_USER_CLAIM
		claims map[string]any
		want   string // owner and subject, or the reason of a refusal
	}{
		{"", nil, "alice alice"},
		{"sub", map[string]any{"org_id": "acme"}, "alice alice"},
		{"org_id", map[string]any{"org_id": "acme"}, "acme alice"},
		{"org_id", map[string]any{"org_id": "alice"}, "alice alice"},
		{"https://a.example.com/org", map[string]any{"https://a.example.com/org": "acme"}, "acme alice"},
		{"org_id", map[string]any{"org_id": strings.Repeat("é", 128)}, strings.Repeat("é", 128) + " alice"},

		{"org_id", nil, "wrong_user_claim"},
		{"org_id", map[string]any{"ORG_ID": "acme"}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": ""}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": 7}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": nil}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": true}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": []string{"acme"}}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": map[string]any{"id": "acme"}}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": " acme"}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": "ac\u200bme"}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": strings.Repeat("é", 129)}, "wrong_user_claim"},
		{"org_id", map[string]any{"org_id": "admin"}, "reserved_subject"},
		{"org_id", map[string]any{"org_id": "Anonymous"}, "reserved_subject"},
		{"org_id", map[string]any{"org_id": "latchkey:admin"}, "reserved_subject"},
		{"org_id", map[string]any{"org_id": "team:acme"}, "reserved_subject"},
		{"org_id", map[string]any{"org_id": "TEAM:acme"}, "reserved_subject"},

		// The subject is what the audit trail names, so its rules hold as well.
		{"org_id", map[string]any{"org_id": "acme", "sub": absent}, "wrong_subject"},
		{"org_id", map[string]any{"org_id": "acme", "sub": "a\nb"}, "wrong_subject"},
		{"org_id", map[string]any{"org_id": "acme", "sub": "admin"}, "reserved_subject"},
		{"", map[string]any{"sub": "team:acme"}, "reserved_subject"},
		{"", map[string]any{"sub": "Team:"}, "reserved_subject"},
		{"", map[string]any{"sub": "teams"}, "teams teams"},
	} {
		v := signedIn(t, i, oidc.Options{UserClaim: c.claim}, c.claims)
		got := string(v.Refused)
		if got == "" {
			got = v.User.ID + " " + v.User.Subject
		}
		if got != c.want || (v.User.ID != "") != (v.Refused == "") {
			t.Errorf("claim %q of %v: %s, want %s", c.claim, c.claims, got, c.want)
		}
	}
}

func TestRolesSayWhoMayWrite(t *testing.T) {
	i := oidctest.Start(t)
	const read, write, admin = "keys:read", "keys:read keys:write", "keys:admin"
	o := oidc.Options{RoleClaim: "org_role", WriteRoles: []string{"owner", "key admin"}, AdminClaim: "groups=latchkey-admins"}
	for _, c := range []struct {
		o      oidc.Options
		claims map[string]any
		want   string
	}{
		{oidc.Options{}, nil, write},
		{oidc.Options{WriteRoles: []string{"owner"}}, nil, write},
		{o, nil, read},
		{o, map[string]any{"org_role": "owner"}, write},
		{o, map[string]any{"org_role": "member owner"}, write},
		{o, map[string]any{"org_role": []string{"member", "owner"}}, write},
		{o, map[string]any{"org_role": "key admin"}, write},
		{o, map[string]any{"org_role": "member"}, read},
		{o, map[string]any{"org_role": "Owner"}, read},
		{o, map[string]any{"org_role": "owners"}, read},
		{o, map[string]any{"org_role": []any{"owner", 1}}, read},
		{o, map[string]any{"org_role": map[string]any{"owner": true}}, read},
		{o, map[string]any{"ORG_ROLE": "owner"}, read},
		{o, map[string]any{"role": "owner"}, read},
		{o, map[string]any{"groups": []string{"latchkey-admins"}}, admin},
		{oidc.Options{RoleClaim: "org_role"}, map[string]any{"org_role": ""}, read},
	} {
		v := signedIn(t, i, c.o, c.claims)
		if got := strings.Join(v.User.Scopes, " "); got != c.want {
			t.Errorf("%+v, claims %v: %s, want %s", c.o, c.claims, got, c.want)
		}
	}
}

func TestGroupsAreThoseWhoseTeamCanOwnKeys(t *testing.T) {
	i := oidctest.Start(t)
	var many []string
	for n := range 200 {
		many = append(many, fmt.Sprintf("g%03d", n))
	}
	for _, c := range []struct {
		claim  string
		groups any
		want   string // the groups, and how many are bad
	}{
		{"", []string{"a"}, "[] 0"},
		{"groups", absent, "[] 0"},
		{"groups", []string{"b", "a", "b"}, "[a b] 0"},
		{"groups", "Platform Team", "[Platform Team] 0"},
		{"groups", []string{"team:a", "latchkey:admin", "admin", "é", "a,b", "/x/y"}, "[/x/y a,b admin latchkey:admin team:a é] 0"},
		{"groups", []string{"", " a", "a ", "a\nb", "a\u200bb", strings.Repeat("x", 124), "ok"}, "[ok] 6"},
		{"groups", strings.Repeat("x", 123), "[" + strings.Repeat("x", 123) + "] 0"},
		{"groups", []any{"a", 1}, "[] 0"},
		{"groups", map[string]any{"a": true}, "[] 0"},
		{"groups", 7, "[] 0"},
		{"roles", []string{"a"}, "[] 0"},
		{"groups", many, fmt.Sprint(many, " 0")},
	} {
		v := signedIn(t, i, oidc.Options{GroupsClaim: c.claim}, map[string]any{"groups": c.groups})
		if got := fmt.Sprint(v.User.Groups, " ", v.User.BadGroups); got != c.want || v.Refused != "" {
			t.Errorf("%q of %v: %s %s, want %s", c.claim, c.groups, got, v.Refused, c.want)
		}
		for _, group := range v.User.Groups {
			if err := apikey.CheckUserID(apikey.Team(group)); err != nil {
				t.Errorf("%q: %v", group, err)
			}
		}
	}
}
