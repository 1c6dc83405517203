package fronttest

import "latchkey/internal/apikey"

// forged is the value of every header that no client may send.
const forged = "forged"

// Rows returns the requests with their answers. They read like a policy.
func Rows() []Row {
	var all []Row
	for _, rows := range []func() []Row{
		credentialRows, placeRows, routeRows, pathRows, forgedRows, proxyRows, addressRows, wireRows,
	} {
		all = append(all, rows()...)
	}
	return all
}

func ask(line string, headers ...string) Request { return Request{Line: line, Headers: headers} }

func only(needs ...Ability) []Ability { return needs }

func allow(user string) Answer { return Answer{Outcome: Allowed, User: user} }

func refuse(code apikey.Code) Answer { return Answer{Outcome: Refused, Code: code} }

func limit(code apikey.Code) Answer { return Answer{Outcome: Limited, Code: code} }

// jwt has the form of a JSON Web Token.
const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"

// credentialRows are about which key passes.
func credentialRows() []Row {
	const path = "GET {path}"
	const missing, malformed = apikey.CodeMissing, apikey.CodeMalformed
	return []Row{
		{Name: "no key", Request: ask(path), Want: refuse(missing)},
		{Name: "Bearer", Request: ask(path, "Authorization: Bearer {alice}"), Want: allow("alice")},
		{Name: "Bearer in another case", Request: ask(path, "authorization: bEARER {alice}"), Want: allow("alice")},
		{Name: "no scheme", Request: ask(path, "Authorization: {alice}"), Want: allow("alice")},
		{Name: "another scheme", Request: ask(path, "Authorization: Basic {alice}"), Want: refuse(missing)},
		{Name: "a scheme alone", Request: ask(path, "Authorization: Bearer"), Want: refuse(missing)},
		{Name: "an empty header", Request: ask(path, "Authorization:"), Want: refuse(missing)},
		{Name: "a JWT", Request: ask(path, "Authorization: Bearer "+jwt), Want: refuse(missing)},
		{Name: "a revoked key", Request: ask(path, "Authorization: Bearer {revoked}"), Want: refuse(apikey.CodeRevoked)},
		{Name: "an unknown key", Request: ask(path, "Authorization: Bearer {unknown}"), Want: refuse(apikey.CodeUnknown)},
		{Name: "a cut key", Request: ask(path, "Authorization: Bearer sk_live_x"), Want: refuse(malformed)},
		{Name: "a key and more", Request: ask(path, "Authorization: Bearer {alice} x"), Want: refuse(malformed)},
		{Name: "two keys in one line", Request: ask(path, "Authorization: Bearer {alice}, Bearer {bob}"),
			Want: refuse(apikey.CodeTwoKeys)},
		{Name: "two keys joined", Request: ask(path, "Authorization: Bearer {alice},{bob}"),
			Want: refuse(apikey.CodeTwoKeys)},
		{Name: "one key twice in one line", Request: ask(path, "Authorization: Bearer {alice}, Bearer {alice}"),
			Want: allow("alice")},
		{Name: "a key beside another scheme", Request: ask(path, `Authorization: Digest a="b", c="d", Bearer {alice}`),
			Want: allow("alice")},
		{Name: "a key as the parameter of another scheme", Request: ask(path, "Authorization: Digest {alice},{bob}"),
			Want: refuse(missing)},
		{Name: "the first request of one", Request: ask(path, "Authorization: Bearer {once}"), Want: allow("once")},
		{Name: "one request too many", Request: ask(path, "Authorization: Bearer {once}"),
			Want: limit(apikey.CodeRateLimited), Needs: only(TellsLimits), Else: refuse("")},
	}
}

