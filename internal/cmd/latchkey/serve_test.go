package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/local/sam"
)

// startServer starts latchkey serve as start does latchkey dev. Its throttles let every request pass.
func startServer(t testing.TB, folder string, environment ...string) *stack {
	t.Helper()
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	return serveOn(t, folder, endpoint, environment...)
}

// serveOn starts a server with a table at an endpoint.
func serveOn(t testing.TB, folder, endpoint string, environment ...string) *stack {
	t.Helper()
	return serveAs(t, folder, append([]string{"STATE=" + folder, ownEngine + endpoint}, environment...)...)
}

// serveAs starts a server with nothing but these variables. Its folder may have a root key.
func serveAs(t testing.TB, folder string, environment ...string) *stack {
	t.Helper()
	s := &stack{state: folder, log: &safeBuffer{}, giveBack: func() {}}
	told := []string{"PORT=0"}
	for _, name := range []string{"API", "PAGE", "VALIDATE"} {
		told = append(told, name+"_RATE=1000000000", name+"_BURST=1000000000")
	}
	s.process = command(t, append(told, environment...), "serve")
	out, err := s.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.end(syscall.SIGKILL) })
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		_, _ = s.log.Write(append(lines.Bytes(), '\n'))
		var line struct {
			Msg, Address, Monitor string
			TLS                   bool
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			s.url = "http://" + line.Address
			if line.TLS {
				s.url = "https://" + line.Address
			}
			s.monitor = "http://" + line.Monitor
		}
	}
	if s.url == "" {
		t.Fatalf("the server did not start: %s", s.log)
	}
	s.logged = make(chan struct{})
	go func() { defer close(s.logged); _, _ = io.Copy(s.log, out) }()
	if root, err := os.ReadFile(filepath.Join(folder, "root-key")); err == nil {
		s.root = strings.TrimSpace(string(root))
	}
	return s
}

// Everything that latchkey expects of API Gateway is true of the server.
func TestAServerPassesTheSmokeTest(t *testing.T) {
	s := startServer(t, t.TempDir(), "FRESHNESS=0")
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	checks, err := smokes(t.Context(), t, s, at, nil)
	if err != nil || len(differing(checks)) > 0 || len(checks) < 100 {
		t.Errorf("%d checks, %v, differ: %q\n%s", len(checks), err, differing(checks), s.log)
	}
}

// raw sends a request as it is written, and returns the status line, the header and the body of the
// answer, without what differs from request to request.
func raw(t testing.TB, s *stack, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	a, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return err.Error()
	}
	a.Header.Del("Date")
	a.Header.Del("Content-Length") // the local stack has the body only when it has all of it
	// The local stack renames this header, as API Gateway does.
	if renamed := a.Header.Get("X-Amzn-Remapped-Www-Authenticate"); renamed != "" {
		a.Header.Set("WWW-Authenticate", renamed)
		a.Header.Del("X-Amzn-Remapped-Www-Authenticate")
	}
	var header strings.Builder
	_ = a.Header.Write(&header) // sorted
	return changing.ReplaceAllString(fmt.Sprintf("%d\n%s\n%s", a.StatusCode, header.String(), body), "$1$2…")
}

// changing finds what time and other requests change in an answer.
var changing = regexp.MustCompile(`("re(?:set|maining)":|X-Ratelimit-Re(?:set|maining): |Retry-After: |Try again in |"retryAfter":|;[rt]=)\d+|("lastUsedAt":)"[^"]+"`)

