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

// target returns the URL that a request is passed on to. API Gateway decodes the parameters of path
// and query, and encodes them anew. An escaped slash therefore becomes a slash.
func target(b *sam.Backend, parameters map[string]string, query []pair) (*url.URL, error) {
	target, err := url.Parse(b.URL)
	if err != nil {
		return nil, err
	}
	for name, value := range parameters {
		if value, err = url.PathUnescape(value); err != nil {
			return nil, err
		}
		target.Path = strings.ReplaceAll(target.Path, "{"+name+"}", value)
	}
	target.RawPath = ""
	var parts []string
	for _, p := range query {
		parts = append(parts, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
	}
	target.RawQuery = strings.Join(parts, "&")
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
	target, err := target(b, parameters, pairsOf(x.r.URL.RawQuery))
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
			deliver(p.Out.Header)
			for _, name := range kept() {
				p.Out.Header.Del(name)
			}
			p.Out.Header.Set("X-Amzn-Apigateway-Api-Id", apiID)
			for name, value := range b.Headers {
				p.Out.Header.Del(name)
				if text := value.In(x.authorizer); text != "" {
					p.Out.Header.Set(name, text)
				}
			}
		},
		Transport: remapping{http.DefaultTransport},
		ModifyResponse: func(*http.Response) error {
			timeout.Stop()
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
