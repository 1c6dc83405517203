package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// Many connections use one key on two servers with one table, and one server is killed in the middle.
// The key never gets more than its limit, and no change that was answered is lost.
func TestAKilledServerExceedsNoLimitAndLosesNoChange(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	defer giveBack()
	variables := []string{"ROOT_KEY=a-root-key-for-both-servers", "FRESHNESS=1s"}
	folders := [2]string{t.TempDir(), t.TempDir()}
	shareSecret(t, folders)
	servers := [2]*stack{serveOn(t, folders[0], endpoint, variables...), serveOn(t, folders[1], endpoint, variables...)}
	for _, s := range servers {
		s.root = "a-root-key-for-both-servers"
	}
	const limit, connections = 3000, 48
	_, token := servers[0].create(t, fmt.Sprintf(`{"userId":"u1","rateLimit":{"requests":%d,"window":600}}`, limit))
	var (
		mu       sync.Mutex
		created  []string // ids that were answered
		admitted atomic.Int64
		limited  atomic.Int64
		stop     = make(chan struct{})
		all      sync.WaitGroup
	)
	ended := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	for n := range connections {
		s := servers[n%2]
		all.Go(func() {
			for !ended() {
				hammer(s, token, &admitted, &limited, ended)
				time.Sleep(10 * time.Millisecond) // the server was killed
			}
		})
	}
	for n, s := range servers {
		all.Go(func() {
			for i := 0; !ended(); i++ {
				body := fmt.Sprintf(`{"userId":"maker-%d-%d"}`, n, i)
				r, _ := http.NewRequest("POST", s.url+"/api/v1/api-keys", strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+s.root)
				r.Header.Set("Content-Type", "application/json")
				a, err := http.DefaultClient.Do(r)
				if err != nil {
					return // killed
				}
				if a.StatusCode == http.StatusCreated {
					mu.Lock()
					created = append(created, strings.TrimPrefix(a.Header.Get("Location"), "/api/v1/api-keys/"))
					mu.Unlock()
				}
				_, _ = io.Copy(io.Discard, a.Body)
				a.Body.Close()
			}
		})
	}
	for admitted.Load() < limit/3 {
		time.Sleep(time.Millisecond)
	}
	if err := servers[0].end(syscall.SIGKILL); err == nil {
		t.Error("the server was not killed")
	}
	third := serveOn(t, folders[0], endpoint, variables...)
	for range connections / 2 {
		all.Go(func() { hammer(third, token, &admitted, &limited, ended) })
	}
	for deadline := time.Now().Add(20 * time.Second); limited.Load() < 1000 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	all.Wait()
	t.Logf("%d of %d admitted, %d denied, %d keys created", admitted.Load(), limit, limited.Load(), len(created))
	if n := admitted.Load(); n > limit || n < limit/2 || limited.Load() < 1000 || len(created) < 4 {
		t.Errorf("%d of %d admitted, %d denied, %d keys created", n, limit, limited.Load(), len(created))
	}
	for _, id := range created {
		if a := servers[1].send(t, "GET", "/api/v1/api-keys/"+id, "", "Authorization: Bearer "+servers[1].root); a.status != 200 {
			t.Errorf("key %s was answered and is lost: %d %s", id, a.status, a.text)
		}
	}
}

// hammer sends requests over one connection until it ends.
func hammer(s *stack, token string, admitted, limited *atomic.Int64, ended func() bool) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for !ended() {
		if _, err := fmt.Fprintf(conn, "GET /api/v1/whoami HTTP/1.1\r\nHost: local\r\nX-API-Key: %s\r\n\r\n", token); err != nil {
			return
		}
		a, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, a.Body)
		switch a.StatusCode {
		case http.StatusOK:
			admitted.Add(1)
		case http.StatusTooManyRequests:
			limited.Add(1)
		}
	}
}

// shareSecret makes a secret that both folders have.
func shareSecret(t testing.TB, folders [2]string) {
	t.Helper()
	if _, err := state(folders[0]).makeSecret(); err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(state(folders[0]).secret())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state(folders[1]).secret(), secret, 0o600); err != nil {
		t.Fatal(err)
	}
}
