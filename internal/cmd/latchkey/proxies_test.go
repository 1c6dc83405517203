//go:build proxies

package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/fronttest"
	"latchkey/internal/instance"
)

// proxy is a proxy whose configuration is in the manual.
type proxy struct {
	name  string
	files []string // of proxies.md
	// more are files that the manual leaves to the reader, by their names.
	more map[string]string
	// command runs the proxy in the folder of its files, until the process gets a signal.
	command []string
	lacks   []fronttest.Ability
	// noLimits says that the service gets no X-RateLimit headers.
	noLimits bool
}

func proxies() []proxy {
	tool := func(name string) string {
		return filepath.Join(dynamotest.Root(), ".latchkey", "proxies", "bin", name)
	}
	return []proxy{
		{name: "nginx", files: []string{"nginx.conf"}, command: []string{"/usr/sbin/nginx", "-p", ".", "-c", "main.conf"},
			more: map[string]string{"main.conf": `
daemon off; pid pid; error_log stderr; worker_processes 1; events {}
http {
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi; include nginx.conf;
}`}},
		{name: "Caddy", files: []string{"Caddyfile"}, noLimits: true,
			command: []string{"/usr/bin/caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"}},
		{name: "Traefik", files: []string{"traefik.yaml"}, command: []string{tool("traefik"), "--configFile=static.yaml"},
			more: map[string]string{"static.yaml": `
entryPoints: {web: {address: "127.0.0.1:8080"}}
providers: {file: {filename: traefik.yaml}}
global: {checkNewVersion: false, sendAnonymousUsage: false}`}},
		{name: "HAProxy", files: []string{"haproxy.cfg", "haproxy.lua"}, command: []string{"/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg"}},
		{name: "Apache", files: []string{"apache.conf", "apache.lua"},
			command: []string{"sh", "-c", `exec /usr/sbin/apache2 -DFOREGROUND -d "$PWD" -f main.conf`},
			more: map[string]string{"main.conf": `
PidFile pid
ErrorLog /dev/stderr
ServerName localhost
Listen 127.0.0.1:8080
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule lua_module /usr/lib/apache2/modules/mod_lua.so
Include apache.conf`}},
		// For a client on this machine, Envoy writes another address of the machine.
		{name: "Envoy", files: []string{"envoy.yaml"}, lacks: []fronttest.Ability{fronttest.KnowsAddress},
			command: []string{tool("envoy"), "--disable-hot-restart", "--concurrency", "1", "-l", "error", "-c", "envoy.yaml"}},
	}
}

// run starts the proxy before a service, and returns its address.
func (p proxy) run(t *testing.T, latchkey, service string) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "proxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil { // Apache reads its script as another user
		t.Fatal(err)
	}
	port := freePort(t)
	split := func(address string) (host, port string) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		return host, port
	}
	_, latchkeyPort := split(latchkey)
	_, servicePort := split(service)
	places := strings.NewReplacer(
		"port_value: 3000", "port_value: "+latchkeyPort, "port_value: 8000", "port_value: "+servicePort, "port_value: 8080", "port_value: "+port,
		"127.0.0.1:3000", latchkey, "127.0.0.1:8000", service, ":8080", ":"+port, "/etc/haproxy", folder, "/etc/apache2", folder)
	blocks := make(map[string]string)
	for _, b := range manualPage(t, "proxies.md").Blocks {
		blocks[b.Name] = b.Text
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(places.Replace(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range p.files {
		if blocks[name] == "" {
			t.Fatalf("proxies.md has no file %s", name)
		}
		write(name, blocks[name])
	}
	for name, text := range p.more {
		write(name, text)
	}
	c := exec.Command(p.command[0], p.command[1:]...)
	c.Dir, c.Env = folder, append(os.Environ(), "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	var log safeBuffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatalf("%v: make proxies installs it", err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s\n%s", p.name, &log)
		}
	})
	// Traefik listens before it has read its routes.
	at := "127.0.0.1:" + port
	for range 200 {
		if listens(port) && exchange(t, at, fronttest.Request{Line: "GET /docs/x"}).status != http.StatusNotFound {
			return at
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not answer: %s", p.name, &log)
	return ""
}

// echo is a service that returns each request in the header X-Echo of its answer. It reads the bytes of
// the connection, since a server of net/http would not show all of them.
func echo(t *testing.T, requests *atomic.Int64) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				var head strings.Builder
				for r := bufio.NewReader(conn); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					head.WriteString(line)
				}
				requests.Add(1)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\nX-Echo: "+
					base64.StdEncoding.EncodeToString([]byte(head.String()))+"\r\n\r\n")
			}()
		}
	}()
	return l.Addr().String()
}