// placeRows are about where a key may stand beside Authorization.
func placeRows() []Row {
	const path = "GET {path}"
	none := refuse(apikey.CodeMissing)
	return []Row{
		{Name: "X-API-Key", Request: ask(path, "X-API-Key: {alice}"),
			Want: allow("alice"), Needs: only(SeesHeaders), Else: none},
		{Name: "x-api-key", Request: ask(path, "x-api-key: {alice}"),
			Want: allow("alice"), Needs: only(SeesHeaders), Else: none},
		{Name: "Api-Key", Request: ask(path, "Api-Key: {alice}"),
			Want: allow("alice"), Needs: only(SeesHeaders), Else: none},
		{Name: "another header", Request: ask(path, "X-Key: {alice}"), Want: none},
		{Name: "a cookie", Request: ask(path, "Cookie: X-API-Key={alice}"), Want: none},
		{Name: "a body", Request: Request{Line: path, Body: "api_key={alice}",
			Headers: []string{"Content-Type: application/x-www-form-urlencoded"}}, Want: none, Early: true},
		{Name: "an empty header beside a key", Request: ask(path, "X-API-Key:", "Authorization: Bearer {alice}"),
			Want: allow("alice")},
		{Name: "a JWT beside a key", Request: ask(path, "Authorization: Bearer "+jwt, "X-API-Key: {alice}"),
			Want: allow("alice"), Needs: only(SeesHeaders), Else: none},
		{Name: "one key in two headers", Request: ask(path, "Authorization: Bearer {alice}", "X-API-Key: {alice}"),
			Want: allow("alice")},
		{Name: "two keys in two headers", Request: ask(path, "Authorization: Bearer {alice}", "X-API-Key: {bob}"),
			Want: refuse(apikey.CodeTwoKeys), Needs: only(SeesHeaders), Else: allow("alice")},
		{Name: "one header twice with one key", Request: ask(path, "X-API-Key: {alice}", "X-API-Key: {alice}"),
			Want: allow("alice"), Needs: only(SeesHeaders), Else: none, Early: true},
		{Name: "one header twice with two keys", Request: ask(path, "X-API-Key: {alice}", "x-api-key: {bob}"),
			Want: refuse(apikey.CodeTwoKeys), Needs: only(SeesHeaders), Else: none, Early: true},
		{Name: "one header twice, with a bad key", Request: ask(path, "X-API-Key: {revoked}", "X-API-Key: {alice}"),
			Want: refuse(apikey.CodeTwoKeys), Needs: only(SeesHeaders), Else: none, Early: true},
		{Name: "the query", Request: ask(path + "?api_key={alice}"),
			Want: allow("alice"), Needs: only(SeesQuery), Else: none},
		{Name: "the query, escaped", Request: ask(path + "?a=b&api%5Fkey={alice}"),
			Want: allow("alice"), Needs: only(SeesQuery), Else: none},
		{Name: "the query twice", Request: ask(path + "?api_key={alice}&api_key={bob}"),
			Want: refuse(apikey.CodeTwoKeys), Needs: only(SeesQuery), Else: none},
		{Name: "the query beside a header", Request: ask(path+"?api_key={bob}", "Authorization: Bearer {alice}"),
			Want: refuse(apikey.CodeTwoKeys), Needs: only(SeesQuery), Else: allow("alice")},
	}
}

// routeRows are about scopes, costs and public paths.
func routeRows() []Row {
	alice, bob := "Authorization: Bearer {alice}", "Authorization: Bearer {bob}"
	none := refuse(apikey.CodeNoRouteRule)
	preflight := []string{"Origin: https://app.example.com", "Access-Control-Request-Method: GET"}
	rows := []Row{
		{Name: "a route with a scope", Request: ask("POST /tts/x", alice), Want: allow("alice")},
		{Name: "a key without the scope", Request: ask("POST /tts/x", bob), Want: refuse(apikey.CodeInsufficientScope)},
		{Name: "HEAD for GET", Request: ask("HEAD /v1/models", bob), Want: allow("bob")},
		{Name: "another method", Request: ask("POST /v1/models", bob), Want: refuse(apikey.CodeInsufficientScope)},
		{Name: "a method without a rule", Request: ask("DELETE /v1/models", bob), Want: none},
		{Name: "a path without a rule", Request: ask("GET /other", alice), Want: none},
		{Name: "a query changes no route", Request: ask("GET /v1/models?/../tts/x", bob), Want: allow("bob")},
		{Name: "a public path", Request: ask("GET /docs/x"), Want: allow("anonymous"),
			Needs: only(AsksWithoutKey)},
		{Name: "a public path with a bad key", Request: ask("GET /docs/x", "Authorization: Bearer {revoked}"),
			Want: allow("anonymous")},
		{Name: "beside a public path", Request: ask("GET /docsx"), Want: none},
		{Name: "a cost above the limit", Request: ask("POST /tts/long", "Authorization: Bearer {thrice}"),
			Want: limit(apikey.CodeCostAboveLimit)},
		{Name: "a preflight", Request: ask("OPTIONS /v1/models", preflight...), Want: none, Early: true},
		{Name: "a method in another case", Request: ask("get /tts/x", bob),
			Want: refuse(apikey.CodeInsufficientScope), Early: true},
	}
	for i := range rows {
		rows[i].Needs = append(rows[i].Needs, HasRoutes)
	}
	return rows
}

