package local_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// The rows are those of the table that API Gateway documents. Connection is the one header that the
// local stack drops and the table lets pass to a backend.
func TestHeadersAreDroppedAndRenamedAsAPIGatewayDocuments(t *testing.T) {
	const stays, renamed, dropped = "stays", "renamed", "dropped"
	var got, answer http.Header // of the last request, and of the answer to it
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer connection.Close()
		var raw bytes.Buffer
		raw.WriteString("HTTP/1.1 200 OK\r\n")
		_ = answer.Write(&raw)
		raw.WriteString("\r\n")
		if answer.Get("Transfer-Encoding") != "" {
			raw.WriteString("0\r\n\r\n")
		}
		_, _ = raw.WriteTo(connection)
	}))
	defer backend.Close()
	s := &stack{
		authorize: admitted, parameters: map[string]string{"BackendUrl": backend.URL},
		serve: func(e events.APIGatewayProxyRequest) (any, error) {
			got = e.MultiValueHeaders
			return events.APIGatewayProxyResponse{StatusCode: 200, MultiValueHeaders: answer}, nil
		},
	}
	host := strings.TrimPrefix(s.start(t), "http://")
	for _, c := range []struct{ name, value, toBackend, toFunction, back string }{
		{"Age", "1", stays, stays, stays},
		{"Accept", "text/csv", stays, stays, stays},
		{"Accept-Charset", "utf-8", stays, stays, stays},
		{"Accept-Encoding", "br", stays, stays, stays},
		{"Authorization", "Bearer x", stays, stays, renamed},
		{"Authorization", "AWS4-HMAC-SHA256 Credential=x", dropped, dropped, renamed},
		{"Connection", "keep-alive", dropped, dropped, renamed},
		{"Content-Encoding", "br", dropped, stays, stays},
		{"Content-MD5", "x", dropped, dropped, renamed},
		{"Content-Type", "text/csv", stays, stays, stays},
		{"Date", "Mon, 30 Nov 2026 00:00:00 GMT", stays, stays, renamed},
		{"Expect", "100-continue", dropped, dropped, dropped},
		{"Max-Forwards", "3", dropped, dropped, renamed},
		{"Pragma", "no-cache", stays, stays, stays},
		{"Proxy-Authenticate", "Basic", dropped, dropped, dropped},
		{"Range", "bytes=0-1", stays, stays, stays},
		{"Referer", "https://example.com", stays, stays, stays},
		{"Server", "mine", dropped, dropped, renamed},
		{"TE", "trailers", dropped, dropped, dropped},
		{"Trailer", "X-After", dropped, dropped, dropped},
		{"Transfer-Encoding", "chunked", dropped, dropped, dropped},
		{"Upgrade", "h2c", dropped, dropped, dropped},
		{"User-Agent", "mine", stays, stays, renamed},
		{"Via", "1.1 proxy", dropped, stays, dropped},
		{"Warn", "299", stays, stays, stays},
		{"WWW-Authenticate", "Basic", dropped, dropped, renamed},
		{"X-Mine", "mine", stays, stays, stays},
	} {
		for path, sent := range map[string]string{"/theirs": c.toBackend, "/latchkey/health": c.toFunction} {
			got, answer = nil, http.Header{http.CanonicalHeaderKey(c.name): {c.value}}
			back := send(t, host, path, c.name+": "+c.value)
			if fate := fateOf(got, c.name, c.value); fate != sent {
				t.Errorf("%s: %s to %s is %s, want %s", c.name, c.value, path, fate, sent)
			}
			if fate := fateOf(back, c.name, c.value); fate != c.back {
				t.Errorf("%s: %s from %s is %s, want %s", c.name, c.value, path, fate, c.back)
			}
		}
	}
}

// An answer without Content-Type is JSON to API Gateway. A backend's length arrives under two names.
func TestAPIGatewayAddsHeaders(t *testing.T) {
	var got *http.Request
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(t.Context())
		w.Header()["Content-Type"] = nil
		w.Header().Set("Host", "theirs")
		_, _ = io.WriteString(w, "hi")
	}))
	defer backend.Close()
	s := &stack{authorize: admitted, parameters: map[string]string{"BackendUrl": backend.URL}}
	_, header, _ := get(t, "GET", s.start(t)+"/theirs")
	if got.Host != strings.TrimPrefix(backend.URL, "http://") || got.Header.Get("X-Amzn-Apigateway-Api-Id") == "" {
		t.Errorf("the backend gets the host %s and %v", got.Host, got.Header)
	}
	if header.Get("Content-Type") != "application/json" || header.Get("X-Amzn-Remapped-Content-Length") != "2" ||
		header.Get("Content-Length") != "2" || header.Get("Host") != "" {
		t.Errorf("the client gets %v", header)
	}
}

// fateOf says where headers have a value that was sent under a name.
func fateOf(headers http.Header, name, value string) string {
	switch {
	case headers.Get(name) == value:
		return "stays"
	case headers.Get("X-Amzn-Remapped-"+name) == value:
		return "renamed"
	}
	return "dropped"
}

// send sends a GET without a body, whose headers no client changes. It returns the headers of the
// answer.
func send(t *testing.T, host, path, header string) http.Header {
	t.Helper()
	connection, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	end := "Content-Length: 0\r\n\r\n"
	if strings.HasPrefix(header, "Transfer-Encoding") {
		end = "\r\n0\r\n\r\n"
	}
	fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s", path, header, end)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.Header
}

// A function may answer with single headers and with lists of them. All count, in any case.
func TestBothFormsOfAFunctionsHeadersCount(t *testing.T) {
	s := &stack{authorize: admitted, serve: func(events.APIGatewayProxyRequest) (any, error) {
		return events.APIGatewayProxyResponse{
			StatusCode: 200, Headers: map[string]string{"X-One": "1", "X-Both": "1"},
			MultiValueHeaders: map[string][]string{"X-Many": {"1", "2"}, "X-Both": {"1", "2"}},
		}, nil
	}}
	response, err := http.Get(s.start(t) + "/api/v1/whoami")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for name, want := range map[string]string{"X-One": "1", "X-Many": "1,2", "X-Both": "1,2"} {
		if got := strings.Join(response.Header[name], ","); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