// reply is what a proxy answers, and what the service got.
type reply struct {
	answer
	path string // empty if the service got nothing
	sent http.Header
}

// exchange sends the bytes of a request. It returns a zero reply if the proxy only closes the connection.
func exchange(t testing.TB, address string, r fronttest.Request) (got reply) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	lines := append([]string{r.Line + " HTTP/1.1"}, r.Headers...)
	has := func(name string) bool {
		for _, line := range r.Headers {
			if strings.HasPrefix(strings.ToLower(line), name+":") {
				return true
			}
		}
		return false
	}
	if !has("host") {
		lines = append(lines, "Host: "+address)
	}
	if !has("connection") {
		lines = append(lines, "Connection: close")
	}
	if r.Body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(r.Body)))
	}
	_, _ = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+r.Body) // the proxy may have closed the connection
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method()})
	if err != nil {
		return reply{}
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body) // after an error, the bytes so far are judged
	got.answer = answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &got.json)
	head, err := base64.StdEncoding.DecodeString(response.Header.Get("X-Echo"))
	if err != nil || len(head) == 0 {
		return got
	}
	first, rest, _ := strings.Cut(string(head), "\r\n")
	_, target, _ := strings.Cut(first, " ")
	target, _, _ = strings.Cut(target, " HTTP/")
	got.path, _, _ = strings.Cut(target, "?")
	got.sent = make(http.Header)
	for line := range strings.SplitSeq(strings.TrimRight(rest, "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		name = http.CanonicalHeaderKey(name)
		got.sent[name] = append(got.sent[name], strings.TrimSpace(value))
	}
	return got
}

// outcome returns the answer of a proxy as the rows of package fronttest have it.
func (r reply) outcome() fronttest.Answer {
	switch {
	case r.path != "":
		return fronttest.Answer{Outcome: fronttest.Allowed, User: strings.Join(r.sent["X-User-Id"], ","), Path: r.path, Headers: r.sent}
	case r.status == 401 || r.status == 403:
		return fronttest.Answer{Outcome: fronttest.Refused}
	case r.status == 429:
		return fronttest.Answer{Outcome: fronttest.Limited}
	}
	return fronttest.Answer{Outcome: fronttest.Rejected}
}

// askedServer is a server that proxies ask, with an instance on its table.
func askedServer(t *testing.T) (address string, i *instance.Instance) {
	t.Helper()
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	variables := fronttest.Variables()
	told := []string{"TRUSTED_PROXY_HOPS=1", "FORWARD_AUDIENCE=urn:service", "METADATA_HEADER=true"}
	for name, value := range variables {
		told = append(told, name+"="+value)
	}
	folder := t.TempDir()
	s := serveOn(t, folder, endpoint, told...)
	secret, err := os.ReadFile(state(folder).secret())
	if err != nil {
		t.Fatal(err)
	}
	variables["LATCHKEY_SECRET"] = string(secret)
	variables["TABLE_NAME"], variables["AWS_ENDPOINT_URL_DYNAMODB"] = localTable, endpoint
	c, err := config.Load(variables)
	if err != nil {
		t.Fatal(err)
	}
	c.Local = true
	i, err = instance.New(t.Context(), c, amazon.Local(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("latchkey\n%s", s.log)
		}
	})
	return strings.TrimPrefix(s.url, "http://"), i
}