// pathRows are paths that a backend could take for another one.
func pathRows() (rows []Row) {
	for _, path := range []string{
		"/docs/../tts/x", "/docs/%2e%2e/tts/x", "/docs/%2E./tts/x", "/docs/..%2ftts/x", "/docs%2f..%2ftts/x",
		"/docs/..;/tts/x", "/docs/..%3b/tts/x", "/docs/%c0%ae%c0%ae/tts/x", "/docs/%252e%252e/tts/x", "/docs/..%5ctts/x",
		"/docs/x%00", "/docs//x", "//docs/x", "/docs/.", "/docs/x/..", "/docs/..%20/tts/x", "/docs/x.", "/docs/x%20",
		"/docs/%ef%bc%8e%ef%bc%8e/tts/x", "/./tts/x", "/tts//x", "/TTS/x", "/%74ts/x", "/docs/%zz", "/docs/x%3f",
		"/docs/x%23"} {
		rows = append(rows, Row{Name: "without a key", Request: ask("GET " + path),
			Want: refuse(""), Needs: only(HasRoutes), Early: true})
	}
	for _, path := range []string{
		"/v1/models/../../tts/x", "/v1/models/..%2f..%2ftts/x", "/v1/models/%2e%2e/%2e%2e/tts/x", "/v1/models/",
		"/v1//models", "//v1/models", "/v1/models.json", "/V1/models", "/v1/models%2f", "/v1/models;x", "/v1/models%3f",
		"/v1/./models", "/v1/models%20", "/v1/models.", "/%74ts/x", "/tts/../tts/x", "/docs/../v1/models",
	} {
		rows = append(rows, Row{Name: "without the scope", Request: ask("GET "+path, "Authorization: Bearer {bob}"),
			Want: refuse(""), Needs: only(HasRoutes), Early: true})
	}
	return append(rows, Row{Name: "an escape that stands for a letter", Want: allow("bob"), Needs: only(HasRoutes),
		Request: ask("GET /v1/%6dodels", "Authorization: Bearer {bob}")})
}

// forgedRows are headers and parameters from which a backend could take another caller, method or path.
func forgedRows() (rows []Row) {
	for _, c := range []struct {
		code  apikey.Code
		names []string
	}{
		{apikey.CodeIdentityHeader, []string{"X-User-Id", "x-user-id", "X_User_Id", "X-User_Id", "X-Key-Id", "X-Scopes",
			"X-Latchkey-Assertion", "X-Latchkey-Metadata", "x_latchkey.METADATA", "X-RateLimit-Remaining"}},
		{apikey.CodeMethodOverride, []string{"X-HTTP-Method-Override", "X-HTTP-Method", "x-method-override"}},
		{apikey.CodePathOverride, []string{"X-Original-URL", "X-Rewrite-URL"}},
	} {
		for _, name := range c.names {
			line := name + ": " + forged
			rows = append(rows,
				Row{Name: "a forged header", Request: ask("GET {path}", "Authorization: Bearer {alice}", line),
					Want: refuse(c.code), Strips: "alice", Needs: only(SeesHeaders), Else: allow("alice"), Early: true},
				Row{Name: "a forged header on a public path", Request: ask("GET /docs/x", line),
					Want: refuse(c.code), Strips: "anonymous", Needs: only(SeesHeaders, HasRoutes), Early: true})
		}
	}
	for _, query := range []string{
		"_method=DELETE", "%5Fmethod=DELETE", "X-HTTP-Method-Override=DELETE", "a=b&_METHOD=PUT",
	} {
		rows = append(rows, Row{Name: "a forged parameter",
			Want: refuse(apikey.CodeMethodOverride), Needs: only(SeesQuery), Else: allow("alice"),
			Request: ask("GET {path}?"+query, "Authorization: Bearer {alice}")})
	}
	return rows
}

