package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"latchkey/internal/smoke"
)

// gateway is a proxy in front of a local stack, with a stage in the URL as API Gateway has. A test
// changes one thing in it. A nil function changes nothing.
type gateway struct {
	request func(*http.Request)
	answer  func(*http.Response)
}

func (g gateway) start(t testing.TB, s *stack) *url.URL {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0), // the client gets the error as well
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.URL.Path = strings.TrimPrefix(p.In.URL.Path, "/prod")
			p.Out.URL.RawPath = strings.TrimPrefix(p.In.URL.RawPath, "/prod")
			if g.request != nil {
				g.request(p.Out)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if at := r.Header.Get("Location"); strings.HasPrefix(at, "/") {
				r.Header.Set("Location", "/prod"+at)
			}
			if g.answer != nil {
				g.answer(r)
			}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	at, err := smoke.ParseURL(server.URL + "/prod/")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// gatewayChange is a gateway that differs from API Gateway in one thing.
type gatewayChange struct {
	fails string // a pattern of the names of the checks that must fail
	// make returns a new gateway for each run, because some gateways have state.
	make func() gateway
}

// gatewayChanges returns all changes by name. root is the token of the admin key.
func gatewayChanges(root string) map[string]gatewayChange {
	always := func(*http.Response) bool { return true }
	with := func(status int) func(*http.Response) bool {
		return func(r *http.Response) bool { return r.StatusCode == status }
	}
	to := func(method, path string) func(*http.Response) bool {
		form := regexp.MustCompile("^" + method + " (" + path + ")$")
		return func(r *http.Response) bool { return form.MatchString(r.Request.Method + " " + r.Request.URL.Path) }
	}
	answers := func(fails string, on func(*http.Response) bool, do func(*http.Response)) gatewayChange {
		return gatewayChange{fails, func() gateway {
			return gateway{answer: func(r *http.Response) {
				if on(r) {
					do(r)
				}
			}}
		}}
	}
	drops := func(header string) gatewayChange {
		return answers(".*: header "+header, always, func(r *http.Response) { r.Header.Del(header) })
	}
	replaces := func(fails string, on func(*http.Response) bool, old, new string) gatewayChange {
		return answers(fails, on, func(r *http.Response) {
			text, _ := io.ReadAll(r.Body)
			setBody(r, regexp.MustCompile(old).ReplaceAllString(string(text), new))
		})
	}
	says := func(from, to int) gatewayChange {
		return answers(".*: status", with(from), func(r *http.Response) { r.StatusCode = to })
	}
	const keys, id, users = "/api/v1/api-keys", "/api/v1/api-keys/[^/]*", "/api/v1/users/[^/]*"
	return map[string]gatewayChange{
		"no Allow-Origin":     drops("Access-Control-Allow-Origin"),
		"no Allow-Methods":    drops("Access-Control-Allow-Methods"),
		"no Allow-Headers":    drops("Access-Control-Allow-Headers"),
		"no Expose-Headers":   drops("Access-Control-Expose-Headers"),
		"no WWW-Authenticate": drops("WWW-Authenticate"),
		"no Retry-After":      drops("Retry-After"),
		"no limit":            drops("X-RateLimit-Limit"),
		"no remaining":        drops("X-RateLimit-Remaining"),
		"no reset":            drops("X-RateLimit-Reset"),
		"no content type":     drops("Content-Type"),
		"no cache control":    drops("Cache-Control"),

		"403 for 401":               says(401, 403),
		"403 for 404":               says(404, 403),
		"403 for 429":               says(429, 403),
		"202 for 201":               says(201, 202),
		"200 for 204":               gatewayChange{"delete.*: status", says(204, 200).make},
		"203 for 200":               says(200, 203),
		"503 for nearly everything": answers(".*: status", func(r *http.Response) bool { return r.Request.Method != "DELETE" }, func(r *http.Response) { r.StatusCode = 503 }),

		"plain text errors": answers(".*: (body|header (Content-Type|Retry-After))", func(r *http.Response) bool { return r.StatusCode >= 400 }, func(r *http.Response) {
			r.Header.Set("Content-Type", "text/plain")
			setBody(r, "no")
		}),
		"API Gateway's own errors": answers(".*: (body|header Retry-After)", func(r *http.Response) bool { return r.StatusCode >= 400 },
			func(r *http.Response) { setBody(r, `{"message":"Unauthorized"}`) }),
		"an empty context":           replaces(".*over (its|their) limit: (body|header Retry-After)", with(429), `"message":"[^"]*"`, `"message":""`),
		"a second field in errors":   replaces(".*: body", func(r *http.Response) bool { return r.StatusCode >= 400 }, `^\{`, `{"requestId":"x",`),
		"a reset in milliseconds":    answers(".*: header X-RateLimit-Reset", always, func(r *http.Response) { appendTo(r, "X-RateLimit-Reset", "000") }),
		"a Retry-After that passed":  answers(".*: header Retry-After", with(429), func(r *http.Response) { r.Header.Set("Retry-After", "0") }),
		"a Location without stage":   answers(".*: header Location", with(201), func(r *http.Response) { r.Header.Set("Location", keys+"/x") }),
		"health is not ok":           replaces("health: field status", to("GET", "/latchkey/health"), "ok", "well"),
		"another document":           replaces("the OpenAPI document: field openapi", to("GET", "/latchkey/openapi.json"), `"3.1.\d"`, `"3.0.3"`),
		"a page without a policy":    drops("Content-Security-Policy"),
		"a page that may be sniffed": drops("X-Content-Type-Options"),
		"a page with a referrer":     drops("Referrer-Policy"),
		"a page with an opener":      drops("Cross-Origin-Opener-Policy"),
		"a policy that allows more": answers("the (manual|console).*: header Content-Security-Policy", to("GET", "/latchkey/(docs|console)/.*"), func(r *http.Response) {
			r.Header.Set("Content-Security-Policy", strings.Replace(r.Header.Get("Content-Security-Policy"), "script-src 'self'", "script-src 'self' 'unsafe-inline'", 1))
		}),
		"a redirect that loses the stage": answers("the (manual|console) without the slash: header Location", with(307), func(r *http.Response) {
			r.Header.Set("Location", "/"+r.Header.Get("Location"))
		}),
		"another form of keys":   replaces("create.*: field key", to("POST", keys), `"key":"sk_live_`, `"key":"sk-live-`),
		"another form of ids":    replaces("create.*: field id", to("POST", keys), `"id":"[^"]*"`, `"id":"../x"`),
		"another key's record":   replaces("the record of.*: field id", to("GET", id), `"id":"[^"]*"`, `"id":"x"`),
		"another key's verdict":  replaces("validate.*: field keyId", to("POST", keys+"/validate"), `"keyId":"[^"]*"`, `"keyId":"x"`),
		"another caller":         replaces("the key as.*: field keyId", to("GET", "/api/v1/whoami"), `"keyId":"[^"]*"`, `"keyId":"x"`),
		"the opposite verdict":   replaces("validate.*: field valid", to("POST", keys+"/validate"), `"valid":(true|false)`, `"valid":null`),
		"another verdict":        replaces("validate.*: field code", to("POST", keys+"/validate"), `"code":"[^"]*"`, `"code":"x"`),
		"no limit in verdicts":   replaces("validate: field rateLimit.*", to("POST", keys+"/validate"), `"rateLimit"`, `"rate"`),
		"another user":           replaces("(move a user.*|move a key.*): field userId", to("PATCH", users+"|"+id), `"userId":"[^"]*"`, `"userId":"x"`),
		"another plan of a user": replaces("move a user.*: field plan", to("PATCH", users), `"plan":"[^"]*"`, `"plan":"x"`),
		"another plan":           replaces("set a plan: field name", to("PUT", "/api/v1/plans/.*"), `"name":"[^"]*"`, `"name":"x"`),
		"no ETag":                answers("the plan: header ETag", to("GET", "/api/v1/plans/.*"), func(r *http.Response) { r.Header.Del("ETag") }),
		"a fault of no field":    replaces("a plan that does not exist: body", to("PATCH", users), `"param":"plan"`, `"param":null`),
		"201 for 400":            says(400, 201),
		"no plan in verdicts":    replaces("validate a key of the plan: field plan", to("POST", keys+"/validate"), `"plan":`, `"planName":`),
		"no limits in verdicts":  replaces("validate a key of the plan: field limits.*", to("POST", keys+"/validate"), `"limits":`, `"bounds":`),
		"not suspended":          replaces(".*: field suspended", to("(PATCH|PUT)", users), `"suspended":(true|false)`, `"suspended":null`),
		"no credits":             replaces("(add credits to|give) a key.*: field quota.*", to("(POST|PATCH)", id+"(/credits)?"), `"quota":`, `"credits":`),
		"not revoked":            replaces("revoke: field status", to("POST", id+"/revoke"), `"status":"revoked"`, `"status":"active"`),

		"an authorizer that allows everything": {"(no key|a malformed key|an unknown key|many at once, .*|the key over its limit|validate with a cost.*|the key as.*|a revoked key|" +
			"two keys .*|many at once of .*|validate a key of the plan): .*", func() gateway {
			return gateway{request: func(r *http.Request) {
				if r.URL.Path == "/api/v1/whoami" {
					r.Header.Set("X-API-Key", root)
					r.Header.Del("Authorization")
					r.URL.RawQuery = ""
				}
			}}
		}},
		"a route that is not protected": {"no key for a change: .*", func() gateway {
			return gateway{request: func(r *http.Request) {
				if r.Method == "POST" && r.URL.Path == keys && r.Header.Get("X-API-Key") == "" {
					r.Header.Set("X-API-Key", "x")
					r.Method, r.URL.Path = "GET", "/latchkey/health"
				}
			}}
		}},
		"an authorizer that does not see all headers": {"a header that says who the caller is: .*", func() gateway {
			return gateway{request: func(r *http.Request) { r.Header.Del("X-User-Id") }}
		}},
		"a protected preflight": {"preflight.*: .*", func() gateway {
			return gateway{request: func(r *http.Request) {
				if r.Method == "OPTIONS" {
					r.Method, r.URL.Path, r.URL.RawQuery = "GET", "/api/v1/whoami", ""
				}
			}}
		}},
		"remembered verdicts": {"(a header that says who the caller is|the key as.*|the key over its limit|many at once.*|a revoked key|two keys .*): .*", remembering},
		"a revoked key works": {"(many at once, .*|a revoked key|two keys .*|many at once of .*|validate a key of the plan): .*", func() gateway {
			var revoked atomic.Bool
			return gateway{
				answer: func(r *http.Response) {
					if strings.HasSuffix(r.Request.URL.Path, "/revoke") {
						revoked.Store(true)
					}
				},
				request: func(r *http.Request) {
					if revoked.Load() && r.URL.Path == "/api/v1/whoami" {
						r.Header.Set("X-API-Key", root)
					}
				},
			}
		}},
		"a deleted key's record stays": answers("a deleted key's record: .*", func(r *http.Response) bool {
			return r.Request.Method == "GET" && r.StatusCode == 404 && regexp.MustCompile("^"+id+"$").MatchString(r.Request.URL.Path)
		}, func(r *http.Response) {
			r.StatusCode = 200
			setBody(r, "{}")
		}),
	}
}

func setBody(r *http.Response, text string) {
	r.Body = io.NopCloser(strings.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Set("Content-Length", fmt.Sprint(len(text)))
}

func appendTo(r *http.Response, header, text string) {
	if value := r.Header.Get(header); value != "" {
		r.Header.Set(header, value+text)
	}
}

// remembering returns a gateway that caches the answers of its authorizer: it repeats its first
// answer to each token.
func remembering() gateway {
	var mu sync.Mutex
	type first struct {
		status int
		header http.Header
		body   string
	}
	cached := make(map[string]first)
	return gateway{answer: func(r *http.Response) {
		token := r.Request.Header.Get("X-API-Key")
		if r.Request.URL.Path != "/api/v1/whoami" || token == "" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if a, ok := cached[token]; ok {
			r.StatusCode, r.Header = a.status, a.header.Clone()
			setBody(r, a.body)
			return
		}
		text, _ := io.ReadAll(r.Body)
		setBody(r, string(text))
		cached[token] = first{r.StatusCode, r.Header.Clone(), string(text)}
	}}
}
