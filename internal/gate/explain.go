package gate

import (
	"fmt"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// Step is one check of a request. Detail says what decided it.
type Step struct {
	Check  string
	Pass   bool
	Detail string
}

// Explain judges a request with one of the key's own tokens as Check does, but goes on after a
// refusal, and spends nothing. The time is the request's, which may be past or future, or now if it
// has none.
func (g *Gate) Explain(record apikey.Record, r Request) (apikey.Code, []Step, error) {
	k := record.Key
	if err := k.Affords(r.Cost); err != nil {
		return "", nil, err
	}
	q := question{g, k, r.Scope, r.Source, r.Time}
	if q.now.IsZero() {
		q.now = g.time(time.Time{})
	}
	code := apikey.CodeValid
	var steps []Step
	add := func(refusal apikey.Code, pass bool, detail string) {
		if !pass && code == apikey.CodeValid {
			code = refusal
		}
		steps = append(steps, Step{refusal.Info().Check, pass, detail})
	}
	for _, p := range policy {
		add(p.code, p.passes(q), p.detail(q))
	}
	if k.Unlimited {
		add(apikey.CodeRateLimited, true, "unlimited")
		return code, steps, nil
	}
	terms := k.Terms()
	if terms.Quota != (ratelimit.Quota{}) {
		used := ratelimit.QuotaStatusOf(record.Meter, terms.Quota, q.now)
		add(apikey.CodeQuotaExceeded, used.Remaining >= r.Cost, fmt.Sprintf(
			"%d of %d used in this %s, which ends at %s; asked for: %d",
			used.Used, terms.Quota.Requests, terms.Quota.Period, used.Reset.UTC().Format(time.RFC3339), r.Cost))
		terms.Quota = ratelimit.Quota{}
	}
	usage := ratelimit.StatusOf(record.Meter, terms, q.now)
	add(apikey.CodeRateLimited, usage.Remaining >= r.Cost, fmt.Sprintf(
		"%d of %d left in %d seconds, all again at %s; asked for: %d",
		usage.Remaining, terms.Limit.Requests, int64(terms.Limit.Window/time.Second),
		usage.Reset.UTC().Format(time.RFC3339), r.Cost))
	return code, steps, nil
}
