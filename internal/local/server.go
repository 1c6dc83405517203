package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits for clients that send slowly, send much, or open many connections. Sizes are in bytes.
const (
	headerTime   = 10 * time.Second
	requestTime  = 30 * time.Second // for headers and body
	answerTime   = 75 * time.Second // for headers, body and answer; API Gateway waits 29 s for a function
	idleTime     = time.Minute      // between two requests of a connection
	shutdownTime = 3 * time.Second  // for requests that run when the server ends

	// maxHeaders is above API Gateway's limit of 10,240 bytes, because its answer beyond that limit
	// is unknown.
	maxHeaders     = 64 << 10
	maxConnections = 1024

	maxBody = 10 << 20 // API Gateway's own limit
	// A body of at most smallBody bytes is read at once. roomForBodies limits the sum of all larger
	// bodies, because each is in memory several times while a function reads it. It must be at least
	// maxBody.
	smallBody     = 64 << 10
	roomForBodies = 32 << 20
	// roomTime is how long a large body waits for room.
	roomTime = 10 * time.Second
)

// NewServer returns a server for h, usually a [Gateway]. It ends connections whose client sends or
// reads too slowly. A backend's answer may take any time.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeaders,
	}
}

// Serve serves h on l until ctx ends. Requests that run then have three seconds to end.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := NewServer(h)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(Limit(l, maxConnections)) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return server.Close()
	}
	return nil
}

// Limit returns l with at most so many connections open at a time. Others wait to be accepted.
func Limit(l net.Listener, connections int) net.Listener {
	return limited{l, make(chan struct{}, connections)}
}

type limited struct {
	net.Listener
	open chan struct{}
}

func (l limited) Accept() (net.Conn, error) {
	// Accept comes first, because a closed listener must not wait for a connection to end.
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open <- struct{}{}
	return &counted{Conn: conn, done: func() { <-l.open }}, nil
}

type counted struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *counted) Close() error {
	defer c.once.Do(c.done)
	return c.Conn.Close()
}

// errNoRoom means that too many large bodies are in memory.
var errNoRoom = errors.New("no room for the body")

// read returns the body of a request. The caller must call release once, when it no longer needs the
// body. An error is an *[http.MaxBytesError], errNoRoom, or an error of the connection.
func (g *Gateway) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	defer func() {
		if err != nil {
			release()
		}
	}()
	limited := http.MaxBytesReader(w, r.Body, maxBody)
	size := r.ContentLength
	if size < 0 || size > smallBody {
		body, err = io.ReadAll(io.LimitReader(limited, smallBody+1))
		if err != nil || len(body) <= smallBody {
			return body, release, err
		}
		// Without Content-Length, the size is known only at the end of the body.
		if size < 0 {
			size = maxBody
		}
		ctx, cancel := context.WithTimeout(r.Context(), roomTime)
		defer cancel()
		if g.room.Acquire(ctx, size) != nil {
			return nil, release, errNoRoom
		}
		release = func() { g.room.Release(size) }
	}
	if r.ContentLength > 0 {
		whole := make([]byte, r.ContentLength)
		n := copy(whole, body)
		_, err = io.ReadFull(limited, whole[n:])
		return whole, release, err
	}
	rest, err := io.ReadAll(limited)
	return append(body, rest...), release, err
}
