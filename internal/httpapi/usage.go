package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// DaysInput names the first and the last day of a span.
type DaysInput struct {
	From string `query:"from" maxLength:"10" doc:"The first day, such as 2026-11-01, in UTC. If omitted, 29 days before the last" example:"2026-11-01"`
	To   string `query:"to" maxLength:"10" doc:"The last day. If omitted, today" example:"2026-11-24"`
}

type keyUsageInput struct {
	IDInput
	DaysInput
}

type userUsageInput struct {
	UsageFilter
	DaysInput
}

// UsageFilter selects the keys of a user.
type UsageFilter struct {
	UserID string `query:"userId" maxLength:"128" doc:"The user who owns the keys. If omitted, the caller. Only admins, and members of its group for team:…, may name another."`
}

type usageOutput struct{ Body api.UsageResponse }

const usageNote = " A day ends at midnight UTC. Past days are exact, except that tokens " +
	"leased by an instance that died count as used. Today's number includes leased tokens. " +
	"An unlimited key is counted only while its plan or its user bounds it. " +
	"refused is a lower bound: each instance writes its counts at most once a minute, with a later request, " +
	"and those of an instance that ends before are lost."

func (a *server) registerUsage() {
	handle(a, &huma.Operation{
		OperationID: "key-usage", Method: http.MethodGet, Path: api.KeysPath + "/{id}/usage", Tags: []string{"keys"},
		Summary: "The usage of a key on each day", Description: "Needs keys:read." + usageNote,
		Errors: []int{400, 401, 403, 404, 429, 503},
	}, a.keyUsage)
	handle(a, &huma.Operation{
		OperationID: "user-usage", Method: http.MethodGet, Path: "/api/v1/usage", Tags: []string{"keys"},
		Summary: "The usage of a user's keys on each day",
		Description: "Needs keys:read. Deleted keys are counted only on days on which the user's keys shared a limit for a " +
			"minute, or a quota for a day or a month." + usageNote,
		Errors: []int{400, 401, 403, 429, 503},
	}, a.userUsage)
}

func (a *server) keyUsage(ctx context.Context, c registry.Caller, in *keyUsageInput) (*usageOutput, error) {
	days, err := in.days(a.Now())
	if err != nil {
		return nil, err
	}
	used, err := a.Registry.Usage(ctx, c, in.ID, days)
	return usageOf(days, used, err)
}

func (a *server) userUsage(ctx context.Context, c registry.Caller, in *userUsageInput) (*usageOutput, error) {
	days, err := in.days(a.Now())
	if err != nil {
		return nil, err
	}
	used, err := a.Registry.UserUsage(ctx, c, in.UserID, days)
	return usageOf(days, used, err)
}

// usageOf returns the response with every one of the days, or the error.
func usageOf(days registry.Days, used registry.Usage, err error) (*usageOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &usageOutput{}
	for _, d := range used.Days {
		out.Body.Total += d.Used
	}
	out.Body.Data = daysOf(days, used.Days)
	for i := range out.Body.Data {
		day := ratelimit.DateOf(days.From.AddDate(0, 0, i))
		out.Body.Data[i].Refused = refusedOf(used.Refused[day])
	}
	return out, nil
}

// daysOf returns every one of the days with its usage.
func daysOf(days registry.Days, used []ratelimit.DayUsage) []api.DayUsage {
	by := make(map[string]int64)
	for _, d := range used {
		by[d.Day.String()] = d.Used
	}
	all := []api.DayUsage{}
	for day := days.From; !day.After(days.To); day = day.AddDate(0, 0, 1) {
		date := day.Format(time.DateOnly)
		all = append(all, api.DayUsage{Date: date, Requests: by[date]})
	}
	return all
}

// IncludeInput asks for more of each key than its record.
type IncludeInput struct {
	Include string `query:"include" enum:"usage" doc:"usage: each key has the requests of each of the last 30 days"`
}

// addUsage adds the usage of the last days to the records of an answer, if the request asks for it. all has
// the same keys.
func (a *server) addUsage(ctx context.Context, in IncludeInput, all []registry.Bounded, answer []api.Record) error {
	if in.Include != "usage" {
		return nil
	}
	days, err := DaysInput{}.days(a.Now())
	if err != nil {
		return err
	}
	records := make([]apikey.Record, len(all))
	for i, b := range all {
		records[i] = b.Record
	}
	used, err := a.Registry.UsageOf(ctx, records, days)
	if err != nil {
		return err
	}
	for i := range answer {
		answer[i].Usage = daysOf(days, used[answer[i].ID])
	}
	return nil
}

// refusedOf returns counts of refusals as the API writes them, or nil if there are none.
func refusedOf(codes map[apikey.Code]int64) map[string]int64 {
	var all map[string]int64
	for code, n := range codes {
		if all == nil {
			all = make(map[string]int64)
		}
		all[string(code)] = n
	}
	return all
}

// defaultDays is the length of a span without a first day.
const defaultDays = 30

// days returns the span, which ends today if it has no last day.
func (in DaysInput) days(now time.Time) (registry.Days, error) {
	d := registry.Days{To: now.UTC().Truncate(24 * time.Hour)}
	var err error
	if in.To != "" {
		if d.To, err = date("to", in.To); err != nil {
			return d, err
		}
	}
	d.From = d.To.AddDate(0, 0, 1-defaultDays)
	if in.From != "" {
		d.From, err = date("from", in.From)
	}
	return d, err
}

func date(field, text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < 1970 {
		return time.Time{}, invalid(field, "must be a date such as 2026-11-24")
	}
	return day, nil
}
