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

// target is where a request goes. Path parameters stay escaped as they came.
func target(b *sam.Backend, parameters map[string]string, query string) (*url.URL, error) {
	text := b.URL
	for name, parameter := range b.Path {
		text = strings.ReplaceAll(text, "{"+name+"}", parameters[parameter])
	}
	target, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	target.RawQuery = query
	return target, nil
}

// forward passes a request on, and the answer back. A client's own headers of the
// names that are set here go no further, whatever there is to put in their place.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, b *sam.Backend, body []byte, release func(), parameters, variables map[string]string) {
	// An answer may be streamed for long after the body was sent, and its memory given back.
	content := &content{release: sync.OnceFunc(release)}
	content.rest.Reset(body)
	defer content.Close()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	target, err := target(b, parameters, r.URL.RawQuery)
	if err != nil {
		g.respond(w, "DEFAULT_4XX", "Bad Request", variables)
		return
	}
	// The time is for the beginning of an answer; one that is streamed may go on.
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	limit := time.AfterFunc(b.Timeout, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	r = r.WithContext(ctx)
	// The body is here already, as a whole: no trailers follow it, which could be
	// taken for headers, and nobody waits to be told to send it.
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, int64(len(body)), nil, nil
	if len(body) > 0 {
		r.Body = content
	}
	proxy := httputil.ReverseProxy{
		FlushInterval: b.Flush,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = target, ""
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.SetXForwarded()
			for _, name := range []string{"Connection", "Expect", "Te", "Upgrade"} {
				p.Out.Header.Del(name)
			}
			for name, value := range b.Headers {
				p.Out.Header.Del(name)
				text, static := sam.Unquote(value)
				if !static {
					text = variables[strings.TrimPrefix(value, "context.")]
				}
				if text != "" {
					p.Out.Header.Set(name, text)
				}
			}
		},
		ModifyResponse: func(response *http.Response) error {
			limit.Stop()
			length := response.Header["Content-Length"]
			response.Header = remapped(response.Header)
			if len(length) > 0 {
				response.Header["Content-Length"] = length // of an answer to HEAD nothing else tells
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			kind := "INTEGRATION_FAILURE"
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				kind = "INTEGRATION_TIMEOUT"
			}
			g.logger.Error("the backend did not answer", "requestId", variables["requestId"], "method", r.Method, "error", httperr.Unquoted(err))
			g.respond(w, kind, "Internal server error", variables)
		},
	}
	proxy.ServeHTTP(w, r)
}

// content is a body that gives its memory back when it is closed.
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
