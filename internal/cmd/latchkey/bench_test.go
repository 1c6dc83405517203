package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// bare is a server of the standard library with a fixed answer, in its own process. It is the lower
// bound for the stack.
func bare() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ready at http://%[1]s\nits console is at http://%[1]s/console/\n\nadmin key   none\n", listener.Addr())
	_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"keyId":"fbvIj5lD1wYRMsd9","userId":"u1","name":"demo","rateLimit":{"requests":1000000}}`)
	}))
}

// Requests a second through the whole local stack and through latchkey serve, and the time of a
// processor that their processes take for one. There are 16 connections. The load generator and the
// engine run on the same machine, and their time does not count.
func BenchmarkStack(b *testing.B) {
	// A key of more requests would have several meters.
	const limit = `{"rateLimit":{"requests":900000,"window":3600}}`
	// Without an access log, because this process would have to read it.
	deployed := start(b, b.TempDir(), "ACCESS_LOG=false", ownEngine)
	server := serveOn(b, b.TempDir(), "")
	floor := start(b, b.TempDir(), "LATCHKEY_TEST_RUN_MAIN=bare", ownEngine)
	for _, c := range []struct {
		name   string
		server *stack
	}{{"", deployed}, {"serve/", server}} {
		_, token := c.server.create(b, limit)
		body := `{"apiKey":"` + token + `","cost":1}`
		c.server.measure(b, c.name+"whoami", "GET /api/v1/whoami HTTP/1.1\r\nHost: local\r\nX-API-Key: "+token+"\r\n\r\n")
		c.server.measure(b, c.name+"validate", "POST /api/v1/api-keys/validate HTTP/1.1\r\nHost: local\r\nContent-Type: application/json\r\nContent-Length: "+
			strconv.Itoa(len(body))+"\r\n\r\n"+body)
	}
	floor.measure(b, "floor", "GET /api/v1/whoami HTTP/1.1\r\nHost: local\r\nX-API-Key: a-token-of-no-one-with-as-many-characters\r\n\r\n")
}

// measure sends a request as often as the benchmark says.
func (s *stack) measure(b *testing.B, name, request string) {
	b.Run(name, func(b *testing.B) {
		before := processorTime(b, s.process.Process.Pid)
		load(b, strings.TrimPrefix(s.url, "http://"), []byte(request))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		used := processorTime(b, s.process.Process.Pid) - before
		b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
	})
}

// processorTime returns how much time of processors a process has used, in steps of 10 ms. It returns
// 0 where there is no /proc.
func processorTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name of the program may have spaces, and ends with the last parenthesis. User and system
	// time are the twelfth and the thirteenth field after it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// load sends b.N requests over 16 connections. It checks only the status of the answers, to use
// little of the processor.
func load(b *testing.B, address string, request []byte) {
	const connections = 16
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for n := c; n < b.N; n += connections {
				if _, err := conn.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func skipAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %q", line)
	}
	length := 0
	for len(line) > 2 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
		}
	}
	_, err = in.Discard(length)
	return err
}
