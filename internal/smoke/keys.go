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

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/redact"
)

const (
	limit  = 3  // requests of the key that is used up
	window = 60 // in seconds
	// slack is how many seconds X-RateLimit-Reset and Retry-After may lie beyond the window, because
	// of its last part, half a second, and rounding.
	slack = 4
)

var (
	tokenForm = whole(`[a-z][a-z0-9]{0,15}_(live|test)_[0-9A-Za-z]{54}`)
	idForm    = whole(`[0-9A-Za-z]{16}`)
)

// keys uses up the limit of one key and revokes another.
func (r *run) keys() {
	id, token, ok := r.create("a key", limit)
	if ok {
		r.spend(id, token)
		r.assumption = passes
		r.remove("delete", id)
		r.expect(r.get("a deleted key's record", api.KeysPath+"/"+id, "X-API-Key: "+r.Key.Reveal()),
			status(404), isJSON, cors, envelope("No such API key", api.InvalidRequestError, "id", apikey.CodeNotFound))
	}
	if id, token, ok = r.create("a key to revoke", 1000); ok {
		r.revoke(id, token)
	}
}

// create makes a key and checks the answer. ok is false if the answer has no usable key.
func (r *run) create(name string, requests api.Integer) (id, token string, ok bool) {
	return r.createKey(name, api.CreateRequest{Fields: api.Fields{
		RateLimit: &api.LimitInput{Requests: requests, Window: window},
	}})
}

// createKey makes a key with a name and an expiry, and checks the answer as create does.
func (r *run) createKey(name string, body api.CreateRequest) (id, token string, ok bool) {
	keyName, days := "latchkey smoke test", api.Integer(1)
	body.Name, body.ExpiresInDays = &keyName, &days
	r.assumption = passes
	a := r.send("create "+name, http.MethodPost, api.KeysPath, body, "X-API-Key: "+r.Key.Reveal())
	id, token = a.text("id"), a.text("key")
	r.secrets = append(r.secrets, redact.New(token))
	at := a.location()
	for _, id := range []string{id, path.Base(at)} {
		if idForm.MatchString(id) {
			r.made = append(r.made, id)
			break
		}
	}
	r.expect(a, status(201), isJSON, cors, header("Cache-Control", "no-store"),
		fieldMatches("id", idForm), fieldMatches("key", tokenForm))
	if !idForm.MatchString(id) || !tokenForm.MatchString(token) {
		r.skip("all checks that need " + name + ": none was created")
		return "", "", false
	}
	record := api.KeysPath + "/" + id
	r.checkOn(stage, a.name+": header Location", at == r.URL.String()+record, r.URL.Path+record, a.header.Get("Location"))
	r.expect(r.get("the record of "+name, record, "X-API-Key: "+r.Key.Reveal()),
		status(200), isJSON, cors, field("id", id))
	return id, token, true
}

// spend uses up the limit of a key. It sends the key in each place where a key may stand.
func (r *run) spend(id, token string) {
	r.assumption = passes
	r.expect(r.validate("validate", validation(token)),
		status(200), isJSON, cors, validIs(true), code(apikey.CodeValid), field("keyId", id),
		field("rateLimit.requests", limit), field("rateLimit.window", window), field("rateLimit.remaining", limit))

	uses := []answer{
		r.get("the key as X-API-Key", api.WhoamiPath, "X-API-Key: "+token),
		r.get("the key as Bearer", api.WhoamiPath, "Authorization: Bearer "+token),
	}
	last := r.get("the key as ?api_key", api.WhoamiPath+"?api_key="+token)
	r.assumption = passesLimit
	if r.QueryAPIKey {
		uses = append(uses, last)
	} else {
		r.assumption = everyQuery
		r.expect(last, unauthorized()...)
		r.assumption = passesLimit
		uses = append(uses, r.get("the key once more", api.WhoamiPath, "X-API-Key: "+token))
	}
	for i, a := range uses {
		if a.name == last.name {
			r.assumption = everyQuery
		}
		r.expect(a, status(200), isJSON, cors, exposes(limitHeaders[1:]...), field("keyId", id),
			header("X-RateLimit-Limit", strconv.Itoa(limit)), header("X-RateLimit-Remaining", strconv.Itoa(limit-1-i)),
			r.reset())
	}

	r.assumption = contexts
	r.expect(r.get("the key over its limit", api.WhoamiPath, "X-API-Key: "+token),
		status(r.DenyStatus), isJSON, cors, exposes(limitHeaders...),
		envelope("Rate limit exceeded. Try again in N seconds.", api.RateLimitError, "", apikey.CodeRateLimitExceeded),
		number("Retry-After", 1, window+slack), inMessage("Retry-After"),
		header("X-RateLimit-Limit", strconv.Itoa(limit)), header("X-RateLimit-Remaining", "0"), r.reset())
	r.assumption = shares
	cost, one := validation(token), api.Integer(1)
	cost.Cost = &one
	r.expect(r.validate("validate with a cost, over the limit", cost),
		status(200), isJSON, cors, validIs(false), code(apikey.CodeRateLimited))
}

