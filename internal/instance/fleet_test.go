package instance_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/instance"
	"latchkey/internal/instance/edge"
	"latchkey/internal/instance/web"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// fleet is a few deployed instances before one table, in virtual time.
type fleet struct {
	t       *testing.T
	weather *weather
	members []*member
	log     *lines

	mu     sync.Mutex
	checks []check
	tokens []string
}

// member is one instance.
type member struct {
	*instance.Instance
	ahead atomic.Int64 // how far the clock is ahead of the true time
}

// functions are the handlers of an instance that judge keys. A handler takes one event at a time.
type functions struct{ authorizer, validate lambda.Handler }

// check is one request that was judged, and what its caller was told.
type check struct {
	key          string // the id
	begun, ended time.Time
	outcome      outcome
}

type outcome string

const (
	admitted    outcome = "admitted"
	limited     outcome = "limited"
	refused     outcome = "refused"
	unavailable outcome = "unavailable"
)

// lines is a log that instances write to at the same time.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

const (
	// skew is how far a clock may be from the true time.
	skew = 50 * time.Millisecond
	// patience is how long a caller waits for a verdict.
	patience = 3 * time.Second
	// usual bounds the time of a verdict on a fair day: two round trips and a failed write.
	usual = 50 * time.Millisecond
)

const master = "the-master-of-this-deployment-is-a-secret"

// onABadDay runs a test with a fleet of instances, from noon on. Their clocks are as far from the true
// time as the promise of a limit allows.
func onABadDay(t *testing.T, instances int, fence string, run func(*testing.T, *fleet)) {
	t.Helper()
	options, _ := dynamotest.Faulty(t)
	bridge := dynamotest.NewBridge(t)
	// The engine deletes items whose time to live is over by its own clock.
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		f := &fleet{t: t, log: &lines{}, weather: &weather{
			bridge: bridge, random: mathrand.New(mathrand.NewPCG(1, 2)), now: fair, sent: make(map[string]int),
		}}
		c, err := config.Load(map[string]string{
			"TABLE_NAME": options.Name, "AWS_ENDPOINT_URL_DYNAMODB": options.Endpoint,
			"LATCHKEY_SECRET": `{"master":"` + master + `","peppers":[]}`, "FENCE": fence,
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Local = true
		for n := range instances {
			f.start(c).ahead.Store(int64(skew) * int64(2*n-instances+1) / int64(instances-1))
		}
		run(t, f)
		f.leaksNothing()
	})
}

// start adds an instance, which has the time limits and the retries of a deployed one.
func (f *fleet) start(c config.Config) *member {
	f.t.Helper()
	account := amazon.Local()
	account.HTTPClient = &http.Client{Transport: f.weather, Timeout: amazon.AttemptTimeout}
	m := &member{}
	clock := func() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }
	i, err := instance.New(f.t.Context(), c, account, clock, slog.New(slog.NewJSONHandler(f.log, nil)))
	if err != nil {
		f.t.Fatal(err)
	}
	m.Instance = i
	f.members = append(f.members, m)
	return m
}

// issue stores a key with a limit.
func (f *fleet) issue(limit ratelimit.Limit) (*apikey.Key, string) {
	f.t.Helper()
	i := f.members[0].Instance
	token, err := i.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	k, err := i.Registry.Build(f.t.Context(), token, "u1", apikey.Live, apikey.Change{Limit: &limit})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := i.Table.Write(f.t.Context(), registry.Write{To: k}); err != nil {
		f.t.Fatal(err)
	}
	f.tokens = append(f.tokens, token.Reveal())
	return k, token.Reveal()
}

