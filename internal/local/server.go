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

// Bounds for clients that send slowly, send much, or open many connections.
const (
	headerTime = 10 * time.Second
	// requestTime is for headers and body, and answerTime for these and the answer. API Gateway
	// waits 29 s for a function.
	requestTime = 30 * time.Second
	answerTime  = 75 * time.Second
	idleTime    = time.Minute
	// shutdownTime is for requests that run when the server is told to end.
	shutdownTime = 3 * time.Second
	// maxHeaders is above API Gateway's bound of 10,240 bytes, since its answer to more is not
	// known here.
	maxHeaders     = 64 << 10
	maxConnections = 1024

	maxBody = 10 << 20 // API Gateway's own bound
	// smallBody is the body size in bytes that needs no room. roomForBodies bounds the sum of all larger bodies, since
	// each is in memory several times while a function reads it. It must be at least maxBody.
	smallBody     = 64 << 10
	roomForBodies = 32 << 20
	// roomTime is how long a large body waits for others to end.
	roomTime = 10 * time.Second
)

// NewServer returns a server for h, usually a [Gateway]. It ends connections whose client sends or
// reads too slowly, but gives a backend's answer all the time that it needs.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaders,
	}
}

// Serve serves h on l until ctx ends. Requests that run then have three seconds to end.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := NewServer(h)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(Limit(l)) }()
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

// Limit returns l with at most 1,024 connections open at a time. Others wait to be accepted.
func Limit(l net.Listener) net.Listener { return limited{l, make(chan struct{}, maxConnections)} }

type limited struct {
	net.Listener
	open chan struct{}
}

func (l limited) Accept() (net.Conn, error) {
	// Accept first: a listener that is closed must not wait for a connection to end.
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

// errNoRoom says that too many large bodies are being read.
var errNoRoom = errors.New("no room for the body")

// read returns the body of a request. The caller must call release, once, when it needs the body no
// longer. An error is an *[http.MaxBytesError], errNoRoom, or about the connection.
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
		// Without a length, the size is only known at the end of the body.
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
