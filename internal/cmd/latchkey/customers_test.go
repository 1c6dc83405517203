package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	userPath = "/api/v1/users/"
	planPath = "/api/v1/plans/"
	keysPath = "/api/v1/api-keys"
)

// must sends a request of the admin and checks that it succeeds.
func (s *stack) must(t testing.TB, method, path, body string) answer {
	t.Helper()
	a := s.send(t, method, path, body, s.admin())
	// Many callers at once may leave an admin's request undecided, which is then repeated.
	for end := time.Now().Add(5 * time.Second); a.status == http.StatusServiceUnavailable && time.Now().Before(end); {
		a = s.send(t, method, path, body, s.admin())
	}
	if a.status != 200 && a.status != 201 {
		t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.text)
	}
	return a
}

// shows checks the headers of the tightest limit.
func (a answer) shows(t testing.TB, what, limit, remaining string) {
	t.Helper()
	if a.status != 200 || a.header.Get("X-RateLimit-Limit") != limit || a.header.Get("X-RateLimit-Remaining") != remaining {
		t.Errorf("%s: %d %v; want %s of %s left", what, a.status, a.header, remaining, limit)
	}
}

// freshness is the default of the stack: the bound within which a change bites.
const freshness = time.Second

// An operator defines two plans once, moves a customer to another one with one PATCH, suspends one,
// and sells credits. A developer of the customer makes as many keys as the plan allows without
// getting more of anything.
func TestAnOperatorManagesCustomersByPlans(t *testing.T) {
	s := start(t, t.TempDir())
	s.must(t, "PUT", planPath+"free", `{"key":{"limits":[{"amount":1000,"window":1}]},"user":{"limits":[{"amount":6,"window":3600}]}}`)
	s.must(t, "PUT", planPath+"pro", `{"key":{"limits":[{"amount":1000,"window":1}]},
		"user":{"limits":[{"amount":20,"window":3600}],"quota":{"requests":5000000,"period":"month"}}}`)
	s.must(t, "PATCH", userPath+"acme", `{"plan":"free","maxKeys":4}`)

	_, developer := s.create(t, `{"userId":"acme","scopes":["keys:read","keys:write"]}`)
	tokens := []string{developer}
	for range 3 {
		a := s.send(t, "POST", keysPath, `{}`, "X-API-Key: "+developer)
		if a.status != 201 {
			t.Fatalf("the developer makes a key: %d %s", a.status, a.text)
		}
		tokens = append(tokens, a.json["key"].(string))
	}
	s.send(t, "POST", keysPath, `{}`, "X-API-Key: "+developer).isError(t, "a fifth key of four", 409, "too_many_keys")
	// admitted counts how many requests of all keys in turn pass before one is refused.
	admitted := func(most int) int {
		t.Helper()
		for n := range most + 1 {
			if a := s.whoami(t, tokens[n%len(tokens)]); a.status != 200 {
				a.isError(t, "over the limit", 429, "rate_limit_exceeded")
				return n
			}
		}
		return most + 1
	}
	// The four requests above were the developer's own: each is one of the six.
	a := s.whoami(t, tokens[1])
	a.shows(t, "the tightest limit is the one that the keys share", "6", "1")
	if a.header.Get("X-RateLimit-Reset") == "" {
		t.Errorf("a limit has no reset: %v", a.header)
	}
	if n := admitted(6); n != 1 {
		t.Errorf("four keys were admitted %d times more, and one request was left", n)
	}
	s.isJudged(t, tokens[3], "valid", map[string]any{"of": "user", "amount": 6.0, "window": 3600.0, "used": 6.0, "remaining": 0.0})

	s.must(t, "PATCH", userPath+"acme", `{"plan":"pro"}`)
	time.Sleep(freshness)
	s.whoami(t, tokens[2]).shows(t, "moved by one PATCH", "20", "13")
	if n := admitted(20); n != 13 {
		t.Errorf("admitted %d of 13 times more", n)
	}
	s.must(t, "PUT", planPath+"pro", `{"user":{"limits":[{"amount":22,"window":3600}]}}`)
	time.Sleep(freshness)
	if n := admitted(5); n != 2 {
		t.Errorf("the plan was changed by two, and %d requests were admitted", n)
	}
	s.refusesTheSuspended(t, tokens)
	s.sellsCredits(t)
	s.movesAKey(t)
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// The id of a user may have any visible character. In a path each is percent-encoded. Only the routes
// of latchkey's own exist, in exactly their form.
func TestUsersAndPlansHaveTheirOwnRoutes(t *testing.T) {
	s := start(t, t.TempDir(), "ROUTE_SCOPES=POST /tts/*=tts", "BACKEND_URL=http://127.0.0.1:9")
	s.must(t, "PUT", planPath+"pro", `{"maxDays":30}`)
	for escaped, user := range map[string]string{
		"a%2Fb": "a/b", "a%23b": "a#b", "a%20b": "a b", "%C3%BC": "ü", "%E7%88%B1%E4%B8%BD": "爱丽", "a%3Fb=c": "a?b=c", "a%25b": "a%b",
		"auth0%7C5f": "auth0|5f", "a+b": "a+b", "%2E%2E": "..", "a%2F..%2Fb": "a/../b", "team:ops": "team:ops", "me@example.com": "me@example.com",
	} {
		path := userPath + escaped
		a := s.must(t, "PATCH", path, `{"plan":"pro"}`)
		if got := s.must(t, "GET", path, ""); a.json["userId"] != user || got.json["userId"] != user || got.json["plan"] != "pro" {
			t.Errorf("%s: %s and %s, want the user %q", path, a.text, got.text, user)
		}
		if head := s.send(t, "HEAD", path, "", s.admin()); head.status != 200 || head.text != "" {
			t.Errorf("HEAD %s: %d %q", path, head.status, head.text)
		}
	}
	_, plain := s.create(t, `{"userId":"u1"}`)
	for _, request := range []string{
		"GET " + userPath + "u1/", "GET " + planPath, "DELETE " + planPath + "pro", "POST " + userPath + "u1", "GET " + userPath + "u1/x",
		"GET " + userPath + "u1/credits", "PUT /api/v1/users",
	} {
		method, path, _ := strings.Cut(request, " ")
		if a := s.send(t, method, path, "", "X-API-Key: "+plain); a.status == 200 {
			t.Errorf("%s: %d %s", request, a.status, a.text)
		}
	}
}

// isJudged checks the code of a verdict, and that its limits have one with these fields.
func (s *stack) isJudged(t testing.TB, token, code string, bound map[string]any) {
	t.Helper()
	v := s.send(t, "POST", keysPath+"/validate", `{"apiKey":"`+token+`"}`)
	limits, _ := v.json["limits"].([]any)
	found := slices.ContainsFunc(limits, func(one any) bool {
		for name, want := range bound {
			if one.(map[string]any)[name] != want {
				return false
			}
		}
		return true
	})
	if v.json["code"] != code || !found && bound != nil {
		t.Errorf("validate: %s; want %s and %v", v.text, code, bound)
	}
}

func (s *stack) refusesTheSuspended(t testing.TB, tokens []string) {
	t.Helper()
	s.must(t, "PATCH", userPath+"acme", `{"suspended":true}`)
	time.Sleep(freshness)
	for _, token := range tokens {
		s.whoami(t, token).isError(t, "suspended", 401, "invalid_api_key")
		s.isJudged(t, token, "user_suspended", nil)
	}
	s.must(t, "PATCH", userPath+"acme", `{"suspended":false,"plan":null,"limits":[{"amount":1000,"window":3600}]}`)
	time.Sleep(freshness)
	if a := s.whoami(t, tokens[0]); a.status != 200 {
		t.Errorf("resumed: %d %s", a.status, a.text)
	}
}

func (s *stack) sellsCredits(t testing.TB) {
	t.Helper()
	id, token := s.create(t, `{"userId":"prepaid","quota":{"requests":3,"period":"lifetime"}}`)
	for left := 2; left >= 0; left-- {
		a := s.whoami(t, token)
		a.shows(t, "prepaid", "3", fmt.Sprint(left))
		if a.header.Get("X-RateLimit-Reset") != "" || a.json["reset"] != nil {
			t.Errorf("credits never reset: %v %s", a.header, a.text)
		}
	}
	a := s.whoami(t, token)
	a.isError(t, "used up", 429, "insufficient_quota")
	if a.header.Get("Retry-After") != "" {
		t.Errorf("no wait helps, and Retry-After is %s", a.header.Get("Retry-After"))
	}
	s.must(t, "POST", keysPath+"/"+id+"/credits", `{"add":2}`)
	time.Sleep(freshness)
	for left := 1; left >= 0; left-- {
		s.whoami(t, token).shows(t, "with credits", "5", fmt.Sprint(left))
	}
	s.whoami(t, token).isError(t, "used up again", 429, "insufficient_quota")
}

func (s *stack) movesAKey(t testing.TB) {
	t.Helper()
	id, token := s.create(t, `{"userId":"person"}`)
	s.must(t, "PATCH", userPath+"team", `{"limits":[{"amount":2,"window":3600}]}`)
	s.must(t, "PATCH", keysPath+"/"+id, `{"userId":"team"}`)
	time.Sleep(freshness)
	a := s.whoami(t, token)
	a.shows(t, "moved to a team", "2", "1")
	if a.json["userId"] != "team" {
		t.Errorf("moved: %s", a.text)
	}
	s.must(t, "PATCH", userPath+"person", `{"suspended":true}`)
	time.Sleep(freshness)
	s.whoami(t, token).shows(t, "the key outlives the person", "2", "0")
	list := s.must(t, "GET", keysPath+"?userId=person", "")
	if data, _ := list.json["data"].([]any); len(data) != 0 {
		t.Errorf("the person still has keys: %s", list.text)
	}
}

// 64 connections use four keys of one customer on many instances, while the plan is changed and, in
// the end, the customer is suspended. No level admits more than its limit in any interval, and
// nothing is admitted a second after the suspension.
func TestKeysOfACustomerTogetherKeepToThePlan(t *testing.T) {
	const (
		connections      = 64
		perKey, together = 30, 100
		second, window   = 2 * time.Second, 5 * time.Second
	)
	s := start(t, t.TempDir(), "LOG_LEVEL=debug")
	plan := func(name string, shared int) string {
		return fmt.Sprintf(`{"name":"%s","key":{"limits":[{"amount":%d,"window":2}]},"user":{"limits":[{"amount":%d,"window":5}]}}`, name, perKey, shared)
	}
	s.must(t, "PUT", planPath+"large", plan("large", together))
	s.must(t, "PUT", planPath+"small", plan("small", together/2))
	s.must(t, "PATCH", userPath+"acme", `{"plan":"large"}`)
	var tokens []string
	for range 4 {
		_, token := s.create(t, `{"userId":"acme"}`)
		tokens = append(tokens, token)
	}
	var (
		mu       sync.Mutex
		admitted = make(map[string][]call)
		wg       sync.WaitGroup
		end      = time.Now().Add(2*window + 3*time.Second)
		client   = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	)
	defer client.CloseIdleConnections()
	defer wg.Wait() // also if the test ends early
	for n := range connections {
		token := tokens[n%len(tokens)]
		wg.Go(func() {
			for time.Now().Before(end) {
				c, status := timed(t, client, s.url, token)
				mu.Lock()
				if status == 200 {
					admitted[token] = append(admitted[token], c)
				}
				mu.Unlock()
				if status != 200 {
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	for i := range 8 {
		time.Sleep(window / 5)
		s.must(t, "PUT", planPath+"large", plan("large", together-i))
		s.must(t, "PATCH", userPath+"acme", `{"plan":"`+[]string{"small", "large"}[i%2]+`"}`)
	}
	s.must(t, "PATCH", userPath+"acme", `{"suspended":true}`)
	answered := time.Now()
	wg.Wait()

	var all []call
	for _, calls := range admitted {
		all = append(all, calls...)
		if n := most(calls, second); n > perKey {
			t.Errorf("a key was admitted %d times within %v, and its plan allows %d", n, second, perKey)
		}
	}
	if n := most(all, window); n > together || len(all) < together/4 {
		t.Errorf("all keys were admitted %d times within %v, and %d in all; the plan allows %d", n, window, len(all), together)
	}
	for _, c := range all {
		if c.begun.Sub(answered) > freshness {
			t.Errorf("admitted %v after the suspension was answered", c.begun.Sub(answered))
		}
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	started := strings.Count(s.log.String(), `msg="instance started" function=AuthorizerFunction`)
	t.Logf("%d instances of the authorizer, %d calls admitted", started, len(all))
	if started < 8 {
		t.Errorf("only %d instances", started)
	}
}

// timed makes one request, and returns when it was made and the status of its answer.
func timed(t testing.TB, client *http.Client, base, token string) (c call, status int) {
	r, err := http.NewRequest("GET", base+"/api/v1/whoami", nil)
	if err != nil {
		t.Error(err)
		return c, 0
	}
	r.Header.Set("X-API-Key", token)
	c.begun = time.Now()
	response, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return c, 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	c.ended = time.Now()
	return c, response.StatusCode
}

// most returns how many calls at most were admitted within an interval of a length.
func most(calls []call, length time.Duration) (n int) {
	for _, first := range calls {
		within := 0
		for _, c := range calls {
			if !c.begun.Before(first.begun) && c.ended.Sub(first.begun) < length {
				within++
			}
		}
		n = max(n, within)
	}
	return n
}
