package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// listed returns the names of the keys in an answer.
func (a answer) listed(t testing.TB) (names []string) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	for _, k := range a.json["data"].([]any) {
		names = append(names, k.(map[string]any)["name"].(string))
	}
	return names
}

// collect returns the names of the keys on all pages of a list, a few on each.
func (s *service) collect(as who, query string, limit int) (names []string) {
	s.t.Helper()
	cursor := ""
	for range 100 {
		a := s.send(as, "GET", fmt.Sprintf("%s?%s&limit=%d%s", keys, query, limit, cursor), "")
		names = append(names, a.listed(s.t)...)
		next, more := a.json["nextCursor"].(string)
		if !more {
			return names
		}
		cursor = "&cursor=" + next
	}
	s.t.Fatalf("%s has no last page", query)
	return nil
}

// gallery makes keys of two users that differ in all by which a list selects and sorts.
func gallery(t *testing.T) (s *service, ids map[string]string) {
	s = newService(t)
	s.configure(func(o *registry.Options) { o.MaxKeys = 0 })
	ids = make(map[string]string)
	tokens := make(map[string]string)
	for _, body := range []string{
		`{"userId":"u1","name":"Ärger"}`,
		`{"userId":"u1","name":"busy","rateLimit":{"requests":10,"window":3600}}`,
		`{"userId":"u1","name":"ending","expiresAt":"2026-11-27T12:00:00Z"}`,
		`{"userId":"u2","name":"Busy bee","rateLimit":{"requests":1000,"window":3600},"quota":{"requests":20,"period":"month"}}`,
		`{"userId":"u2","name":"ended","expiresAt":"2026-11-24T13:00:00Z"}`,
		`{"userId":"u2","name":"turning"}`,
		`{"userId":"u2","name":"free","unlimited":true}`,
		`{"userId":"u2","name":"further","limits":[{"amount":4,"window":86400}]}`,
		`{"userId":"u2","name":"revoked","expiresAt":"2026-11-26T12:00:00Z"}`,
	} {
		s.now = s.now.Add(time.Second)
		made := s.send(s.root, "POST", keys, body)
		if made.status != 201 {
			t.Fatalf("%s: %d %s", body, made.status, made.text)
		}
		name := made.json["name"].(string)
		ids[name], tokens[name] = made.json["id"].(string), made.json["key"].(string)
	}
	for _, use := range []struct {
		name string
		cost int
	}{{"free", 1}, {"Busy bee", 15}, {"further", 4}, {"busy", 5}, {"Ärger", 1}} {
		s.now = s.now.Add(time.Minute)
		s.spend(tokens[use.name], use.cost)
	}
	for path, want := range map[string]int{"turning/rotate": 200, "revoked/revoke": 200} {
		name, verb, _ := strings.Cut(path, "/")
		if a := s.send(s.root, "POST", keys+"/"+ids[name]+"/"+verb, ""); a.status != want {
			t.Fatalf("%s: %d %s", path, a.status, a.text)
		}
	}
	s.now = noon.Add(61 * time.Minute)
	return s, ids
}