// validIs wants the verdict to be that the key is valid, or that it is not.
func validIs(want bool) expectation { return field("valid", want) }

func validation(token string) api.ValidateRequest {
	return api.ValidateRequest{APIKey: api.NewToken(token)}
}

// validate calls the route of that name, with the admin key if the stack protects it.
func (r *run) validate(name string, body api.ValidateRequest) answer {
	if r.ProtectValidate {
		return r.send(name, http.MethodPost, api.ValidatePath, body, "X-API-Key: "+r.Key.Reveal())
	}
	return r.send(name, http.MethodPost, api.ValidatePath, body)
}

// reset wants X-RateLimit-Reset to be an epoch second between now and the end of the window.
func (r *run) reset() expectation {
	want := fmt.Sprintf("an epoch second within %d s", window+slack)
	return expectation{"header X-RateLimit-Reset", want, func(a answer) (string, bool) {
		text := a.header.Get("X-RateLimit-Reset")
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return text, false
		}
		now, err := http.ParseTime(a.header.Get("Date")) // the stack's own clock
		if err != nil {
			now = r.Now()
		}
		left := at - now.Unix()
		return fmt.Sprintf("%s, in %d s", text, left), left >= -1 && left <= window+slack
	}}
}

// revoke revokes a key that several instances have in memory, and checks that all of them refuse it
// after Freshness.
func (r *run) revoke(id, token string) {
	r.assumption = uncached
	whoami := func(name string) answer { return r.get(name, api.WhoamiPath, "X-API-Key: "+token) }
	r.crowd(func() answer { return whoami("many at once") }, status(200))
	r.expect(r.send("revoke", http.MethodPost, api.KeysPath+"/"+id+"/revoke", nil, "X-API-Key: "+r.Key.Reveal()),
		status(200), isJSON, cors, field("status", "revoked"))
	r.wait(r.Freshness)
	later := fmt.Sprintf("many at once, %v after the revocation", r.Freshness)
	r.crowd(func() answer { return whoami(later) }, status(401))
	r.expect(whoami("a revoked key"), unauthorized()...)
	a := r.validate("validate a revoked key", validation(token))
	r.expect(a, status(200), isJSON, cors, validIs(false), code(apikey.CodeRevoked))
	r.remove("delete a revoked key", id)
}

// wait waits for a time, or until the run is stopped.
func (r *run) wait(d time.Duration) {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-r.ctx.Done():
	}
}

// crowd makes crowdSize requests at once, and checks the first answer that differs, or any answer.
func (r *run) crowd(ask func() answer, e expectation) {
	answers := make([]answer, crowdSize)
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

// remove deletes one of the run's keys.
func (r *run) remove(name, id string) {
	a := r.send(name, http.MethodDelete, api.KeysPath+"/"+id, nil, "X-API-Key: "+r.Key.Reveal())
	r.expect(a, status(204), cors)
	if a.status == http.StatusNoContent {
		r.made = slices.DeleteFunc(r.made, func(made string) bool { return made == id })
	}
}

// clean deletes the keys that the run has left, even if the run was stopped.
func (r *run) clean() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), cleanTimeout)
	defer cancel()
	var left []string
	for _, id := range r.made {
		a := r.ask(ctx, "clean up", http.MethodDelete, api.KeysPath+"/"+id, nil, "X-API-Key: "+r.Key.Reveal())
		if a.status != http.StatusNoContent && a.status != http.StatusNotFound {
			left = append(left, id)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("these keys could not be deleted, and expire in a day: %v", left)
	}
	return nil
}
