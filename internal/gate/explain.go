package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
// refusal, and spends nothing. It reads the user and the plan of the key. The time is the request's,
// which may be past or future, or now if it has none. If the plan does not exist, the only step says
// so.
func (g *Gate) Explain(ctx context.Context, record apikey.Record, r Request) (apikey.Code, []Step, error) {
	user, err := g.table.User(ctx, record.Key.UserID)
	if err != nil {
		return "", nil, fmt.Errorf("find user: %w", err)
	}
	s := newSubject(record, moment{}, false)
	var plan *apikey.Plan
	if name := s.planName(user.User); name != "" {
		plan, err = g.table.Plan(ctx, name)
		if errors.Is(err, apikey.ErrNotFound) {
			detail := fmt.Sprintf("the plan %s does not exist, so no request can be decided", name)
			return apikey.CodeUnavailable, []Step{{apikey.CodeUnavailable.Info().Check, false, detail}}, nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("find plan: %w", err)
		}
	}
	return g.ExplainWith(record, user, plan, r)
}

// ExplainWith is Explain for a key whose user and plan were read. Either may be missing.
func (g *Gate) ExplainWith(
	record apikey.Record, user apikey.UserRecord, plan *apikey.Plan, r Request,
) (apikey.Code, []Step, error) {
	s := newSubject(record, moment{}, false).with(user.User, plan, moment{}, g.options.Life)
	now := r.Time
	if now.IsZero() {
		now = g.time(now)
	}
	above, err := s.aboveLimit(&r)
	if err != nil {
		return "", nil, err
	}
	q := g.question(s, &r, now)
	e := explanation{code: apikey.CodeValid}
	e.add(apikey.CodeUnavailable, true, q.aboutPlan())
	for _, p := range policy {
		e.add(p.code, p.passes(&q), p.detail(&q))
	}
	if above >= 0 {
		e.add(apikey.CodeCostAboveLimit, false, fmt.Sprintf("the request costs %d; allowed at once is less: %s",
			r.Cost, amounts(s.parts[above].Terms)))
	} else {
		e.add(apikey.CodeCostAboveLimit, true, fmt.Sprintf("the request costs %d, which each limit allows at once", r.Cost))
	}
	if len(s.parts) == 0 {
		e.add(apikey.CodeRateLimited, true, "unlimited")
	}
	for i := range s.parts {
		e.addPart(&s.parts[i], metersOf(record, user, &s.parts[i]), r.Cost, now)
	}
	return e.code, e.steps, nil
}

// metersOf returns the meters of a part, as they were read.
func metersOf(record apikey.Record, user apikey.UserRecord, p *apikey.Part) []ratelimit.Meter {
	if p.ID == record.Key.ID {
		return record.FirstMeters()
	}
	for _, meters := range [][]apikey.NamedMeter{record.More, user.Meters} {
		for i := range meters {
			if meters[i].ID == p.ID {
				return []ratelimit.Meter{meters[i].Meter}
			}
		}
	}
	return []ratelimit.Meter{{}}
}

// explanation collects steps.
type explanation struct {
	code  apikey.Code // of the step that decides
	steps []Step
	// reset is when the limit or the quota that decides resets. Several may refuse: the one with the
	// latest reset decides, because a wait for the others does not help. Never is the latest.
	reset time.Time
}

// add adds a step of the policy. The first one that refuses decides.
func (e *explanation) add(refusal apikey.Code, pass bool, detail string) {
	if !pass && e.code == apikey.CodeValid {
		e.code = refusal
	}
	e.steps = append(e.steps, Step{refusal.Info().Check, pass, detail})
}

// addBound adds the step of a limit or a quota.
func (e *explanation) addBound(refusal apikey.Code, check string, pass bool, reset time.Time, detail string) {
	limited := e.code == apikey.CodeRateLimited || e.code == apikey.CodeQuotaExceeded
	later := !e.reset.IsZero() && (reset.IsZero() || reset.After(e.reset))
	if !pass && (e.code == apikey.CodeValid || limited && later) {
		e.code, e.reset = refusal, reset
	}
	e.steps = append(e.steps, Step{check, pass, detail})
}