func TestAListIsSortedAndFiltered(t *testing.T) {
	s, ids := gallery(t)
	prefix := func(name string) string { return "sk_live_" + ids[name][:4] }
	for _, c := range []struct{ query, want string }{
		{"userId=*", "revoked further free turning ended Busy-bee ending busy Ärger root"},
		{"userId=u2", "revoked further free turning ended Busy-bee"},
		{"userId=u2&sort=created", "revoked further free turning ended Busy-bee"},
		{"userId=*&sort=lastUsed", "Ärger busy further Busy-bee free revoked turning ended ending root"},
		{"userId=u1&sort=lastUsed", "Ärger busy ending"},
		{"userId=*&sort=spent", "further Busy-bee busy revoked free turning ended ending Ärger root"},
		{"userId=u2&status=active", "further free turning Busy-bee"},
		{"userId=*&status=revoked", "revoked"},
		{"userId=*&status=active&sort=lastUsed", "Ärger busy further Busy-bee free turning ending root"},
		{"userId=*&search=bUsY", "Busy-bee busy"},
		{"userId=*&search=" + url.QueryEscape("äRG"), "Ärger"},
		{"userId=*&search=" + url.QueryEscape("A\u0308rg"), "Ärger"},
		{"userId=*&search=" + ids["turning"], "turning"},
		{"userId=*&search=" + ids["turning"][:15], "turning"},
		{"userId=*&search=" + prefix("free"), "free"},
		{"userId=*&search=sk_live_", "revoked further free turning ended Busy-bee ending busy Ärger root"},
		{"userId=*&search=sy", ""},
		{"userId=*&search=*", ""},
		{"userId=*&expiresBefore=2026-12-01T00:00:00Z", "revoked ending"},
		{"userId=*&expiresBefore=2026-11-27T12:00:00Z", "revoked"},
		{"userId=*&expiresBefore=2026-11-27T13:00:00%2B01:00", "revoked"},
		{"userId=*&expiresBefore=2026-12-01T00:00:00Z&status=active", "ending"},
		{"userId=*&expiresBefore=2020-01-01T00:00:00Z", ""},
		{"userId=*&neverUsed=true", "revoked turning ended ending root"},
		{"userId=*&neverUsed=false", "revoked further free turning ended Busy-bee ending busy Ärger root"},
		{"userId=*&neverUsed=true&sort=spent", "revoked turning ended ending root"},
		{"userId=u1&unusedSince=2026-11-24T12:05:00Z", "ending busy"},
		{"userId=*&unusedSince=2026-11-24T12:04:09Z", "revoked further free turning ended Busy-bee ending root"},
		{"userId=*&rotating=true", "turning"},
		{"userId=*&rotating=true&sort=lastUsed", "turning"},
		{"userId=u1&rotating=true", ""},
		{"userId=nobody&sort=spent", ""},
		{"userId=*&search=e&status=expired&neverUsed=true&sort=lastUsed", "ended"},
	} {
		want := strings.Fields(c.want)
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], "-", " ")
			if want[i] == "root" {
				want[i] = ""
			}
		}
		for _, limit := range []int{100, 1, 2, 3} {
			if diff := cmp.Diff(want, s.collect(s.root, c.query, limit), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s, %d on a page (-want +got):\n%s", c.query, limit, diff)
			}
		}
	}
	// The window of the limits has passed, and with it the tokens that were spent. The month has not.
	s.now = s.now.Add(25 * time.Hour)
	if got := s.collect(s.root, "userId=u2&sort=spent", 10)[0]; got != "Busy bee" {
		t.Errorf("a day later, %q has spent most", got)
	}
}

func TestWhoMayListWhat(t *testing.T) {
	s, _ := gallery(t)
	reader := s.caller("u1", apikey.ScopeRead)
	admin := who{"userId": "boss", "scopes": "keys:admin"} // a user with a JWT
	member := who{"userId": "u5", "scopes": "keys:read", "groups": `["u2"]`}
	star := who{"userId": "*", "scopes": "keys:read"}
	for _, c := range []struct {
		what  string
		who   who
		query string
		want  int
		param string
	}{
		{"an admin, all", s.root, "userId=*", 200, ""},
		{"an admin who is a user, all", admin, "userId=*&sort=spent", 200, ""},
		{"a reader, all", reader, "userId=*", 403, "userId"},
		{"a reader, all, sorted", reader, "userId=*&sort=lastUsed", 403, "userId"},
		{"a reader, another's", reader, "userId=u2&sort=lastUsed", 403, "userId"},
		{"a reader, another's, found", reader, "userId=u2&search=b", 403, "userId"},
		{"a reader, its own", reader, "sort=lastUsed", 200, ""},
		{"a member of a group", member, "userId=*", 403, "userId"},
		{"a user who is called so", star, "userId=*", 403, "userId"},
		{"a user who is called so, its own", star, "sort=lastUsed", 200, ""},
		{"without keys:read", s.caller("u1", apikey.ScopeWrite), "sort=lastUsed", 403, ""},
		{"without a scope, all", s.caller("u1"), "userId=*", 403, ""},
		{"nobody", nil, "userId=*", 401, "authorization"},
	} {
		a := s.send(c.who, "GET", keys+"?"+c.query, "")
		if c.want != 200 {
			a.isError(t, c.what, c.want, c.param)
			continue
		}
		if a.status != 200 {
			t.Errorf("%s: %d %s", c.what, a.status, a.text)
		}
	}
	for _, name := range s.collect(reader, "sort=spent", 2) {
		if name != "" && name != "Ärger" && name != "busy" && name != "ending" {
			t.Errorf("a reader sees %q of another user", name)
		}
	}
	if got := s.send(star, "GET", keys+"?sort=lastUsed", "").listed(t); len(got) != 0 {
		t.Errorf("the user called * sees %q", got)
	}
}

