package httpapi_test

import (
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// A member of a group acts for its team on every route for one's own keys. Nobody else does.
func TestMembersActForTheirTeams(t *testing.T) {
	s := newService(t)
	s.configure(func(o *registry.Options) {
		o.Users = &apikey.Key{Scopes: apikey.Scopes{"tts"}, Limit: apikey.DefaultLimit()}
	})
	const both = "keys:read keys:write"
	member := who{"userId": "alice", "scopes": both, "groups": "ops,a%2Cb"}
	reader := who{"userId": "bob", "scopes": "keys:read", "groups": "ops"}
	other := who{"userId": "carol", "scopes": both, "groups": "OPS,op,ops%20,team:ops"}
	self := who{"userId": "Team:ops", "scopes": both}
	// Only the authorizer's context of a user has groups. A key has none, whatever comes with it.
	keyed := s.caller("dave", "keys:read", "keys:write")
	keyed["groups"] = "ops"

	made := s.send(member, "POST", keys, `{"userId":"team:ops","scopes":["tts"]}`)
	if made.status != 201 || made.json["userId"] != "team:ops" {
		t.Fatalf("create: %d %s", made.status, made.text)
	}
	path := keys + "/" + made.json["id"].(string)
	if a := s.send(member, "POST", keys, `{"userId":"team:a,b"}`); a.status != 201 {
		t.Errorf("for a team with a comma: %d %s", a.status, a.text)
	}
	for _, c := range []struct {
		method, path, body string
		member, reader     int
		others             int // those who do not act for the team
	}{
		{"POST", keys, `{"userId":"team:ops"}`, 201, 403, 403},
		{"POST", keys, `{"userId":"team:dev"}`, 403, 403, 403},
		{"POST", keys, `{"userId":"team:OPS"}`, 403, 403, 403},
		{"POST", keys, `{"userId":"team:"}`, 403, 403, 403},
		{"GET", keys + "?userId=team:ops", "", 200, 200, 403},
		{"GET", keys + "?userId=team:dev", "", 403, 403, 403},
		{"GET", "/api/v1/usage?userId=team:ops", "", 200, 200, 403},
		{"GET", path, "", 200, 200, 404},
		{"GET", path + "/usage", "", 200, 200, 404},
		{"GET", path + "/audit", "", 200, 200, 404},
		{"POST", path + "/explain", `{"method":"POST","path":"/tts/x"}`, 200, 200, 404},
		{"PATCH", path, `{"name":"x"}`, 200, 403, 404},
		{"PATCH", path, `{"scopes":["llm"]}`, 403, 403, 404},
		{"POST", path + "/end-grace", "", 200, 403, 404},
		{"POST", path + "/rotate", "", 200, 403, 404},
		{"POST", "/api/v1/users/team%3Aops/revoke-keys", "", 403, 403, 403},
		{"POST", path + "/revoke", "", 200, 403, 404},
		{"DELETE", path, "", 204, 403, 404},
	} {
		for name, as := range map[string]who{"another": other, "a user by that name": self, "a key": keyed} {
			want := c.others
			if name == "another" && c.path == keys && strings.Contains(c.body, "OPS") {
				want = 201 // its own team
			}
			if a := s.send(as, c.method, c.path, c.body); a.status != want {
				t.Errorf("%s: %s %s %s: %d %s; want %d", name, c.method, c.path, c.body, a.status, a.text, want)
			}
		}
		if a := s.send(reader, c.method, c.path, c.body); a.status != c.reader {
			t.Errorf("a reader: %s %s %s: %d %s; want %d", c.method, c.path, c.body, a.status, a.text, c.reader)
		}
		if a := s.send(member, c.method, c.path, c.body); a.status != c.member {
			t.Errorf("a member: %s %s %s: %d %s; want %d", c.method, c.path, c.body, a.status, a.text, c.member)
		}
	}
	// A key of the team manages the team's keys, as any user's key does.
	key := s.caller("team:ops", "keys:read", "keys:write")
	if a := s.send(key, "GET", keys, ""); a.status != 200 || len(a.json["data"].([]any)) != 2 {
		t.Errorf("a key of the team: %d %s", a.status, a.text)
	}
	if a := s.send(key, "POST", keys, `{"userId":"alice"}`); a.status != 403 {
		t.Errorf("a key of the team for a member: %d %s", a.status, a.text)
	}
	if a := s.send(s.root, "POST", keys, `{"userId":"team:new"}`); a.status != 201 {
		t.Errorf("an admin for a team: %d %s", a.status, a.text)
	}
}

// The trail names the person, while the keys belong to the organisation. Two people of one
// organisation may use the same Idempotency-Key.
func TestAPersonActsForAnOrganisation(t *testing.T) {
	s := newService(t)
	s.configure(func(o *registry.Options) { o.Users = &apikey.Key{Limit: apikey.DefaultLimit()} })
	alice := who{"userId": "acme", "subject": "auth0|alice", "scopes": "keys:read keys:write"}
	bob := who{"userId": "acme", "subject": "bob", "scopes": "keys:read keys:write"}
	const once = "Idempotency-Key: 0123456789abcdef0123"
	made := s.send(alice, "POST", keys, `{}`, once)
	again := s.send(alice, "POST", keys, `{}`, once)
	others := s.send(bob, "POST", keys, `{}`, once)
	if made.status != 201 || made.json["userId"] != "acme" || again.json["key"] != made.json["key"] {
		t.Errorf("%d %s, again %d %s", made.status, made.text, again.status, again.text)
	}
	if others.status != 201 || others.json["userId"] != "acme" || others.json["key"] == made.json["key"] {
		t.Errorf("another member: %d %s", others.status, others.text)
	}
	id := made.json["id"].(string)
	if a := s.send(bob, "POST", keys+"/"+id+"/revoke", ""); a.status != 200 {
		t.Errorf("revoke: %d %s", a.status, a.text)
	}
	trail := s.send(alice, "GET", keys+"/"+id+"/audit", "")
	var actors []string
	for _, e := range trail.json["data"].([]any) {
		actor := e.(map[string]any)["actor"].(map[string]any)
		actors = append(actors, actor["type"].(string)+" "+actor["id"].(string))
	}
	if got := strings.Join(actors, ", "); got != "user bob, user auth0|alice" {
		t.Errorf("the trail names %s", got)
	}
	// A key has no subject, whatever comes with it.
	key := s.caller("acme", "keys:write")
	key["subject"] = "mallory"
	a := s.send(key, "POST", keys, `{}`)
	trail = s.send(alice, "GET", keys+"/"+a.json["id"].(string)+"/audit", "")
	if a.status != 201 || strings.Contains(trail.text, "mallory") {
		t.Errorf("a key: %d, %s", a.status, trail.text)
	}
}
