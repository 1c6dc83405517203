package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// A server that ends cuts off clients that have not sent their requests in time.
func TestSlowClientsDoNotHoldUpTheEnd(t *testing.T) {
	i := newInstance(t, nil)
	listener := listen(t)
	s, err := NewServer(t.Context(), Options{
		Listener: listener, Connections: 100, Logger: slog.New(slog.DiscardHandler), ShutdownTime: time.Millisecond,
		Build: func(context.Context) (*App, error) { return newApp(t, i), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	slow := make(map[string]net.Conn)
	for name, begun := range map[string]string{
		"a header": "GET /api/v1/whoami HTTP/1.1\r\nHos",
		"a body":   "POST /api/v1/api-keys/revoke-by-token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
		"a line":   "G",
	} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, begun); err != nil {
			t.Fatal(err)
		}
		slow[name] = conn
	}
	for s.meter.running.Load() < 1 { // the request with a body
		time.Sleep(time.Millisecond)
	}
	a, err := http.Get("http://" + listener.Addr().String() + "/health") // connections are accepted in their order
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for name, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the client that has sent half of %s is still connected", name)
		}
	}
}