func TestAListRefusesWhatItDoesNotUnderstand(t *testing.T) {
	s, ids := gallery(t)
	token := s.send(s.root, "POST", keys, `{"userId":"u3"}`).json["key"].(string)
	for _, c := range []struct{ query, param string }{
		{"sort=name", "sort"}, {"sort=", "sort"}, {"sort=created&sort=spent", "sort"}, {"sort=CREATED", "sort"},
		{"search=", "search"}, {"search=" + strings.Repeat("x", 256), "search"}, {"search=a&search=b", "search"},
		{"search=" + token, "search"}, {"search=" + token[:30], "search"}, {"search=sk_live_" + ids["busy"] + "x", "search"},
		{"expiresBefore=tomorrow", "expiresBefore"}, {"expiresBefore=2026-12-01", "expiresBefore"}, {"expiresBefore=", "expiresBefore"},
		{"expiresBefore=" + strings.Repeat("9", 70), "expiresBefore"}, {"expiresBefore=0001-01-01T00:00:00Z", "expiresBefore"},
		{"unusedSince=1764000000", "unusedSince"}, {"unusedSince=null", "unusedSince"},
		{"neverUsed=maybe", "neverUsed"}, {"neverUsed=", "neverUsed"}, {"rotating=2", "rotating"},
		{"include=all", "include"}, {"include=usage,usage", "include"}, {"include=", "include"},
		{"limit=0", "limit"}, {"limit=101", "limit"}, {"cursor=x&sort=spent", "cursor"}, {"cursor=" + strings.Repeat("A", 1025), "cursor"},
		{"neverused=true", "neverused"},
	} {
		a := s.send(s.root, "GET", keys+"?userId=*&"+c.query, "")
		a.isError(t, c.query, 400, c.param)
		if strings.Contains(a.text, token[:30]) {
			t.Errorf("%s: the answer tells the token", c.query)
		}
	}
	for _, search := range []string{"<script>", "😀", "مرحبا", "%00", "'; --", "sk_live_" + ids["busy"]} {
		if a := s.send(s.root, "GET", keys+"?userId=*&search="+url.QueryEscape(search), ""); a.status != 200 || len(a.listed(t)) != 0 {
			t.Errorf("search=%s: %d %s", search, a.status, a.text)
		}
	}
}

// A cursor belongs to one query.
func TestACursorOfAnotherListIsRefused(t *testing.T) {
	s, _ := gallery(t)
	queries := []string{
		"userId=u2", "userId=u2&sort=lastUsed", "userId=u2&sort=spent", "userId=*", "userId=*&sort=spent", "userId=u2&search=f", "userId=u2&search=fr",
		"userId=u2&neverUsed=true", "userId=u2&unusedSince=2026-11-24T18:00:00Z", "userId=u2&unusedSince=2026-11-24T19:00:00Z", "userId=*&status=active",
		"userId=*&status=active&sort=lastUsed", "userId=u1&sort=lastUsed",
	}
	cursors := make(map[string]string)
	for _, q := range queries {
		if next, ok := s.send(s.root, "GET", keys+"?limit=1&"+q, "").json["nextCursor"].(string); ok {
			cursors[q] = next
		}
	}
	if len(cursors) < len(queries)-2 {
		t.Fatalf("only %d of %d have a cursor", len(cursors), len(queries))
	}
	for of, cursor := range cursors {
		for _, q := range queries {
			a := s.send(s.root, "GET", keys+"?"+q+"&cursor="+cursor, "")
			if q == of {
				if a.status != 200 {
					t.Errorf("its own, %s: %d %s", q, a.status, a.text)
				}
				continue
			}
			a.isError(t, "that of "+of+" for "+q, 400, "cursor")
		}
	}
	// The order that is the default is the same order when it is named.
	if a := s.send(s.root, "GET", keys+"?userId=*&sort=created&cursor="+cursors["userId=*"], ""); a.status != 200 {
		t.Errorf("created by name: %d %s", a.status, a.text)
	}
}