// proxyRows have headers by which proxies tell of a request. No client can choose by them which request
// is judged, or take the caller from a request that passes.
func proxyRows() (rows []Row) {
	bob := "Authorization: Bearer {bob}"
	for _, claims := range [][]string{
		{"X-Original-Method: GET", "X-Original-URI: /docs/x"}, {"X-Forwarded-Method: GET", "X-Forwarded-Uri: /docs/x"},
		{"X-Original-URI: /docs/x"}, {"X-Forwarded-Uri: /docs/x"}, {"X-Forwarded-Method: GET"}, {"x_original_uri: /docs/x"},
		{"X_Forwarded_Method: GET", "X_Forwarded_Uri: /docs/x"}, {"X-Envoy-Original-Path: /docs/x"},
		{"X-Original-URI: /docs/x", "X-Original-URI: /docs/x", "X-Original-Method: GET", "X-Original-Method: GET"},
		{"X-Forwarded-Uri: /docs/x",
			"Connection: close, X-Forwarded-Uri, X-Forwarded-Method, X-Original-URI, X-Original-Method"},
		{"X-Forwarded-Prefix: /docs", "X-Forwarded-Path: /docs/x"}, {"X-Original-Method: GET, POST"},
	} {
		rows = append(rows,
			Row{Name: "the path of a proxy, without a key", Want: refuse(""), Needs: only(HasRoutes), Early: true,
				Request: ask("GET /tts/x", claims...)},
			Row{Name: "the method of a proxy, without the scope", Want: refuse(""), Needs: only(HasRoutes), Early: true,
				Request: ask("POST /v1/models", append([]string{bob}, claims...)...)})
	}
	return append(rows, Row{Name: "headers that belong to the connection", Want: allow("alice"), Early: true,
		Request: ask("GET {path}", "Authorization: Bearer {alice}", "Connection: close, X-User-Id, X-Key-Id, X-Scopes")})
}

// addressRows are about the caller's address. A client cannot choose it.
func addressRows() []Row {
	const path = "GET {path}"
	none := refuse(apikey.CodeAddressNotAllowed)
	return []Row{
		{Name: "a key that may be used from here", Request: ask(path, "Authorization: Bearer {near}"),
			Want: allow("near"), Needs: only(KnowsAddress), Else: none},
		{Name: "a key that may be used elsewhere", Request: ask(path, "Authorization: Bearer {far}"), Want: none},
		{Name: "a forged address", Request: ask(path, "X-Forwarded-For: 203.0.113.7", "Authorization: Bearer {far}"),
			Want: none},
		{Name: "a forged address in other headers", Want: none, Request: ask(path, "Authorization: Bearer {far}",
			"X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7", "True-Client-IP: 203.0.113.7")},
		{Name: "a forged address beside the right one",
			Request: ask(path, "X-Forwarded-For: 203.0.113.7", "Authorization: Bearer {near}"),
			Want:    allow("near"), Needs: only(KnowsAddress), Else: none},
	}
}

// wireRows are requests that only bytes can say.
func wireRows() []Row {
	rejected := Answer{Outcome: Rejected}
	rows := []Row{
		{Name: "two hosts", Request: ask("GET {path}", "Host: a.example", "Host: b.example",
			"Authorization: Bearer {alice}"),
			Want: rejected},
		{Name: "a folded header", Request: ask("GET {path}", "X-Other: a\r\n X-API-Key: {alice}"),
			Want: refuse(apikey.CodeMissing), Early: true},
		{Name: "a space before a colon", Request: ask("GET {path}", "X-API-Key : {alice}"), Want: rejected},
		{Name: "an absolute target", Request: ask("GET http://other.example{path}", "Authorization: Bearer {alice}"),
			Want: allow("alice"), Early: true},
		{Name: "an absolute target without a key", Request: ask("GET http://other.example/tts/x"),
			Want: refuse(""), Early: true,
			Needs: only(HasRoutes)},
		{Name: "an absolute target without a path", Request: ask("GET http://docs/../tts/x"), Want: refuse(""), Early: true,
			Needs: only(HasRoutes)},
		{Name: "a target that is no path", Request: ask("GET docs/x"), Want: rejected},
	}
	for i := range rows {
		rows[i].Needs = append(rows[i].Needs, TakesBytes)
	}
	return rows
}
