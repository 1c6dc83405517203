package local

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"latchkey/internal/httperr"
	"latchkey/internal/local/sam"
)

// target returns the URL that a request is passed on to. Path parameters stay escaped.
func target(b *sam.Backend, parameters map[string]string, query string) (*url.URL, error) {
	text := b.URL
	for name, value := range parameters {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	target, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	target.RawQuery = query
	return target, nil
}

// forward passes a request on to b, and passes the response back as it arrives. The headers of b
// replace the client's own, and remove them if they have no value. forward calls release when the
// body has been sent, which may be long before the end of the response.
func (g *Gateway) forward(x *exchange, b *sam.Backend, body []byte, release func(), parameters map[string]string) {
	content := &content{release: sync.OnceFunc(release)}
	content.rest.Reset(body)
	defer content.Close()
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{}) // fails where there are no deadlines
	target, err := target(b, parameters, x.r.URL.RawQuery)
	if err != nil {
		g.respond(x, badRequest)
		return
	}
	// The timeout is for the beginning of a response. A stream may then last as long as it likes.
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	timeout := time.AfterFunc(b.Timeout, func() { cancel(context.DeadlineExceeded) })
	defer timeout.Stop()
	r := x.r.WithContext(ctx)
	// The whole body is here. No trailers follow it, which a backend could take for headers.
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, int64(len(body)), nil, nil
	if len(body) > 0 {
		r.Body = content
	}
	proxy := httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = target, ""
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.SetXForwarded()
			for _, name := range undelivered() {
				p.Out.Header.Del(name)
			}
			for name, value := range b.Headers {
				p.Out.Header.Del(name)
				if text := value.In(x.authorizer); text != "" {
					p.Out.Header.Set(name, text)
				}
			}
		},
		ModifyResponse: func(response *http.Response) error {
			timeout.Stop()
			length := response.Header["Content-Length"]
			response.Header = remapped(response.Header)
			if len(length) > 0 {
				response.Header["Content-Length"] = length // a response to HEAD has its length only here
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			kind := backendUnreachable
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				kind = backendTooSlow
			}
			g.logger.Error("the backend did not answer", "requestId", x.id, "method", r.Method, "error", httperr.Unquoted(err))
			g.respond(x, kind)
		},
	}
	proxy.ServeHTTP(x.w, r)
}

// undelivered are the headers of a request that API Gateway does not pass on to a backend.
func undelivered() []string {
	return []string{
		"Connection", "Content-Encoding", "Content-Md5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "Te",
		"Trailer", "Transfer-Encoding", "Upgrade", "Via", "Www-Authenticate",
	}
}

// content is a body that calls release when it is closed. It is safe for concurrent use, because a
// transport may close a body that it still reads.
type content struct {
	mu      sync.Mutex
	rest    bytes.Reader
	release func()
}

func (c *content) Read(into []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rest.Read(into)
}

func (c *content) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest.Reset(nil)
	c.release()
	return nil
}
