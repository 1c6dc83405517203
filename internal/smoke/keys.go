package smoke

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	"latchkey/internal/redact"
)

const (
	limit  = 3
	window = 60
	// slack is what a promise in seconds may be longer than the window: its last
	// part, half a second, and rounding.
	slack = 4
)

var (
	tokenForm = whole(`[a-z][a-z0-9]{0,15}_(live|test)_[0-9A-Za-z]{54}`)
	idForm    = whole(`[0-9A-Za-z]{16}`)
)

// keys follows one key to the end of its limit, and another to its revocation.
func (r *run) keys() {
	id, token, ok := r.create("a key", limit)
	if ok {
		r.spend(id, token)
		r.remove("delete", id)
		r.expect(r.get("a deleted key's record", keysPath+"/"+id, "X-API-Key: "+r.Key.Reveal()),
			status(404), isJSON, cors, envelope("No such API key", "invalid_request_error", "id", "not_found"))
	}
	if id, token, ok = r.create("a key to revoke", 1000); ok {
		r.revoke(id, token)
	}
}

func (r *run) create(name string, requests int) (id, token string, ok bool) {
	body := fmt.Sprintf(`{"name":"latchkey smoke test","rateLimit":{"requests":%d,"window":%d},"expiresInDays":1}`, requests, window)
	a := r.send("create "+name, http.MethodPost, keysPath, body, "X-API-Key: "+r.Key.Reveal())
	id, token = a.text("id"), a.text("key")
	r.secrets = append(r.secrets, redact.New(token))
	at := a.location()
	for _, id := range []string{id, path.Base(at)} {
		if idForm.MatchString(id) {
			r.made = append(r.made, id)
			break
		}
	}
	r.expect(a, status(201), isJSON, cors, header("Cache-Control", "no-store"), fieldMatches("id", idForm), fieldMatches("key", tokenForm))
	if !idForm.MatchString(id) || !tokenForm.MatchString(token) {
		r.skip("all that needs " + name + ": none was made")
		return "", "", false
	}
	r.check(a.name+": header Location", at == r.URL.String()+keysPath+"/"+id, r.URL.Path+keysPath+"/"+id, a.header.Get("Location"))
	r.expect(r.get("the record of "+name, keysPath+"/"+id, "X-API-Key: "+r.Key.Reveal()), status(200), isJSON, cors, field("id", id))
	return id, token, true
}

// spend uses a key up, one place after the other where a key may stand.
func (r *run) spend(id, token string) {
	r.expect(r.validate("validate", `{"apiKey":"`+token+`"}`), status(200), isJSON, cors, field("valid", true), field("code", "valid"), field("keyId", id),
		field("rateLimit.requests", limit), field("rateLimit.window", window), field("rateLimit.remaining", limit))

	uses := []answer{
		r.get("the key as X-API-Key", whoamiPath, "X-API-Key: "+token),
		r.get("the key as Bearer", whoamiPath, "Authorization: Bearer "+token),
	}
	last := r.get("the key as ?api_key", whoamiPath+"?api_key="+token)
	if r.QueryAPIKey {
		uses = append(uses, last)
	} else {
		r.expect(last, unauthorized()...)
		uses = append(uses, r.get("the key once more", whoamiPath, "X-API-Key: "+token))
	}
	for i, a := range uses {
		r.expect(a, status(200), isJSON, cors, exposes(limited[1:]...), field("keyId", id), header("X-RateLimit-Limit", strconv.Itoa(limit)),
			header("X-RateLimit-Remaining", strconv.Itoa(limit-1-i)), r.reset())
	}

	r.expect(r.get("the key over its limit", whoamiPath, "X-API-Key: "+token), status(r.DenyStatus), isJSON, cors, exposes(limited...),
		envelope("Rate limit exceeded. Try again in N seconds.", "rate_limit_error", "", "rate_limit_exceeded"),
		number("Retry-After", 1, window+slack), inMessage("Retry-After"),
		header("X-RateLimit-Limit", strconv.Itoa(limit)), header("X-RateLimit-Remaining", "0"), r.reset())
	r.expect(r.validate("validate with a cost, over the limit", `{"apiKey":"`+token+`","cost":1}`),
		status(200), isJSON, cors, field("valid", false), field("code", "rate_limited"))
}

func (r *run) validate(name, body string) answer {
	if r.ProtectValidate {
		return r.send(name, http.MethodPost, validatePath, body, "X-API-Key: "+r.Key.Reveal())
	}
	return r.send(name, http.MethodPost, validatePath, body)
}

// reset is an epoch second that comes, but not after the window.
func (r *run) reset() expectation {
	return expectation{"header X-RateLimit-Reset", fmt.Sprintf("an epoch second within %d s", window+slack), func(a answer) (string, bool) {
		text := a.header.Get("X-RateLimit-Reset")
		at, err := strconv.ParseInt(text, 10, 64)
		now, dateErr := http.ParseTime(a.header.Get("Date")) // its own clock, where it tells
		if dateErr != nil {
			now = r.Now()
		}
		left := at - now.Unix()
		if err != nil {
			return text, false
		}
		return fmt.Sprintf("%s, in %d s", text, left), left >= -1 && left <= window+slack
	}}
}

// revoke has several environments know the key before it is revoked.
func (r *run) revoke(id, token string) {
	whoami := func(name string) answer { return r.get(name, whoamiPath, "X-API-Key: "+token) }
	r.crowd(func() answer { return whoami("many at once") }, status(200))
	r.expect(r.send("revoke", http.MethodPost, keysPath+"/"+id+"/revoke", "", "X-API-Key: "+r.Key.Reveal()), status(200), isJSON, cors, field("status", "revoked"))
	pause := time.NewTimer(r.Freshness)
	select {
	case <-pause.C:
	case <-r.ctx.Done():
		pause.Stop()
	}
	r.crowd(func() answer { return whoami(fmt.Sprintf("many at once, %v after the revocation", r.Freshness)) }, status(401))
	r.expect(whoami("a revoked key"), unauthorized()...)
	a := r.validate("validate a revoked key", `{"apiKey":"`+token+`"}`)
	r.expect(a, status(200), isJSON, cors, field("valid", false), field("code", "revoked_key"))
	r.remove("delete a revoked key", id)
}

// crowd asks at once, and reports the first answer that differs.
func (r *run) crowd(ask func() answer, e expectation) {
	answers := make([]answer, crowd)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = ask() })
	}
	all.Wait()
	for _, a := range answers {
		if _, ok := e.judge(a); !ok {
			r.expect(a, e)
			return
		}
	}
	r.expect(answers[0], e)
}

func (r *run) remove(name, id string) {
	a := r.send(name, http.MethodDelete, keysPath+"/"+id, "", "X-API-Key: "+r.Key.Reveal())
	r.expect(a, status(204), cors)
	if a.status == http.StatusNoContent {
		r.made = slices.DeleteFunc(r.made, func(made string) bool { return made == id })
	}
}

// clean deletes what is left of what was made, even when the run was stopped.
func (r *run) clean() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), cleanTimeout)
	defer cancel()
	var left []string
	for _, id := range r.made {
		a := r.ask(ctx, "clean up", http.MethodDelete, keysPath+"/"+id, "", "X-API-Key: "+r.Key.Reveal())
		if a.status != http.StatusNoContent && a.status != http.StatusNotFound {
			left = append(left, id)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("keys that were made and could not be deleted, which expire in a day: %v", left)
	}
	return nil
}