// Each proxy of the manual answers as a direct request is answered, and the service gets our headers and
// never those of a client.
func TestProxyConfigurationsProtect(t *testing.T) {
	latchkey, i := askedServer(t)
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			var requests atomic.Int64
			service := echo(t, &requests)
			at := p.run(t, latchkey, service)
			tokens := fronttest.Fill(t, i)
			p.describes(t, at, fronttest.Fill(t, i))
			fronttest.Run(t, fronttest.Front{
				Tokens: tokens, Lacks: p.lacks,
				Send: func(t testing.TB, r fronttest.Request) fronttest.Answer {
					got := exchange(t, at, r)
					if got.status >= 500 || got.status == 429 && got.json == nil {
						t.Errorf("%s %q: %d %s", r.Line, r.Headers, got.status, got.text)
					}
					return got.outcome()
				},
			})
			before := requests.Load()
			alone := p.run(t, "127.0.0.1:9", service)
			got := exchange(t, alone, fronttest.Request{Line: "GET /v1/models", Headers: []string{"X-API-Key: " + tokens["alice"]}})
			if got.path != "" || got.status < 500 {
				t.Errorf("without latchkey: %d %s", got.status, got.text)
			}
			if requests.Load() != before {
				t.Error("the service got a request without latchkey")
			}
		})
	}
}

// describes checks the answers of a proxy, and what the service gets.
func (p proxy) describes(t *testing.T, at string, tokens map[string]string) {
	t.Helper()
	send := func(line, user string, headers ...string) reply {
		return exchange(t, at, fronttest.Request{Line: line, Headers: append(headers, "X-API-Key: "+tokens[user])})
	}
	good := send("POST /tts/x?a=b%20c&d", "thrice", "X-Forwarded-For: 203.0.113.7")
	for name, want := range map[string]string{
		"X-User-Id": "thrice", "X-Scopes": "tts", "X-Ratelimit-Limit": "3", "X-Ratelimit-Remaining": "2",
		"X-Latchkey-Metadata": `{"tier":"%C3%A9lite"}`,
	} {
		if p.noLimits && !slices.Contains([]string{"X-User-Id", "X-Scopes"}, name) {
			want = ""
		}
		if got := strings.Join(good.sent[name], ","); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(good.sent["X-Key-Id"]) != 1 || !p.noLimits && len(good.sent["X-Latchkey-Assertion"]) != 1 {
		t.Errorf("the service gets %v", good.sent)
	}
	if strings.HasPrefix(strings.Join(good.sent["X-Forwarded-For"], ","), "203.0.113.7") && p.name != "Envoy" {
		t.Errorf("X-Forwarded-For is %q", good.sent["X-Forwarded-For"])
	}
	if public := send("GET /docs/x", ""); public.sent.Get("X-User-Id") != "anonymous" || len(public.sent["X-Ratelimit-Limit"]) > 0 {
		t.Errorf("a public path: %d %v", public.status, public.sent)
	}
	if own := send("GET /_latchkey", "alice"); own.path != "" || own.status < 400 {
		t.Errorf("the location of nginx that asks: %d %s", own.status, own.text)
	}
	for range 2 {
		send("POST /tts/x", "thrice")
	}
	for _, c := range []struct {
		line, user string
		status     int
		code       string
	}{
		{"POST /tts/x", "thrice", 429, "rate_limit_exceeded"},
		{"POST /tts/long", "thrice", 429, "cost_above_limit"},
		{"POST /tts/x", "bob", 403, "insufficient_scope"},
		{"GET /v1/models", "revoked", 401, "invalid_api_key"},
	} {
		a := send(c.line, c.user)
		e, _ := a.json["error"].(map[string]any)
		if a.status != c.status || e["code"] != c.code || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.path != "" {
			t.Errorf("%s of %s: %d %s %v, want %d %s", c.line, c.user, a.status, a.text, a.header, c.status, c.code)
		}
		if (len(a.header["Retry-After"]) == 1) != (c.code == "rate_limit_exceeded") || (len(a.header["Www-Authenticate"]) == 1) != (c.status == 401) {
			t.Errorf("%s of %s: %v", c.line, c.user, a.header)
		}
	}
}
