package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// The stack is in front of a backend, which answers with the request that it has received.
func TestAGatewayInFrontOfAnAPI(t *testing.T) {
	more := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-From", "backend")
		w.Header().Set("Server", "theirs")
		switch r.URL.Path {
		case "/base/stream":
			_, _ = io.WriteString(w, "data: first\n\n")
			w.(http.Flusher).Flush()
			<-more
			_, _ = io.WriteString(w, "data: second\n\n")
		case "/base/garbage":
			connection, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(connection, "HTTP/1.1 "+r.Header.Get("X-API-Key")+"\r\n\r\n")
			_ = connection.Close()
		case "/base/teapot":
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte{0, 255, 254})
		default:
			sum := sha256.Sum256(body)
			_ = json.NewEncoder(w).Encode(map[string]any{
				"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "headers": r.Header, "trailers": r.Trailer, "body": hex.EncodeToString(sum[:]),
			})
		}
	}))
	defer backend.Close()
	s := start(t, t.TempDir(), "BACKEND_URL="+backend.URL+"/base", "ROUTE_SCOPES=POST /tts/*=tts;*=", "PUBLIC_PATHS=/open/*,/docs")
	id, token := s.create(t, `{"userId":"u1","scopes":["stt"]}`)
	_, bare := s.create(t, `{"userId":"u2"}`)
	accented, far := "X-API-Key: ", "X-API-Key: "
	for user, into := range map[string]*string{"é, 100%": &accented, "中文": &far} {
		_, token := s.create(t, `{"userId":"`+user+`"}`)
		*into += token
	}
	key := "X-API-Key: " + token
	forged := []string{"X-User-Id: root", "x-key-id: root", "X_Scopes: keys:admin", "x_user-id: root", "X-HTTP-Method-Override: PUT", "X-Original-URL: /tts/speak"}

	sent := func(a answer) http.Header {
		header := make(http.Header)
		raw, _ := json.Marshal(a.json["headers"])
		_ = json.Unmarshal(raw, &header)
		return header
	}
	for _, c := range []struct {
		method, path, token          string
		status                       int
		wantPath, user, keyID, scope string
	}{
		{"GET", "/", key, 200, "/base/", "u1", id, "stt"},
		{"GET", "/v1/models?limit=2&x=%20", key, 200, "/base/v1/models", "u1", id, "stt"},
		{"DELETE", "/a%20b/%C3%A4?x", key, 200, "/base/a%20b/%C3%A4", "u1", id, "stt"},
		{"GET", "/open/%c0%ae%c0%ae/tts", "Accept: */*", 401, "", "", "", ""},
		{"GET", "/open/..%20/tts", "Accept: */*", 401, "", "", "", ""},
		{"POST", "/tts%20/speak", key, 401, "", "", "", ""},
		{"PUT", "/thing", "X-API-Key: " + bare, 200, "/base/thing", "u2", "", "-"},
		{"GET", "/thing", accented, 200, "/base/thing", "%C3%A9%2C%20100%25", "", "-"},
		{"GET", "/thing", far, 200, "/base/thing", "%E4%B8%AD%E6%96%87", "", "-"},
		{"GET", "/open/x", "Accept: */*", 200, "/base/open/x", "anonymous", "anonymous", "-"},
		{"GET", "/docs", "Accept: */*", 200, "/base/docs", "anonymous", "anonymous", "-"},
		{"GET", "/closed", "Accept: */*", 401, "", "", "", ""},
		{"POST", "/tts/speak", key, 401, "", "", "", ""}, // a scope that the key does not have
		{"GET", "/api/v1/nothing-of-ours", key, 200, "/base/api/v1/nothing-of-ours", "u1", id, "stt"},
	} {
		for _, header := range forged {
			s.send(t, c.method, c.path, "", c.token, header).isError(t, c.path+" with "+header, 401, "invalid_api_key")
		}
		a := s.send(t, c.method, c.path, "", c.token)
		if a.status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.text)
			continue
		}
		if c.status != 200 {
			continue
		}
		h := sent(a)
		_, query, _ := strings.Cut(c.path, "?")
		wanted, _ := url.ParseQuery(query)
		if a.json["path"] != c.wantPath || a.json["query"] != wanted.Encode() || a.json["method"] != c.method {
			t.Errorf("%s %s arrives as %v %v?%v", c.method, c.path, a.json["method"], a.json["path"], a.json["query"])
		}
		if len(h["X-User-Id"]) != 1 || h.Get("X-User-Id") != c.user || len(h["X-Scopes"]) != 1 || h.Get("X-Scopes") != c.scope ||
			len(h["X-Key-Id"]) != 1 || c.keyID != "" && h.Get("X-Key-Id") != c.keyID {
			t.Errorf("%s %s arrives with %v", c.method, c.path, h)
		}
		if a.header.Get("X-From") != "backend" || a.header.Get("Server") == "theirs" {
			t.Errorf("%s %s is answered with %v", c.method, c.path, a.header)
		}
	}
	if a := s.send(t, "GET", "/teapot", "", key); a.status != 418 || a.text != "\x00\xff\xfe" {
		t.Errorf("an answer of bytes: %d %q", a.status, a.text)
	}
	body := bytes.Repeat([]byte{0, 255, 10, 13}, 100_000)
	sum := sha256.Sum256(body)
	if a := s.send(t, "POST", "/upload", string(body), key, "Content-Type: application/octet-stream"); a.json["body"] != hex.EncodeToString(sum[:]) {
		t.Errorf("a body of bytes: %d %s", a.status, a.text)
	}
	if a := s.send(t, "OPTIONS", "/v1/models", "", "Origin: https://x", "Access-Control-Request-Method: PUT"); a.status != 200 || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("a preflight: %d %v", a.status, a.header)
	}
	s.send(t, "POST", "/api/v1/whoami", "", key).isError(t, "a method that our own route does not have", 404, "not_found")
	// The authorizer sees all of a query that the backend gets.
	for _, query := range []string{"_method=DELETE;x", "_method=%zz", "a=b;c&_method=PUT", "%zz&_method=PUT", "X-HTTP-Method-Override=DELETE%", "_method;=PUT&_method"} {
		s.send(t, "POST", "/v1/models?"+query, "", key).isError(t, query, 401, "invalid_api_key")
	}
	for _, method := range []string{"TRACE", "PROPFIND", "get", "GET_"} {
		s.send(t, method, "/v1/models", "", key).isError(t, method+", which ANY does not include", 404, "not_found")
	}

	// Hop-by-hop headers end at the stack, and a trailer of the client never becomes a header.
	raw, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_, _ = io.WriteString(raw, "POST /odd HTTP/1.1\r\nHost: x\r\n"+key+"\r\nConnection: close, Upgrade, X-User-Id, X-API-Key\r\n"+
		"Upgrade: websocket\r\nTE: trailers\r\nX-Forwarded-For: 192.0.2.1\r\nTransfer-Encoding: chunked\r\nTrailer: X-User-Id\r\n\r\n3\r\nabc\r\n0\r\nX-User-Id: root\r\n\r\n")
	text, err := io.ReadAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, body, _ := strings.Cut(string(text), "\r\n\r\n"); !strings.HasPrefix(string(text), "HTTP/1.1 200") || !strings.Contains(body, `"trailers":null`) ||
		!strings.Contains(body, `"X-User-Id":["u1"]`) || !strings.Contains(body, `"X-Forwarded-For":["192.0.2.1, 127.0.0.1"]`) ||
		strings.Contains(body, `"Upgrade"`) || strings.Contains(body, `"Te"`) || strings.Contains(body, `"Trailer"`) {
		t.Errorf("an odd request is answered\n%s", text)
	}
	if a := s.send(t, "HEAD", "/v1/models", "", key); a.status != 200 || a.header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	s.send(t, "GET", "/garbage", "", key).isError(t, "an answer that is not HTTP", 504, "backend_unavailable")
	if strings.Contains(s.log.String(), token) {
		t.Errorf("the log contains the key\n%s", s.log)
	}

	// An answer is streamed.
	r, err := http.NewRequest("GET", s.url+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "data: first\n" {
		t.Errorf("%q, %v", line, err)
	}
	close(more)
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "\ndata: second\n\n" {
		t.Errorf("%q, %v", rest, err)
	}
	response.Body.Close()

	backend.Close()
	s.send(t, "GET", "/v1/models", "", key).isError(t, "when the backend is down", 504, "backend_unavailable")
}