// ask has one instance judge a token, by the authorizer or by validate, and notes the answer.
func (f *fleet) ask(at functions, k *apikey.Key, token string, byAuthorizer bool) outcome {
	c := check{key: k.ID, begun: time.Now()}
	if byAuthorizer {
		c.outcome = f.authorize(at.authorizer, token)
	} else {
		c.outcome = f.validate(at.validate, token)
	}
	c.ended = time.Now()
	if took := c.ended.Sub(c.begun); took > patience {
		f.t.Errorf("an answer took %v: %s", took, c.outcome)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checks = append(f.checks, c)
	return c.outcome
}

// authorize sends the event of a request that arrives now by API Gateway's clock.
func (f *fleet) authorize(authorizes lambda.Handler, token string) outcome {
	event := fmt.Sprintf(`{"type":"REQUEST","methodArn":"arn:aws:execute-api:us-east-1:1:a/prod/GET/tts","path":"/tts",
		"httpMethod":"GET","headers":{"X-API-Key":%q},"requestContext":{"requestTimeEpoch":%d}}`, token, time.Now().UnixMilli())
	answer, err := authorizes.Invoke(f.t.Context(), []byte(event))
	switch {
	case errors.Is(err, authorizer.ErrUnauthorized):
		return refused
	case err != nil && strings.HasPrefix(err.Error(), "unavailable"):
		return unavailable
	case err != nil:
		return outcome(err.Error())
	case bytes.Contains(answer, []byte(`"Allow"`)):
		return admitted
	case bytes.Contains(answer, []byte(`"rate_limit_exceeded"`)):
		return limited
	}
	return outcome(answer)
}

func (f *fleet) validate(validates lambda.Handler, token string) outcome {
	event := fmt.Sprintf(`{"httpMethod":"POST","path":"/api/v1/api-keys/validate","headers":{"Content-Type":"application/json"},
		"requestContext":{"requestTimeEpoch":%d},"body":%q}`, time.Now().UnixMilli(), fmt.Sprintf(`{"apiKey":%q,"cost":1}`, token))
	answer, err := validates.Invoke(f.t.Context(), []byte(event))
	var response struct {
		StatusCode int
		Body       string
	}
	if err := errors.Join(err, json.Unmarshal(answer, &response)); err != nil {
		return outcome(err.Error())
	}
	switch {
	case response.StatusCode == http.StatusServiceUnavailable && strings.Contains(response.Body, `"unavailable"`):
		return unavailable
	case response.StatusCode != http.StatusOK:
	case strings.Contains(response.Body, `"valid":true`):
		return admitted
	case strings.Contains(response.Body, `"rate_limited"`):
		return limited
	case strings.Contains(response.Body, `"valid":false`):
		return refused
	}
	return outcome(answer)
}

// crowd has each instance ask about a key again and again until a moment, with a pause after each
// answer. Every second request is one of the authorizer.
func (f *fleet) crowd(wg *sync.WaitGroup, k *apikey.Key, token string, pause time.Duration, until time.Time) {
	for n, m := range f.members {
		wg.Go(func() {
			time.Sleep(time.Duration(n) * pause / time.Duration(len(f.members)))
			at := functions{edge.Authorizer(m.Instance), web.Validate(m.Instance)}
			for turn := n; time.Now().Before(until); turn++ {
				f.ask(at, k, token, turn%2 == 0)
				time.Sleep(pause)
			}
		})
	}
}

// of returns what callers with a key were told from one moment to another, by when they asked.
func (f *fleet) of(k *apikey.Key, from, to time.Time) (counts map[outcome]int, slowest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts = make(map[outcome]int)
	for _, c := range f.checks {
		if c.key == k.ID && !c.begun.Before(from) && c.begun.Before(to) {
			counts[c.outcome]++
			slowest = max(slowest, c.ended.Sub(c.begun))
		}
	}
	return counts, slowest
}

// neverOver fails if any interval as long as a key's window holds more admissions than its limit, or if
// an answer was neither a verdict on the limit nor "unavailable".
func (f *fleet) neverOver(k *apikey.Key) {
	f.t.Helper()
	var all []time.Time
	for _, c := range f.checks {
		switch {
		case c.key != k.ID:
		case c.outcome == admitted:
			all = append(all, c.ended)
		case c.outcome != limited && c.outcome != unavailable:
			f.t.Errorf("answered %q", c.outcome)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	for i, first := range all {
		if last := i + int(k.Limit.Requests); last < len(all) && all[last].Sub(first) < k.Limit.Window {
			f.t.Errorf("%d of %d admitted within %v", k.Limit.Requests+1, k.Limit.Requests, all[last].Sub(first))
			return
		}
	}
}

// strangers has each instance asked about a revoked key and an unknown one until a moment.
func (f *fleet) strangers(wg *sync.WaitGroup, until time.Time) []*apikey.Key {
	f.t.Helper()
	ended, token := f.issue(apikey.DefaultLimit())
	to := *ended
	to.RevokedAt = time.Now()
	if err := f.members[0].Table.Write(f.t.Context(), registry.Write{From: ended, To: &to}); err != nil {
		f.t.Fatal(err)
	}
	unknown := &apikey.Key{ID: "unknown"}
	f.crowd(wg, ended, token, time.Second, until)
	f.crowd(wg, unknown, "a-token-of-another-service", time.Second, until)
	return []*apikey.Key{ended, unknown}
}

// neverIn fails if a caller with one of the keys was told anything but a refusal or "unavailable".
func (f *fleet) neverIn(strangers []*apikey.Key, from, to time.Time) {
	f.t.Helper()
	for _, k := range strangers {
		all, _ := f.of(k, from, to)
		delete(all, unavailable)
		if all[refused] == 0 || len(all) > 1 {
			f.t.Errorf("key %s: %v", k.ID, all)
		}
	}
}

// leaksNothing fails if the log has a secret.
func (f *fleet) leaksNothing() {
	f.t.Helper()
	for _, secret := range append(f.tokens, master) {
		if strings.Contains(f.log.all.String(), secret[max(0, len(secret)-20):]) {
			f.t.Error("a secret is in the log")
		}
	}
	f.t.Log(f.weather.sent)
}
