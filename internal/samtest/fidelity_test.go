//go:build sam

package samtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The reasons why start-api answers in another way than the local stack. The local stack answers as
// API Gateway does.
const (
	noResponses = "SAM has no gateway responses"
	unescapes   = "SAM unescapes the path before it looks for a route"
	remaps      = "SAM does not rename WWW-Authenticate"
	preflights  = "SAM answers OPTIONS itself, without a body"
	openToAll   = "SAM adds a header of preflights, which pages do not have"
)

// Both stacks get these requests and use the same table. $name is a key of the stack, or its id;
// see newSide. If why is empty, the answers must be the same to the byte, except for values that
// change each time. Otherwise why is the reason for the difference.
var requests = []struct {
	what, request, body string
	headers             []string
	local, sam          int
	why                 string
}{
	{"health", "GET /latchkey/health", "", nil, 200, 200, ""},
	{"the OpenAPI document", "GET /latchkey/openapi.json", "", nil, 200, 200, ""},
	{"the folder of the manual without its slash", "GET /latchkey/docs", "", nil, 307, 307, openToAll},
	{"the folder of the manual", "GET /latchkey/docs/", "", nil, 200, 200, openToAll},
	{"a page of the manual", "GET /latchkey/docs/index.html", "", nil, 200, 200, openToAll},
	{"a page that does not exist", "GET /latchkey/docs/a/b.html", "", nil, 404, 404, openToAll},
	{"a page outside the folder", "GET /latchkey/docs/..%2f..%2fetc", "", nil, 404, 404, openToAll},
	{"a query of a page", "GET /latchkey/docs/?code=a&state=b", "", nil, 200, 200, openToAll},
	{"HEAD of the folder of the manual", "HEAD /latchkey/docs", "", nil, 307, 307, openToAll},
	{"HEAD of a page of the manual", "HEAD /latchkey/docs/index.html", "", nil, 200, 200, openToAll},

	{"no key", "GET /api/v1/whoami", "", nil, 401, samUnauthorized, noResponses},
	{"an empty key", "GET /api/v1/whoami", "", []string{"X-API-Key: "}, 401, samUnauthorized, noResponses},
	{"a malformed key", "GET /api/v1/whoami", "", []string{"X-API-Key: no key"}, 401, samUnauthorized, noResponses},
	{"an unknown key", "GET /api/v1/whoami", "", []string{"X-API-Key: 0123456789abcdef0123456789abcdef"}, 401, samUnauthorized, noResponses},
	{"a revoked key", "GET /api/v1/whoami", "", []string{"X-API-Key: $revoked"}, 401, samUnauthorized, noResponses},
	{"a disabled key", "GET /api/v1/whoami", "", []string{"X-API-Key: $disabled"}, 401, samUnauthorized, noResponses},
	{"a key over its limit", "GET /api/v1/whoami", "", []string{"X-API-Key: $spent"}, 429, samDenied, noResponses},

	{"a key", "GET /api/v1/whoami", "", []string{"X-API-Key: $limited"}, 200, 200, ""},
	{"an unlimited key", "GET /api/v1/whoami", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"a header in lower case", "GET /api/v1/whoami", "", []string{"x-api-key: $plain"}, 200, 200, ""},
	{"Bearer", "GET /api/v1/whoami", "", []string{"Authorization: Bearer $plain"}, 200, 200, ""},
	{"bearer in any case", "GET /api/v1/whoami", "", []string{"authorization: bEARER $plain"}, 200, 200, ""},
	{"a key without Bearer", "GET /api/v1/whoami", "", []string{"Authorization: $plain"}, 200, 200, ""},
	{"a pair", "GET /api/v1/whoami", "", []string{"X-API-Key: $plainPublic:$plain"}, 200, 200, ""},
	{"a pair that does not belong together", "GET /api/v1/whoami", "", []string{"X-API-Key: $namedPublic:$plain"}, 401, samUnauthorized, noResponses},
	{"a key in the query", "GET /api/v1/whoami?api_key=$plain", "", nil, 200, 200, ""},
	{"a JWT alone", "GET /api/v1/whoami", "", []string{"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.c2ln"}, 401, samUnauthorized, noResponses},
	{"a JWT beside a key", "GET /api/v1/whoami", "", []string{"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.c2ln", "X-API-Key: $plain"}, 200, 200, ""},
	{"the same key twice", "GET /api/v1/whoami?api_key=$plain", "", []string{"X-API-Key: $plain"}, 200, 200, ""},
	{"two keys", "GET /api/v1/whoami?api_key=$named", "", []string{"X-API-Key: $plain"}, 401, samUnauthorized, noResponses},
	{"the same parameter twice", "GET /api/v1/whoami?api_key=$plain&api_key=$plain", "", nil, 200, 200, ""},
	{"a parameter with two keys", "GET /api/v1/whoami?api_key=$plain&api_key=$named", "", nil, 401, samUnauthorized, noResponses},
	{"the same header twice", "GET /api/v1/whoami", "", []string{"X-API-Key: $plain", "X-API-Key: $plain"}, 200, 200, ""},
	{"the same key twice in one line", "GET /api/v1/whoami", "", []string{"Authorization: Bearer $plain, Bearer $plain"}, 200, 200, ""},
	{"a key in Azure's header", "GET /api/v1/whoami", "", []string{"api-key: $plain"}, 200, 200, ""},
	{"a key beside a placeholder", "GET /api/v1/whoami", "", []string{"X-API-Key: $plain", "Authorization: Bearer dummy"}, 200, 200, ""},
	{"a key beside a token of a cloud", "GET /api/v1/whoami", "", []string{"X-API-Key: $plain", "Authorization: Bearer ya29.a0AfB_byDwXh3k1-0123456789abcdef"}, 200, 200, ""},
	{"a header that says who the caller is", "GET /api/v1/whoami", "", []string{"X-API-Key: $plain", "X-User-Id: root"}, 401, samUnauthorized, noResponses},
	{"a header with two keys", "GET /api/v1/whoami", "", []string{"X-API-Key: $plain", "X-API-Key: $named"}, 401, samUnauthorized, noResponses},
	{"a name that is not ASCII", "GET /api/v1/whoami", "", []string{"X-API-Key: $named"}, 200, 200, ""},

	{"an unknown route", "GET /api/v1/nothing", "", nil, 404, samNoRoute, noResponses},
	{"an unknown route with a key", "GET /api/v1/nothing", "", []string{"X-API-Key: $plain"}, 404, samNoRoute, noResponses},
	{"the root", "GET /", "", nil, 404, samNoRoute, noResponses},
	{"a wrong method", "DELETE /api/v1/whoami", "", []string{"X-API-Key: $plain"}, 404, samNoRoute, noResponses},
	{"the key set", "GET /latchkey/.well-known/jwks.json", "", nil, 200, 200, ""},
	{"HEAD of the key set", "HEAD /latchkey/.well-known/jwks.json", "", nil, 200, 200, ""},
	{"HEAD of health", "HEAD /latchkey/health", "", nil, 200, 200, ""},
	{"HEAD of the OpenAPI document", "HEAD /latchkey/openapi.json", "", nil, 200, 200, ""},
	{"HEAD without a key", "HEAD /api/v1/whoami", "", nil, 401, samUnauthorized, noResponses},
	{"HEAD of whoami", "HEAD /api/v1/whoami", "", []string{"X-API-Key: $plain"}, 200, 200, ""},
	{"HEAD of a key's record", "HEAD /api/v1/api-keys/$plainID", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of a list", "HEAD /api/v1/api-keys?limit=1", "", []string{"X-API-Key: $reader"}, 200, 200, ""},
	{"HEAD of the statistics", "HEAD /api/v1/api-keys/stats?userId=u2", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of a key's usage", "HEAD /api/v1/api-keys/$spentID/usage?from=2026-01-30&to=2026-02-01", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of a user's usage", "HEAD /api/v1/usage?from=2026-01-30&to=2026-02-01", "", []string{"X-API-Key: $reader"}, 200, 200, ""},
	{"HEAD of a key's trail", "HEAD /api/v1/api-keys/$spentID/audit", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of the users", "HEAD /api/v1/users", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of the plans", "HEAD /api/v1/plans", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of a user", "HEAD /api/v1/users/u2", "", []string{"X-API-Key: $reader"}, 200, 200, ""},
	{"HEAD of the trails of a user's keys", "HEAD /api/v1/audit?userId=u3", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"a slash at the end", "GET /latchkey/health/", "", nil, 200, 200, ""},
	{"two slashes", "GET //latchkey/health", "", nil, 200, 200, ""},
	{"a letter escaped", "GET /api/v1/%77hoami", "", []string{"X-API-Key: $plain"}, 404, 200, unescapes},
	{"a slash escaped in an id", "GET /api/v1/api-keys/a%2Fb", "", []string{"X-API-Key: $admin"}, 404, samNoRoute, unescapes},
	{"a space escaped in an id", "GET /api/v1/api-keys/a%20b", "", []string{"X-API-Key: $admin"}, 404, 404, ""},
	{"preflight", "OPTIONS /api/v1/api-keys", "", []string{"Origin: https://example.com", "Access-Control-Request-Method: POST"}, 200, 200, preflights},
	{"preflight of no route", "OPTIONS /api/v1/nothing", "", []string{"Origin: https://example.com", "Access-Control-Request-Method: POST"}, 404, samNoRoute, noResponses},

	{"create", "POST /api/v1/api-keys", `{"name":"new","userId":"u1","scopes":["tts"],"metadata":{"a":"b"}}`, []string{"X-API-Key: $admin"}, 201, 201, ""},
	{"create with a name that is not ASCII", "POST /api/v1/api-keys", `{"name":"Zoë 🔑 ключ","userId":"u1"}`, []string{"X-API-Key: $admin"}, 201, 201, ""},
	{"create with characters that JSON escapes", "POST /api/v1/api-keys", `{"name":"\u003c\"\\\u00e9>\u2028","userId":"u1"}`, []string{"X-API-Key: $admin"}, 201, 201, ""},
	{"create without the scope", "POST /api/v1/api-keys", `{"name":"new"}`, []string{"X-API-Key: $plain"}, 403, 403, ""},
	{"create without a key", "POST /api/v1/api-keys", `{"name":"new"}`, nil, 401, samUnauthorized, noResponses},
	{"create without a body", "POST /api/v1/api-keys", "", []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"create with broken JSON", "POST /api/v1/api-keys", `{"name":`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"create with an unknown field", "POST /api/v1/api-keys", `{"nam":"new"}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"create with a field twice", "POST /api/v1/api-keys", `{"name":"a","name":"b"}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"create with a wrong value", "POST /api/v1/api-keys", `{"name":"new","rateLimit":{"requests":0,"window":10}}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"create with another type of content", "POST /api/v1/api-keys", `{"name":"new"}`, []string{"X-API-Key: $admin", "Content-Type: text/plain"}, 415, 415, ""},
	{"create with a charset", "POST /api/v1/api-keys", `{"name":"new","userId":"u1"}`, []string{"X-API-Key: $admin", "Content-Type: application/json; charset=utf-8"}, 201, 201, ""},
	{"create with a body too large", "POST /api/v1/api-keys", `{"name":"` + strings.Repeat("n", 70_000) + `"}`, []string{"X-API-Key: $admin"}, 413, 413, ""},

	{"a key's record", "GET /api/v1/api-keys/$plainID", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"no such key", "GET /api/v1/api-keys/0000000000000000", "", []string{"X-API-Key: $admin"}, 404, 404, ""},
	{"another user's key", "GET /api/v1/api-keys/$plainID", "", []string{"X-API-Key: $reader"}, 404, 404, ""},
	{"a list", "GET /api/v1/api-keys?limit=1", "", []string{"X-API-Key: $reader"}, 200, 200, ""},
	{"a list with a parameter twice", "GET /api/v1/api-keys?limit=1&limit=2", "", []string{"X-API-Key: $reader"}, 400, 400, ""},
	{"a list with an empty parameter", "GET /api/v1/api-keys?limit=", "", []string{"X-API-Key: $reader"}, 400, 400, ""},
	{"a list of an unknown user", "GET /api/v1/api-keys?userId=%C3%BC%20%26%2B", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"change", "PATCH /api/v1/api-keys/$doomedID", `{"description":"größer"}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"change with an old ETag", "PATCH /api/v1/api-keys/$doomedID", `{"description":"late"}`, []string{"X-API-Key: $admin", `If-Match: "7"`}, 412, 412, ""},
	{"rotate", "POST /api/v1/api-keys/$doomedID/rotate", `{"gracePeriod":60}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"end the grace of a rotation", "POST /api/v1/api-keys/$doomedID/end-grace", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"create with an Idempotency-Key", "POST /api/v1/api-keys", `{"name":"new","userId":"u1"}`, []string{"X-API-Key: $admin", "Idempotency-Key: $plainID"}, 201, 201, ""},
	{"create again with the same Idempotency-Key", "POST /api/v1/api-keys", `{"name":"new","userId":"u1"}`, []string{"X-API-Key: $admin", "Idempotency-Key: $plainID"}, 201, 201, ""},
	{"change nothing", "PATCH /api/v1/api-keys/$doomedID", `{}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"revoke", "POST /api/v1/api-keys/$doomedID/revoke", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"delete", "DELETE /api/v1/api-keys/$doomedID", "", []string{"X-API-Key: $admin"}, 204, 204, ""},
	{"delete again", "DELETE /api/v1/api-keys/$doomedID", "", []string{"X-API-Key: $admin"}, 404, 404, ""},

	{"the statistics", "GET /api/v1/api-keys/stats?userId=u2", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the users", "GET /api/v1/users?search=u", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the users, without the scope", "GET /api/v1/users", "", []string{"X-API-Key: $reader"}, 403, 403, ""},
	{"the keys of all users", "GET /api/v1/api-keys?userId=*&sort=lastUsed&include=usage", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the keys of all users, without the scope", "GET /api/v1/api-keys?userId=*", "", []string{"X-API-Key: $reader"}, 403, 403, ""},
	{"the statistics, without the scope", "GET /api/v1/api-keys/stats", "", []string{"X-API-Key: $reader"}, 403, 403, ""},
	{"a key's usage", "GET /api/v1/api-keys/$spentID/usage?from=2026-01-30&to=2026-02-01", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"a user's usage", "GET /api/v1/usage?from=2026-01-30&to=2026-02-01", "", []string{"X-API-Key: $reader"}, 200, 200, ""},
	{"a key's trail", "GET /api/v1/api-keys/$spentID/audit", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the trails of a user's keys", "GET /api/v1/audit?userId=u3", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"explain", "POST /api/v1/api-keys/$plainID/explain", `{"method":"GET","path":"/tts/ü","sourceIp":"192.0.2.1","at":"2027-01-31T12:00:00Z"}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"lookup", "POST /api/v1/api-keys/lookup", `{"key":"$plain"}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"lookup without the scope", "POST /api/v1/api-keys/lookup", `{"key":"$plain"}`, []string{"X-API-Key: $reader"}, 403, 403, ""},
	{"revoke by token", "POST /api/v1/api-keys/revoke-by-token", `{"key":"$revoked"}`, nil, 202, 202, ""},
	{"a report of leaks, where no scanner is named", "POST /api/v1/leaks/github", `[{"token":"$revoked"}]`, nil, 404, 404, ""},
	{"revoke all keys of a user", "POST /api/v1/users/u3/revoke-keys", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"revoke all keys of a user with an escaped name", "POST /api/v1/users/a%40b/revoke-keys", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the document", "GET /latchkey/openapi.json", "", nil, 200, 200, ""},

	{"make a plan", "PUT /api/v1/plans/pro", `{"key":{"limits":[{"amount":10,"window":1}]},"user":{"limits":[{"amount":1000,"window":60}],"quota":{"requests":5000000,"period":"month"}}}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"a plan", "GET /api/v1/plans/pro", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of a plan", "HEAD /api/v1/plans/pro", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the users of a plan", "GET /api/v1/plans/pro/stats", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"HEAD of the users of a plan", "HEAD /api/v1/plans/pro/stats", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the plans", "GET /api/v1/plans", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"no such plan", "GET /api/v1/plans/none", "", []string{"X-API-Key: $admin"}, 404, 404, ""},
	{"a plan that bounds nothing", "PUT /api/v1/plans/empty", `{}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"a plan without the scope", "PUT /api/v1/plans/mine", `{"maxDays":1}`, []string{"X-API-Key: $reader"}, 403, 403, ""},
	{"a user without a record", "GET /api/v1/users/nobody", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"set all of a user", "PUT /api/v1/users/u4", `{"plan":"pro","metadata":{"customer":"größer"}}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"change a user", "PATCH /api/v1/users/u4", `{"suspended":true,"limits":[{"amount":5,"window":60}]}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"change a user with an old ETag", "PATCH /api/v1/users/u4", `{"suspended":false}`, []string{"X-API-Key: $admin", `If-Match: "7"`}, 412, 412, ""},
	{"a plan that does not exist", "PATCH /api/v1/users/u4", `{"plan":"none"}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"a user", "GET /api/v1/users/u4", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"the caller's user", "GET /api/v1/users/u2", "", []string{"X-API-Key: $reader"}, 200, 200, ""},
	{"another user", "GET /api/v1/users/u4", "", []string{"X-API-Key: $reader"}, 403, 403, ""},
	{"a user with an escaped name", "GET /api/v1/users/a%40b%23c%20%C3%BC", "", []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"a user with an escaped slash", "GET /api/v1/users/a%2Fb", "", []string{"X-API-Key: $admin"}, 200, samNoRoute, unescapes},
	{"a lifetime quota of a user", "PUT /api/v1/users/u5", `{"quota":{"requests":1,"period":"lifetime"}}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"a lifetime quota of a key", "PATCH /api/v1/api-keys/$namedID", `{"unlimited":false,"quota":{"requests":1,"period":"lifetime"}}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"credits for a user", "POST /api/v1/users/u5/credits", `{"add":500}`, []string{"X-API-Key: $admin", "Idempotency-Key: added-once-by-both-sides"}, 200, 200, ""},
	{"credits for a key", "POST /api/v1/api-keys/$namedID/credits", `{"add":500}`, []string{"X-API-Key: $admin"}, 200, 200, ""},
	{"credits below zero", "POST /api/v1/users/u5/credits", `{"add":-501}`, []string{"X-API-Key: $admin"}, 400, 400, ""},
	{"move a key to another user", "PATCH /api/v1/api-keys/$namedID", `{"userId":"u6"}`, []string{"X-API-Key: $admin"}, 200, 200, ""},

	{"validate", "POST /api/v1/api-keys/validate", `{"apiKey":"$plain","scope":"tts"}`, nil, 200, 200, ""},
	{"validate and spend", "POST /api/v1/api-keys/validate", `{"apiKey":"$limited","cost":2}`, nil, 200, 200, ""},
	{"validate without the scope", "POST /api/v1/api-keys/validate", `{"apiKey":"$plain","scope":"images"}`, nil, 200, 200, ""},
	{"validate over the limit", "POST /api/v1/api-keys/validate", `{"apiKey":"$spent","cost":1}`, nil, 200, 200, ""},
	{"validate a revoked key", "POST /api/v1/api-keys/validate", `{"apiKey":"$revoked"}`, nil, 200, 200, ""},
	{"validate an unknown key", "POST /api/v1/api-keys/validate", `{"apiKey":"0123456789abcdef0123456789abcdef"}`, nil, 200, 200, ""},
	{"validate 60 KB", "POST /api/v1/api-keys/validate", `{"apiKey":"` + strings.Repeat("k", 60_000) + `"}`, nil, 200, 200, ""},
	{"validate null", "POST /api/v1/api-keys/validate", `null`, nil, 400, 400, ""},
	{"validate the key in a wrong field", "POST /api/v1/api-keys/validate", `{"$plain":"$plain"}`, nil, 400, 400, ""},

	{"a proxy asks", "GET /api/v1/authorize", "", []string{"X-API-Key: $limited", "X-Original-Method: POST", "X-Original-URI: /tts/x?a=b"}, 200, 200, ""},
	{"a proxy asks without a key", "GET /api/v1/authorize", "", []string{"X-Original-Method: POST", "X-Original-URI: /tts/x"}, 401, 401, remaps},
	{"a proxy asks about a key over its limit", "GET /api/v1/authorize", "", []string{"X-API-Key: $spent", "X-Forwarded-Method: POST", "X-Forwarded-Uri: /tts/x"}, 429, 429, ""},
	{"a proxy does not say what it asks about", "POST /api/v1/authorize", "", []string{"X-API-Key: $plain"}, 400, 400, ""},
	{"HEAD of a proxy", "HEAD /api/v1/authorize", "", []string{"X-API-Key: $plain", "X-Original-Method: GET", "X-Original-URI: /"}, 200, 200, ""},
	{"DELETE of a proxy", "DELETE /api/v1/authorize", "", []string{"X-API-Key: $plain", "X-Original-Method: GET", "X-Original-URI: /"}, 200, 200, ""},
	{"PATCH of a proxy", "PATCH /api/v1/authorize", "", []string{"X-API-Key: $plain", "X-Original-Method: GET", "X-Original-URI: /"}, 200, 200, ""},
	{"PUT of a proxy", "PUT /api/v1/authorize", "", []string{"X-API-Key: $plain", "X-Original-Method: GET", "X-Original-URI: /"}, 200, 200, ""},
	{"OPTIONS of a proxy", "OPTIONS /api/v1/authorize", "", []string{"X-Original-Method: OPTIONS", "X-Original-URI: /"}, 401, 200, preflights},
	{"Envoy asks", "GET /api/v1/authorize/tts", "", []string{"X-API-Key: $limited"}, 200, 200, ""},
	{"Envoy asks about another path", "GET /api/v1/authorize/tts", "", []string{"X-API-Key: $plain", "X-Original-Method: GET", "X-Original-URI: /"}, 401, 401, remaps},
	{"Envoy asks about HEAD", "HEAD /api/v1/authorize/tts", "", nil, 401, 401, remaps},
	{"Envoy asks about POST", "POST /api/v1/authorize/tts", "", []string{"X-API-Key: $plain"}, 200, 200, ""},
	{"Envoy asks about PUT", "PUT /api/v1/authorize/tts", "", []string{"X-API-Key: $revoked"}, 401, 401, remaps},
	{"Envoy asks about PATCH", "PATCH /api/v1/authorize/tts", "", []string{"X-API-Key: $plain", "X-User-Id: root"}, 401, 401, remaps},
	{"Envoy asks about DELETE", "DELETE /api/v1/authorize/tts", "", []string{"X-API-Key: $spent"}, 429, 429, ""},
	{"Envoy asks about OPTIONS", "OPTIONS /api/v1/authorize/tts", "", nil, 401, 200, preflights},
}

func TestEveryRouteHasARequestInTheTable(t *testing.T) {
	var asked strings.Builder
	for _, r := range requests {
		fmt.Fprintln(&asked, r.request)
	}
	parameter := regexp.MustCompile(`\{\w+\+?\}`)
	// A route with a condition is not one of start-api.
	for _, r := range routesOfTheAPI(choices{}) {
		form := `(?m)^` + r.Method + " " + parameter.ReplaceAllString(r.Path, `[^/?]+`) + `(\?.*)?$`
		if !regexp.MustCompile(form).MatchString(asked.String()) {
			t.Errorf("no request for %s %s", r.Method, r.Path)
		}
	}
}

func TestTheLocalStackAnswersAsStartAPIDoes(t *testing.T) {
	t.Parallel()
	stack := given(t, "LOCAL_STACK")
	local, sam := newSide(t, stack, stack), newSide(t, stack, serve(t, "start-api").url)
	for _, r := range requests {
		ours, theirs := local.ask(t, r.request, r.body, r.headers), sam.ask(t, r.request, r.body, r.headers)
		if ours.Status != r.local || theirs.Status != r.sam {
			t.Errorf("%s: %d and %d, want %d and %d\n%v\n%v", r.what, ours.Status, theirs.Status, r.local, r.sam, ours, theirs)
			continue
		}
		diff := cmp.Diff(ours, theirs)
		switch {
		case r.why == "" && diff != "":
			t.Errorf("%s: the local stack (-) and start-api (+) differ:\n%s", r.what, diff)
		case r.why != "" && diff == "":
			t.Errorf("%s: the answers do not differ any more", r.what)
		case r.why != "":
			t.Logf("%-40s %-42s %d | %d  %s", r.what, r.request, ours.Status, theirs.Status, r.why)
		}
	}
}

// side is one of the two stacks. Each side has its own keys, so that it does not use the limits of
// the other side's keys.
type side struct {
	url   string
	names map[string]string
}

// newSide creates the keys of a side with requests to maker, which may be another stack of the same
// table.
func newSide(t *testing.T, maker, url string) side {
	t.Helper()
	admin := given(t, "ROOT_KEY")
	s := side{url: url, names: map[string]string{"admin": admin}}
	for name, body := range map[string]string{
		"plain":    `{"name":"plain","userId":"u1","scopes":["tts"],"unlimited":true}`,
		"limited":  `{"name":"limited","userId":"u1","rateLimit":{"requests":5,"window":3600},"quota":{"requests":50,"period":"month"}}`,
		"spent":    `{"name":"spent","userId":"u1","rateLimit":{"requests":1,"window":3600}}`,
		"named":    `{"name":"Zoë 🔑 \"ключ\"","userId":"u1","unlimited":true}`,
		"reader":   `{"name":"reader","userId":"u2","scopes":["keys:read"],"unlimited":true}`,
		"revoked":  `{"name":"revoked","userId":"u1"}`,
		"disabled": `{"name":"disabled","userId":"u1","enabled":false}`,
		"doomed":   `{"name":"doomed","userId":"u1"}`,
	} {
		id, token := create(t, maker, body)
		s.names[name], s.names[name+"ID"], s.names[name+"Public"] = token, id, "pk_live_"+id
	}
	send(t, "GET", maker+"/api/v1/whoami", "", "X-API-Key: "+s.names["spent"])
	send(t, "POST", maker+"/api/v1/api-keys/"+s.names["revokedID"]+"/revoke", "", "X-API-Key: "+admin)
	return s
}

// seen is the part of an answer that must be equal on both sides.
type seen struct {
	Status int
	Header map[string]string
	Body   any
}

// compared are the headers that a client may depend on. Other headers depend on the server, and SAM
// adds the headers of a preflight to every answer.
var compared = []string{
	"Content-Type", "Cache-Control", "Location", "Etag", "Allow", "Retry-After", "WWW-Authenticate", "X-Content-Type-Options",
	"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
}

// ask makes one request of the table and returns the part of the answer that is compared.
func (s side) ask(t *testing.T, request, body string, headers []string) seen {
	t.Helper()
	expand := func(text string) string {
		return os.Expand(text, func(name string) string {
			value, known := s.names[name]
			if !known {
				panic(fmt.Sprintf("there is no $%s", name))
			}
			return value
		})
	}
	var sent []string
	for _, h := range headers {
		sent = append(sent, expand(h))
	}
	method, path, _ := strings.Cut(expand(request), " ")
	a := send(t, method, s.url+path, expand(body), sent...)
	got := seen{Status: a.status, Header: make(map[string]string), Body: a.text}
	for _, name := range compared {
		if values := a.header.Values(name); len(values) > 0 {
			got.Header[name] = fmt.Sprint(steady(name, strings.Join(values, " | ")))
		}
	}
	var value any
	if json.Unmarshal([]byte(a.text), &value) == nil {
		got.Body = steady("", value)
	}
	if method == http.MethodHead {
		got.Body = nil
	}
	return got
}