func TestAKeyMayIncludeItsUsage(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1","rateLimit":{"requests":100,"window":10}}`)
	id, token := made.json["id"].(string), made.json["key"].(string)
	s.spend(token, 3)
	s.now = s.now.Add(24 * time.Hour)
	s.spend(token, 4)
	s.now = s.now.Add(9 * 24 * time.Hour) // the next month
	s.spend(token, 5)
	other := s.send(s.root, "POST", keys, `{"userId":"u1"}`).json["id"].(string)
	want := s.send(s.root, "GET", keys+"/"+id+"/usage", "").json["data"].([]any)
	first, last := want[0].(map[string]any), want[29].(map[string]any)
	if len(want) != 30 || first["date"] != "2026-11-05" || last["date"] != "2026-12-04" || last["requests"] != 5.0 {
		t.Fatalf("usage: %v", want)
	}
	none := 0.0
	for _, path := range []string{keys + "?userId=u1&include=usage", keys + "?userId=*&include=usage&sort=lastUsed"} {
		for _, k := range s.send(s.root, "GET", path, "").json["data"].([]any) {
			k := k.(map[string]any)
			switch k["id"] {
			case id:
				if diff := cmp.Diff(want, k["usage"].([]any)); diff != "" {
					t.Errorf("%s (-usage +included):\n%s", path, diff)
				}
			default:
				for _, day := range k["usage"].([]any) {
					none += day.(map[string]any)["requests"].(float64)
				}
			}
		}
	}
	if none != 0 {
		t.Errorf("keys that were not used show %v requests", none)
	}
	if diff := cmp.Diff(want, s.send(s.root, "GET", keys+"/"+id+"?include=usage", "").json["usage"]); diff != "" {
		t.Errorf("one key (-usage +included):\n%s", diff)
	}
	for _, path := range []string{keys + "?userId=u1", keys + "/" + id} {
		if a := s.send(s.root, "GET", path, ""); strings.Contains(a.text, `"usage"`) {
			t.Errorf("%s includes what was not asked for: %s", path, a.text)
		}
	}
	if a := s.send(s.root, "GET", keys+"/"+other+"?include=usage", ""); len(a.json["usage"].([]any)) != 30 {
		t.Errorf("a new key: %s", a.text)
	}
}

func TestUsersAreListedForAdmins(t *testing.T) {
	s, _ := gallery(t)
	// The last use of u1's keys is at 12:05:09.
	want := []any{
		map[string]any{"userId": "root", "keys": 1.0, "active": 1.0, "lastUsedAt": nil},
		map[string]any{"userId": "u1", "keys": 3.0, "active": 3.0, "lastUsedAt": "2026-11-24T12:05:09.000Z"},
		map[string]any{"userId": "u2", "keys": 6.0, "active": 4.0, "lastUsedAt": "2026-11-24T12:03:09.000Z"},
	}
	const users = "/api/v1/users"
	for _, c := range []struct {
		query string
		want  []any
	}{{"", want}, {"search=u", want[1:]}, {"search=u2", want[2:]}, {"search=U", nil}, {"search=" + url.QueryEscape("<script>"), nil}} {
		for _, limit := range []int{100, 1, 2} {
			var got []any
			cursor := ""
			for range 10 {
				a := s.send(s.root, "GET", fmt.Sprintf("%s?%s&limit=%d%s", users, c.query, limit, cursor), "")
				if a.status != 200 {
					t.Fatalf("%s: %d %s", c.query, a.status, a.text)
				}
				got = append(got, a.json["data"].([]any)...)
				next, more := a.json["nextCursor"].(string)
				if cursor = "&cursor=" + next; !more {
					break
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, %d on a page (-want +got):\n%s", c.query, limit, diff)
			}
		}
	}
	cursor := s.send(s.root, "GET", users+"?limit=1", "").json["nextCursor"].(string)
	ofKeys := s.send(s.root, "GET", keys+"?userId=*&limit=1", "").json["nextCursor"].(string)
	for _, c := range []struct {
		who          who
		query, param string
		want         int
	}{
		{s.caller("u1", apikey.ScopeRead, apikey.ScopeWrite), "", "", 403},
		{who{"userId": "u1", "scopes": "keys:read"}, "?search=u1", "", 403},
		{nil, "", "authorization", 401},
		{s.root, "?cursor=x", "cursor", 400},
		{s.root, "?cursor=" + ofKeys, "cursor", 400},
		{s.root, "?search=u&cursor=" + cursor, "cursor", 400},
		{s.root, "?search=", "search", 400},
		{s.root, "?search=" + strings.Repeat("ü", 129), "search", 400},
		{s.root, "?userId=u1", "userId", 400},
		{s.root, "?limit=0", "limit", 400},
	} {
		s.send(c.who, "GET", users+c.query, "").isError(t, fmt.Sprint(c.who["scopes"], c.query), c.want, c.param)
	}
	if a := s.send(s.root, "GET", keys+"?userId=*&cursor="+cursor, ""); a.status != 400 {
		t.Errorf("a cursor of users for keys: %d %s", a.status, a.text)
	}
	// Long ids still have a cursor that is taken.
	long := strings.Repeat("語", 128)
	for _, end := range []string{"", "x"} {
		user := long[:len(long)-3*len(end)] + end
		if a := s.send(s.root, "POST", keys, `{"userId":"`+user+`"}`); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	next := s.send(s.root, "GET", users+"?limit=1&search=%E8%AA%9E", "").json["nextCursor"].(string)
	if a := s.send(s.root, "GET", users+"?limit=1&search=%E8%AA%9E&cursor="+next, ""); a.status != 200 || len(a.json["data"].([]any)) != 1 {
		t.Errorf("after a long id: %d %s", a.status, a.text)
	}
}