// With REQUIRE_AUTH=false, every caller is anonymous, and no caller manages keys.
func TestWithoutAuthEveryCallerIsAnonymous(t *testing.T) {
	s := start(t, t.TempDir(), "REQUIRE_AUTH=false")
	for _, header := range []string{"Accept: */*", "X-API-Key: wrong", s.admin()} {
		if a := s.send(t, "GET", "/api/v1/whoami", "", header); a.status != 200 || a.json["userId"] != "anonymous" || len(a.json["scopes"].([]any)) != 0 {
			t.Errorf("%.14s: %d %s", header, a.status, a.text)
		}
		for _, path := range []string{"/api/v1/api-keys", "/api/v1/api-keys?userId=admin"} {
			s.send(t, "GET", path, "", header).isError(t, path, 403, "insufficient_scope")
		}
		s.send(t, "POST", "/api/v1/api-keys", `{}`, header).isError(t, "create", 403, "insufficient_scope")
	}
	if err := s.end(syscall.SIGTERM); err != nil { // the log is complete once the process has ended
		t.Error(err)
	}
	if !strings.Contains(s.log.String(), "REQUIRE_AUTH IS FALSE") {
		t.Errorf("the log has no warning:\n%s", s.log)
	}
}

// A backend that does not answer has its own error, because neither latchkey nor the key is the
// cause.
func TestADeadBackendIsItsOwnError(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for what, url := range map[string]string{
		"nothing listens": "http://127.0.0.1:1", "the name does not exist": "https://nowhere.invalid",
		"it speaks no TLS": "https" + strings.TrimPrefix(plain.URL, "http"),
	} {
		s := start(t, t.TempDir(), "BACKEND_URL="+url)
		_, token := s.create(t, `{"userId":"u1","rateLimit":{"requests":2,"window":3600}}`)
		for range 2 {
			a := s.send(t, "GET", "/v1/models", "", "X-API-Key: "+token)
			a.isError(t, what, 504, "backend_unavailable")
			if e, _ := a.json["error"].(map[string]any); e["type"] != "api_error" || e["message"] != "The API behind this gateway did not answer. Try again later." || a.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %s %v", what, a.text, a.header)
			}
		}
		// These requests counted against the limit, and our own routes still work.
		s.send(t, "GET", "/v1/models", "", "X-API-Key: "+token).isError(t, what+", over the limit", 429, "rate_limit_exceeded")
		if a := s.send(t, "GET", "/latchkey/health", ""); a.status != 200 {
			t.Errorf("%s: health is %d %s", what, a.status, a.text)
		}
		if err := s.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}
