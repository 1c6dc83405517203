package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/local"
)

// A caller without a key cannot make the gateway store a body, or wait for one.
func TestTheBodyOfARefusedRequestIsNotRead(t *testing.T) {
	s := &stack{authorize: func(map[string]any) (any, error) { return nil, errors.New("Unauthorized") }}
	address := strings.TrimPrefix(s.start(t), "http://")
	for _, length := range []string{
		"Content-Length: 70000", "Content-Length: 10485760", "Content-Length: 10\r\nExpect: 100-continue",
		"Transfer-Encoding: chunked",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// The body is never sent.
		fmt.Fprintf(conn, "POST /api/v1/api-keys HTTP/1.1\r\nHost: localhost\r\n"+
			"Content-Type: application/json\r\n%s\r\n\r\n", length)
		if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != 401 {
			t.Errorf("%s: %v, %v", length, answer, err)
		}
	}
}

func TestATooLargeBodyIsNotRead(t *testing.T) {
	s := &stack{authorize: admitted}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.start(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/api-keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", 10<<20+1)
	if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != 413 {
		t.Errorf("%v, %v", answer, err)
	}
}

// The gateway has room for three bodies of 10 MB, with or without Content-Length. Further ones wait,
// and small ones pass them.
func TestThreeLargeBodiesAreHeldAtOnce(t *testing.T) {
	var held, most atomic.Int64
	gate := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 64<<10 {
			now := held.Add(1)
			defer held.Add(-1)
			for n := most.Load(); now > n && !most.CompareAndSwap(n, now); n = most.Load() {
			}
			<-gate
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	defer backend.Close()
	s := &stack{
		authorize:  admitted,
		parameters: map[string]string{"BackendUrl": backend.URL},
	}
	url := s.start(t) + "/v1/audio"
	post := func(size int, counted bool) string {
		var body io.Reader = strings.NewReader(strings.Repeat("x", size))
		if !counted {
			body = struct{ io.Reader }{body}
		}
		response, err := http.Post(url, "application/json", body)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return fmt.Sprintf("%d %s %v", response.StatusCode, text, err)
	}
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			const size = 10 << 20
			if got := post(size, i%2 == 0); got != fmt.Sprintf("200 %d <nil>", size) {
				t.Errorf("a large body: %s", got)
			}
		})
	}
	for held.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	for _, size := range []int{0, 1, 64 << 10} {
		for _, counted := range []bool{true, false} {
			if got := post(size, counted); got != fmt.Sprintf("200 %d <nil>", size) {
				t.Errorf("a body of %d: %s", size, got)
			}
		}
	}
	close(gate)
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d large bodies were held at once", most.Load())
	}
}

// pipes is a listener in memory. Its deadlines use the clock of synctest.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p <- server
	return client
}

func TestASlowClientIsDisconnected(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
	for name, c := range map[string]struct {
		begin, drip string
		read        bool // whether the handler reads the body
		within      time.Duration
	}{
		"headers":                 {"POST / HTTP/1.1\r\n", "A", true, 10 * time.Second},
		"a body":                  {head + "\r\n", "x", true, 30 * time.Second},
		"a body that is not read": {head + "\r\n", "x", false, 30 * time.Second},
		"chunks": {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n",
			true, 30 * time.Second},
		"nothing at all": {"", "", true, 60 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := local.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if c.read {
					_, _ = io.Copy(io.Discard, r.Body)
				}
			}))
			listener := make(pipes)
			go func() { _ = server.Serve(listener) }()
			defer server.Close()
			conn := listener.dial()
			begun := time.Now()
			var sender sync.WaitGroup
			defer sender.Wait()
			sender.Go(func() {
				_, err := io.WriteString(conn, c.begin)
				for err == nil && time.Since(begun) < time.Hour {
					time.Sleep(time.Second)
					_, err = io.WriteString(conn, c.drip)
				}
				conn.Close()
			})
			_, _ = io.Copy(io.Discard, conn) // until the server hangs up
			if took := time.Since(begun); took > c.within+2*time.Second {
				t.Errorf("%s: waited for %v", name, took)
			}
		})
	}
}

func TestABodyForABackendGivesItsRoomBack(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d bytes, %v\n", len(body), err)
	}))
	defer backend.Close()
	s := &stack{
		authorize:  admitted,
		parameters: map[string]string{"BackendUrl": backend.URL},
	}
	url := s.start(t)
	// All bodies together are larger than the room, so each must give its room back.
	for range 8 {
		response, err := http.Post(url+"/v1/audio", "audio/mpeg", strings.NewReader(strings.Repeat("x", 8<<20)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(text) != fmt.Sprintf("%d bytes, <nil>\n", 8<<20) {
			t.Fatalf("%d %s %v", response.StatusCode, text, err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := make(pipes, 2000)
		limited := local.Limit(listener, 1024)
		var accepted atomic.Int64
		conns := make(chan net.Conn, 2000)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				conn, err := limited.Accept()
				if err != nil {
					return
				}
				accepted.Add(1)
				conns <- conn
			}
		}()
		for range 1500 {
			defer listener.dial().Close()
		}
		synctest.Wait()
		if accepted.Load() != 1024 {
			t.Errorf("%d connections", accepted.Load())
		}
		for range 100 {
			conn := <-conns
			conn.Close()
			conn.Close() // closing again must not admit one more
		}
		synctest.Wait()
		if accepted.Load() != 1124 {
			t.Errorf("%d connections, want 1,124 when 100 are closed", accepted.Load())
		}
		for range 1024 {
			(<-conns).Close()
			synctest.Wait()
		}
		listener.Close()
	})
}
