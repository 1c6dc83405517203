package main

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// call is an allowed request. It was admitted between these two times of the caller's clock.
type call struct{ begun, ended time.Time }

// Many callers use many instances of the authorizer. No interval of the window contains more
// requests than the limit. A revoked key is refused within FRESHNESS after the answer to the
// revocation.
func TestManyInstancesKeepTheLimitAndTheRevocation(t *testing.T) {
	const (
		connections = 64
		limit       = 100
		window      = 5 * time.Second
		freshness   = time.Second // the default
	)
	s := start(t, t.TempDir(), "LOG_LEVEL=debug")
	_, limited := s.create(t, `{"rateLimit":{"requests":100,"window":5}}`)
	id, revoked := s.create(t, `{"rateLimit":{"requests":1000000,"window":60}}`)

	// An engine is slow until it has compiled its code. Each of these calls is a write that warms
	// it up.
	_, warm := s.create(t, `{"rateLimit":{"requests":5000,"window":5}}`)
	for range 500 {
		if a := s.send(t, "GET", "/api/v1/whoami", "", "X-API-Key: "+warm); a.status != 200 {
			t.Logf("while the engine warms up: %d %s", a.status, a.text)
		}
	}

	var (
		mu       sync.Mutex
		admitted = make(map[string][]call)
		refused  = make(map[int]int)
		wg       sync.WaitGroup
	)
	begun := time.Now()
	end, middle := begun.Add(3*window+window/10), begun.Add(3*window/2)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	defer wg.Wait() // also if the test ends early
	for n := range connections {
		token := limited
		if n%4 == 0 {
			token = revoked
		}
		wg.Go(func() {
			for time.Now().Before(end) {
				r, err := http.NewRequest("GET", s.url+"/api/v1/whoami", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("X-API-Key", token)
				c := call{begun: time.Now()}
				response, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				c.ended = time.Now()
				mu.Lock()
				if response.StatusCode == 200 {
					admitted[token] = append(admitted[token], c)
				} else {
					refused[response.StatusCode]++
				}
				mu.Unlock()
				if response.StatusCode != 200 || token == revoked {
					time.Sleep(50 * time.Millisecond) // so that most of the processor time is left to those that are admitted
				}
			}
		})
	}
	time.Sleep(time.Until(middle))
	s.must(t, "POST", "/api/v1/api-keys/"+id+"/revoke", "")
	answered := time.Now()
	wg.Wait()

	calls := admitted[limited]
	for _, first := range calls {
		within := 0
		for _, c := range calls {
			if !c.begun.Before(first.begun) && c.ended.Sub(first.begun) < window {
				within++
			}
		}
		if within > limit {
			t.Fatalf("%d of %d admitted within %v", within, limit, window)
		}
	}
	before, late := 0, 0
	for _, c := range admitted[revoked] {
		if c.begun.Before(answered) {
			before++
		}
		if c.begun.Sub(answered) > freshness {
			late++
		}
	}
	if late > 0 {
		t.Errorf("%d calls were admitted more than %v after the revocation was answered", late, freshness)
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	started := strings.Count(s.log.String(), `msg="instance started" function=AuthorizerFunction`)
	t.Logf("%d instances of the authorizer, %d calls admitted in 3 windows of %d, refused %v", started, len(calls), limit, refused)
	if started < 8 {
		t.Errorf("only %d instances", started)
	}
	if len(calls) < 2*limit || refused[429] == 0 || refused[401] == 0 || before == 0 {
		t.Error("nothing was tested")
	}
	for status, n := range refused {
		// A slow engine may leave a few requests undecided.
		if status == 503 && n*10 < refused[429] {
			continue
		}
		if status != 429 && status != 401 {
			t.Errorf("%d calls were answered with %d", n, status)
		}
	}
}
