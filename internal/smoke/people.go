package smoke

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"strconv"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

const (
	// planName is the plan of every run. No plan and no user's record can be deleted, so these stay:
	// one plan, and an empty record for each run.
	planName = "latchkey-smoke-test"
	shared   = 3 // requests that two keys of one user have together
	credits  = 5
)

// people checks a plan, a limit that two keys of a user share, a suspended user, credits, and the
// move of a key to another user.
func (r *run) people() {
	user := "latchkey-smoke-" + rand.Text()
	at := api.UsersPath + "/" + user
	admin := "X-API-Key: " + r.Key.Reveal()
	second, minute := []api.Line{{Amount: 100, Window: 1}}, []api.Line{{Amount: shared, Window: window}}
	r.assumption = passes
	a := r.send("set a plan", http.MethodPut, api.PlansPath+"/"+planName, api.PlanRequest{
		Key: &api.BoundsInput{Limits: &second}, User: &api.BoundsInput{Limits: &minute},
	}, admin)
	r.expect(a, status(200), isJSON, cors, exposes("ETag"), field("name", planName))
	r.expect(r.get("the plan", api.PlansPath+"/"+planName, admin),
		status(200), isJSON, cors, header("ETag", cmp.Or(a.header.Get("ETag"), "some")))
	r.expect(r.send("move a user to the plan", http.MethodPatch, at, api.UserPatch{Plan: api.Set(planName)}, admin),
		status(200), isJSON, cors, field("userId", user), field("plan", planName))
	none := api.UserPatch{Plan: api.Set("latchkey-no-such-plan")}
	r.expect(r.send("a plan that does not exist", http.MethodPatch, at, none, admin),
		status(400), isJSON, cors, envelope("plan must be a plan that exists: put the plan first",
			api.InvalidRequestError, "plan", apikey.CodeInvalidRequest))
	r.expect(r.get("the user's keys by what they spent", api.KeysPath+"?sort=spent&include=usage&userId="+user, admin),
		status(200), isJSON, cors)
	r.assumption = refuses
	r.expect(r.get("no key for all users", api.UsersPath), unauthorized()...)
	r.expect(r.send("no key for a user", http.MethodPatch, at, api.UserPatch{Suspended: api.Set(true)}), unauthorized()...)

	first, token, ok := r.createFor("a key of the user", user)
	other, token2, ok2 := r.createFor("another key of the user", user)
	if ok && ok2 {
		r.share(token, token2)
		r.suspend(at, token)
		r.addCredits(first)
		r.move(other)
	}
	for _, id := range []string{first, other} {
		if id != "" {
			r.remove("delete a key of the user", id)
		}
	}
	r.expect(r.send("empty the user's record", http.MethodPut, at, api.UserRequest{}, admin),
		status(200), isJSON, cors, field("suspended", false))
}

// createFor makes a key of a user that keeps to the user's plan alone.
func (r *run) createFor(name, user string) (id, token string, ok bool) {
	return r.createKey(name, api.CreateRequest{UserID: &user})
}

// share uses up the limit that two keys have together.
func (r *run) share(token, other string) {
	r.assumption = shares
	for i, key := range []string{token, other, token} {
		r.expect(r.get("two keys within their limit", api.WhoamiPath, "X-API-Key: "+key),
			status(200), isJSON, cors, header("X-RateLimit-Limit", strconv.Itoa(shared)),
			header("X-RateLimit-Remaining", strconv.Itoa(shared-1-i)), r.reset())
	}
	r.assumption = contexts
	r.expect(r.get("two keys over their limit", api.WhoamiPath, "X-API-Key: "+other),
		status(r.DenyStatus), isJSON, cors, exposes(limitHeaders...),
		envelope("Rate limit exceeded. Try again in N seconds.", api.RateLimitError, "", apikey.CodeRateLimitExceeded),
		number("Retry-After", 1, window+slack), inMessage("Retry-After"))
	r.assumption = shares
	r.expect(r.validate("validate a key of the plan", validation(token)),
		status(200), isJSON, cors, validIs(true), field("plan", planName), field("limits.1.of", "user"),
		field("limits.1.amount", shared), field("limits.1.remaining", 0))
}

// suspend suspends the user, checks that all instances refuse its keys after Freshness, and resumes
// the user.
func (r *run) suspend(at, token string) {
	r.assumption = uncached
	set := func(name string, suspended bool) {
		patch := api.UserPatch{Suspended: api.Set(suspended)}
		r.expect(r.send(name, http.MethodPatch, at, patch, "X-API-Key: "+r.Key.Reveal()),
			status(200), isJSON, cors, field("suspended", suspended))
		r.wait(r.Freshness)
	}
	set("suspend the user", true)
	r.crowd(func() answer {
		return r.get("many at once of a suspended user", api.WhoamiPath, "X-API-Key: "+token)
	}, status(401))
	r.expect(r.validate("validate a key of a suspended user", validation(token)),
		status(200), isJSON, cors, validIs(false), code(apikey.CodeUserSuspended))
	set("resume the user", false)
	r.expect(r.validate("validate a key of a resumed user", validation(token)), status(200), validIs(true))
}

func (r *run) addCredits(id string) {
	r.assumption = passes
	at, admin := api.KeysPath+"/"+id, "X-API-Key: "+r.Key.Reveal()
	quota := api.QuotaPatch{Requests: api.Set(api.Integer(1)), Period: api.Set(api.Period("lifetime"))}
	r.expect(r.send("give a key a lifetime quota", http.MethodPatch, at, api.Patch{Quota: api.Set(quota)}, admin),
		status(200), isJSON, cors, field("quota.requests", 1))
	r.expect(r.send("add credits to a key", http.MethodPost, at+"/credits", api.CreditsRequest{Add: credits},
		admin, "Idempotency-Key: smoke-"+rand.Text()),
		status(200), isJSON, cors, field("quota.requests", 1+credits), field("quota.period", "lifetime"))
}

func (r *run) move(id string) {
	to := "latchkey-smoke-" + rand.Text() + "-2"
	r.expect(r.send("move a key to another user", http.MethodPatch, api.KeysPath+"/"+id, api.Patch{UserID: api.Set(to)},
		"X-API-Key: "+r.Key.Reveal()), status(200), isJSON, cors, field("userId", to))
}