// The server and the local stack answer each request alike: the same routes need a caller, and the
// same texts are no requests.
func TestAServerAnswersAsTheLocalStackDoes(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	defer giveBack()
	variables := []string{
		"ROOT_KEY=a-root-key-for-both-servers", "FRESHNESS=0", "ACCESS_LOG=false", "TRUSTED_PROXY_HOPS=1",
		"REVOKE_RATE=1000000", "REVOKE_BURST=1000000",
	}
	folders := [2]string{t.TempDir(), t.TempDir()}
	shareSecret(t, folders)
	deployed := start(t, folders[0], append(variables, ownEngine+endpoint)...)
	server := serveOn(t, folders[1], endpoint, variables...)
	deployed.root = "a-root-key-for-both-servers"
	id, token := deployed.create(t, `{"userId":"u1","scopes":["keys:read"],"rateLimit":{"requests":1000,"window":3600}}`)
	_, spent := deployed.create(t, `{"userId":"u2","rateLimit":{"requests":1,"window":86400}}`)
	_, near := deployed.create(t, `{"userId":"u3","allowedCidrs":["203.0.113.7/32"],"unlimited":false}`)
	deployed.whoami(t, spent)

	var requests []string
	add := func(line string, more ...string) {
		requests = append(requests, line+" HTTP/1.1\r\nHost: api.example.com\r\n"+strings.Join(append(more, "", ""), "\r\n"))
	}
	template, err := sam.Own(nil)
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{id}", id, "{name}", "none", "{userId}", "u1", "{page+}", "start", "{file+}", "index.html", "{owner}", "u1")
	for _, r := range template.Routes { // each route, without a key and with an unknown one
		add(r.Method+" "+fill.Replace(r.Path), "Content-Length: 0")
		add(r.Method+" "+fill.Replace(r.Path)+"/", "Content-Length: 0", "X-API-Key: unknown-token-of-nobody")
		add("OPTIONS "+fill.Replace(r.Path), "Origin: https://app.example.com")
		add("TRACE "+fill.Replace(r.Path), "Content-Length: 0")
	}
	for _, target := range []string{
		"/health?x=1", "/health?x=1;y=2", "/health?%zz", "/health?a=|", "//health", "/health//", "/./health", "/a/../health", "/%68ealth",
		"/health%2F", "/Health", "/api/v1/whoami?api_key=" + token, "/api/v1/whoami?api_key=" + token + "&api_key=x",
		"/api/v1/whoami?_method=DELETE", "/api/v1/whoami?include=grants", "/api/v1/whoami?include=x", "/api/v1/whoami?api_key=%zz",
		"http://evil.example.com/health", "http://evil.example.com/api/v1/whoami", "/api/v1/api-keys/" + id + "%2F", "/api/v1/api-keys/a%2Fb",
		"/api/v1/api-keys/" + id[:15] + "%" + fmt.Sprintf("%x", id[15]), "/api/v1/api-keys/%00", "/api/v1/api-keys/%", "/api/v1/api-keys?limit=1&limit=2",
		"/docs", "/docs/", "/docs/start", "/docs/start/", "/docs/..%2Fstart", "/docs//start", "/console/", "/console/nothing", "/", "*", "/api/v1/api-keys/é",
	} {
		for _, key := range []string{"X-API-Key: " + token, "Accept: */*"} {
			add("GET "+target, key)
			add("HEAD "+target, key)
		}
	}
	for _, header := range []string{
		"X-API-Key: " + spent, "X-API-Key: " + near, "X-API-Key: " + near + "\r\nX-Forwarded-For: 203.0.113.7",
		"X-API-Key: " + near + "\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.1", "X-API-Key: " + near + "\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 203.0.113.7",
		"X-API-Key: " + token + "\r\nX-API-Key: " + token, "X-API-Key: " + token + "\r\nX-API-Key: other-token-of-16-chars",
		"X-API-Key: " + token + "\r\nX-User-Id: root", "X-API-Key: " + token + "\r\nX_Key_Id: root", "X-API-Key: " + token + "\r\nX-HTTP-Method-Override: PUT",
		"X-API-Key: " + token + "\r\nX-Original-URL: /", "X-API-Key: " + token + "\r\nHost: other.example.com", "Authorization: Bearer " + token,
		"Authorization: Basic " + token, "Authorization: AWS4-HMAC-SHA256 " + token, "authorization: bearer   " + token, "Api-Key: " + token,
		"X-GoLambdaProxy-ApiGw-Context: {\"authorizer\":{\"keyId\":\"k\"}}", "X-API-Key:", "X-API-Key: " + token + ", " + token, "X-API-Key: é",
		"X-API-Key: " + token + "\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0", "Connection: X-API-Key\r\nX-API-Key: " + token,
		"X-API-Key: " + token + "\r\nExpect: nothing", "X-API-Key: " + token + "\r\nContent-Length: 2\r\n\r\n{}",
	} {
		add("GET /api/v1/whoami", header)
		add("GET /api/v1/api-keys", header)
	}
	for _, c := range [][2]string{
		{"application/json", `{"apiKey":"` + token + `"}`}, {"application/json", `{"apiKey":"` + token + `","cost":0}`}, {"text/plain", `{}`},
		{"application/json", `{"apiKey":"` + token + `","apiKey":"x"}`}, {"application/json", ``}, {"application/json", `[`}, {"application/json", "{\"apiKey\":\"\xff\"}"},
		{"application/json", `{"apiKey":"` + spent + `","cost":1}`}, {"application/json", strings.Repeat(" ", 64<<10)}, {"", `{"apiKey":"` + token + `","scope":"TTS"}`},
		{"application/json", `{"apiKey":"` + token + `","sourceIp":"x"}`}, {"application/json", `{"apiKey":null}`}, {"application/json", `{"apikey":"x"}`},
		{"application/json", `{"apiKey":"` + token + `"} {}`}, {"application/json", `{"apiKey":"` + token + `","cost":1e400}`},
	} {
		head := []string{"Content-Type: " + c[0], fmt.Sprint("Content-Length: ", len(c[1]))}
		add("POST /api/v1/api-keys/validate", append(head, "", c[1])...)
	}
	differ := 0
	for _, r := range requests {
		want, got := raw(t, deployed, r), raw(t, server, r)
		if diff := cmp.Diff(want, got); diff != "" {
			differ++
			t.Errorf("%.300q: %s", r, diff)
		}
	}
	t.Logf("%d requests, %d differ", len(requests), differ)
}

// Each parameter of the template that the server has as a variable is read.
func TestAServerChecksTheVariablesOfItsRoutes(t *testing.T) {
	for _, name := range []string{"API_RATE", "VALIDATE_BURST", "REVOKE_RATE", "PAGE_BURST", "PROTECT_VALIDATE", "DENY_STATUS", "OWN_PREFIX"} {
		asked{args: "serve", code: 2, talk: name + " must be "}.run(t, "STATE="+t.TempDir(), "PORT=0", name+"=wrong")
	}
}