// addPart adds the steps of one part: of its quota and of its limit. A meter that only counts usage
// has none.
func (e *explanation) addPart(p *apikey.Part, meters []ratelimit.Meter, cost int64, now time.Time) {
	terms := p.Terms
	if terms.Quota != (ratelimit.Quota{}) {
		used := ratelimit.StatusOfShards(meters, p.Part, now).Quota()
		end, reset := "which never ends", time.Time{}
		if terms.Quota.Period != ratelimit.Lifetime {
			reset = used.Reset
			end = "which ends at " + reset.UTC().Format(time.RFC3339)
		}
		check := checkOf(p, apikey.CodeQuotaExceeded)
		e.addBound(apikey.CodeQuotaExceeded, check, used.Remaining >= cost, reset, fmt.Sprintf(
			"%d of %d used in this %s, %s; asked for: %d", used.Used, terms.Quota.Requests, terms.Quota.Period, end, cost))
		terms.Quota = ratelimit.Quota{}
	}
	if terms.Limit.None() {
		return
	}
	rate := p.Part
	rate.Terms = terms
	usage := ratelimit.StatusOfShards(meters, rate, now)
	check := checkOf(p, apikey.CodeRateLimited)
	e.addBound(apikey.CodeRateLimited, check, usage.Remaining >= cost, usage.Reset, fmt.Sprintf(
		"%d of %d left in %d seconds, all again at %s; asked for: %d",
		usage.Remaining, terms.Limit.Requests, int64(terms.Limit.Window/time.Second),
		usage.Reset.UTC().Format(time.RFC3339), cost))
}

// The names of the steps of limits and quotas that are not the first of their level. A limit has its
// window in seconds at the end, and a quota has its period.
const (
	userCheck  = "user."
	limitCheck = "limits."
	quotaCheck = "quota."
)

// checkOf returns the name of the step that refuses with a code for a part.
func checkOf(p *apikey.Part, refusal apikey.Code) string {
	of, _, what := apikey.ParseMeter(p.ID)
	check := refusal.Info().Check
	switch {
	case what == "":
	case refusal == apikey.CodeQuotaExceeded:
		check = quotaCheck + what
	default:
		check = limitCheck + what
	}
	if of == apikey.OfUser {
		check = userCheck + check
	}
	return check
}

// Checks returns the names of the steps of [Gate.Explain], in their order: those of the plan and of
// the policy, and then those of the limits. A step of a further limit or quota has a name that begins
// as [FurtherChecks] says.
func Checks() []string {
	names := []string{apikey.CodeUnavailable.Info().Check}
	for _, p := range policy {
		names = append(names, p.code.Info().Check)
	}
	quota, rate := apikey.CodeQuotaExceeded.Info().Check, apikey.CodeRateLimited.Info().Check
	return append(names, apikey.CodeCostAboveLimit.Info().Check, quota, rate, userCheck+quota, userCheck+rate)
}

// FurtherChecks returns how the names of steps begin that end with a window in seconds or with a
// period.
func FurtherChecks() []string {
	return []string{limitCheck, quotaCheck, userCheck + limitCheck, userCheck + quotaCheck}
}

// amounts describes what terms allow.
func amounts(t ratelimit.Terms) string {
	var all []string
	if !t.Limit.None() {
		all = append(all, fmt.Sprintf("%d in %d seconds", t.Limit.Requests, int64(t.Limit.Window/time.Second)))
	}
	if t.Quota != (ratelimit.Quota{}) {
		all = append(all, fmt.Sprintf("%d in a %s", t.Quota.Requests, t.Quota.Period))
	}
	return strings.Join(all, ", ")
}

// aboutPlan says which plan applies.
func (q *question) aboutPlan() string {
	switch {
	case q.plan == nil:
		return "neither the key nor its user has a plan"
	case q.key.Plan != "":
		return "the plan of the key is " + q.plan.Name
	}
	return "the plan of the user is " + q.plan.Name
}
