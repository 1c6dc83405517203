package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// DaysInput is also that of a key.
type DaysInput struct {
	From string `query:"from" maxLength:"10" doc:"The first day, such as 2026-11-01, by UTC; 29 days before the last where it is left out" example:"2026-11-01"`
	To   string `query:"to" maxLength:"10" doc:"The last day; today where it is left out" example:"2026-11-24"`
}

type keyUsageInput struct {
	IDInput
	DaysInput
}

type userUsageInput struct {
	UserID string `query:"userId" maxLength:"128" doc:"Another user's, for admins"`
	DaysInput
}

type usageOutput struct{ Body api.UsageResponse }

const usageNote = " A day ends at midnight UTC. Days that are over are exact; today's number has in it what the functions hold ready. Unlimited keys are not counted."

func (a *server) registerUsage(h huma.API) {
	huma.Register(h, operation(huma.Operation{
		OperationID: "key-usage", Method: http.MethodGet, Path: api.KeysPath + "/{id}/usage", Tags: []string{"keys"}, Security: protected(),
		Summary: "What a key used each day", Description: "Needs keys:read." + usageNote,
	}, 400, 401, 403, 404, 429, 503), a.keyUsage)
	huma.Register(h, operation(huma.Operation{
		OperationID: "user-usage", Method: http.MethodGet, Path: "/api/v1/usage", Tags: []string{"keys"}, Security: protected(),
		Summary: "What a user's keys used each day", Description: "Needs keys:read. Deleted keys are left out." + usageNote,
	}, 400, 401, 403, 429, 503), a.userUsage)
}

func (a *server) keyUsage(ctx context.Context, in *keyUsageInput) (*usageOutput, error) {
	return a.usage(ctx, in.DaysInput, func(c registry.Caller, days registry.Days) ([]ratelimit.DayUsage, error) {
		return a.Registry.Usage(ctx, c, in.ID, days)
	})
}

func (a *server) userUsage(ctx context.Context, in *userUsageInput) (*usageOutput, error) {
	return a.usage(ctx, in.DaysInput, func(c registry.Caller, days registry.Days) ([]ratelimit.DayUsage, error) {
		return a.Registry.UserUsage(ctx, c, in.UserID, days)
	})
}

func (a *server) usage(ctx context.Context, in DaysInput, read func(registry.Caller, registry.Days) ([]ratelimit.DayUsage, error)) (*usageOutput, error) {
	p, err := a.caller(ctx)
	if err != nil {
		return nil, err
	}
	days, err := in.days(a.Now())
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	used, err := read(p.caller(), days)
	if err != nil {
		return nil, a.failure(ctx, err)
	}
	by := make(map[string]int64)
	out := &usageOutput{}
	for _, d := range used {
		by[d.Day.String()] = d.Used
		out.Body.Total += d.Used
	}
	out.Body.Data = []api.DayUsage{}
	for day := days.From; !day.After(days.To); day = day.AddDate(0, 0, 1) {
		date := day.Format(time.DateOnly)
		out.Body.Data = append(out.Body.Data, api.DayUsage{Date: date, Requests: by[date]})
	}
	return out, nil
}

// defaultDays is how many days are told of when no first one is given.
const defaultDays = 30

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
		return time.Time{}, wrong(field, "must be a date such as 2026-11-24")
	}
	return day, nil
}
