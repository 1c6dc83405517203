package main

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/client"
)

func plansCommand() *cobra.Command {
	return group("plans", "Manage plans: limits for many keys and users", []*cobra.Command{
		planListCommand(), planGetCommand(), planPutCommand(), planStatsCommand(), planTrailCommand(),
	})
}

var planColumns = []string{"NAME", "EACH KEY", "ALL KEYS OF A USER", "SCOPES", "MAX DAYS", "DEFAULT DAYS", "IDLE DAYS"}

func planRow(p api.Plan) []string {
	scopes := strings.Join(p.Scopes, ",")
	if scopes == "" {
		scopes = "any"
	}
	return []string{
		p.Name, formatBounds(p.Key.Limits, p.Key.Quota), formatBounds(p.User.Limits, p.User.Quota), scopes,
		formatDays(p.MaxDays), formatDays(p.DefaultDays), formatDays(p.IdleDays),
	}
}

// formatDays returns a number of days, or "-" for none.
func formatDays(days int64) string {
	if days == 0 {
		return "-"
	}
	return strconv.FormatInt(days, 10)
}

func planListCommand() *cobra.Command {
	var out *output
	c := &cobra.Command{
		Use: "list", Short: "List all plans by their names",
		Long:    "Lists all plans by their names. A plan of the last seconds may be missing." + apiHelp,
		Example: "  latchkey plans list\n  latchkey plans list --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return out.show(c, func() (client.Answer, error) {
				return callAPI(c, http.MethodGet, api.PlansPath, nil, nil)
			}, printPage("No plans. latchkey plans put makes one.", planColumns, planRow))
		},
	}
	out = apiOutput(c)
	return c
}

func pathOfPlan(name string) string { return api.PlansPath + "/" + name }

func planGetCommand() *cobra.Command {
	return onPlan(onOne{
		use: "get", reads: true, short: "Show a plan",
		example: "  latchkey plans get pro\n  latchkey plans get pro --json",
		do: func(c *cobra.Command, name string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, pathOfPlan(name), nil, nil)
		},
	})
}

func planStatsCommand() *cobra.Command {
	var page pageOf
	return onPlan(onOne{
		use: "stats", reads: true, page: &page,
		short:   "Show the users of a plan, and what is left of their limits",
		example: "  latchkey plans stats pro\n  latchkey plans stats pro --limit 100 --json",
		do: func(c *cobra.Command, name string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, pathOfPlan(name)+"/stats", page.query(nil), nil)
		},
		print: printPage("No users.", []string{"USER", "SUSPENDED", "LEFT"}, func(u api.User) []string {
			return []string{u.UserID, strconv.FormatBool(u.Suspended), strings.Join(boundsLeft(u.Bounds), ", ")}
		}),
	})
}

func planPutCommand() *cobra.Command {
	var key, user struct {
		limits limits
		quota  string
	}
	var scopes []string
	var maxDays, defaultDays, idleDays int64
	plan := func(c *cobra.Command, name string) (client.Answer, error) {
		g := givenFlags{flags: c.Flags()}
		body := api.PlanRequest{
			Scopes:      given(&g, "scopes", as(append([]string{}, scopes...))),
			MaxDays:     g.days("max-days", maxDays),
			DefaultDays: g.days("default-days", defaultDays),
			IdleDays:    g.days("idle-days", idleDays),
		}
		body.Key = g.bounds("key-limit", key.limits, "key-quota", key.quota)
		body.User = g.bounds("user-limit", user.limits, "user-quota", user.quota)
		switch {
		case g.err != nil:
			return client.Answer{}, g.err
		case body == (api.PlanRequest{}):
			return client.Answer{}, nothingGiven(c)
		}
		return callAPI(c, http.MethodPut, pathOfPlan(name), nil, body)
	}
	c := onPlan(onOne{
		use: "put", short: "Make a plan, or replace all of it", long: `

The flags are the whole plan: a limit that is not given is removed. A change
applies within a second to all keys of the plan. Plans are never deleted.`,
		example: `  latchkey plans put pro --user-limit 1000/1m --user-quota 5000000/month \
    --key-limit 10/1s
  latchkey plans put trial --user-quota 500/lifetime --max-days 30 --scopes tts`,
		do: plan,
	})
	flags := c.Flags()
	limitsFlag(flags, &key.limits, "key-limit",
		"`N/TIME` for each key: N requests in any interval of TIME, e.g. 10/1s; may be given up to 4 times")
	textFlag(flags, &key.quota, "key-quota", "",
		"`N/PERIOD` for each key, e.g. 10000/month, 100/day, 500/lifetime", checkQuota)
	limitsFlag(flags, &user.limits, "user-limit",
		"`N/TIME` for all keys of a user together, e.g. 1000/1m; may be given up to 4 times")
	textFlag(flags, &user.quota, "user-quota", "",
		"`N/PERIOD` for all keys of a user together, e.g. 5000000/month", checkQuota)
	listFlag(flags, &scopes, "scopes", "`LIST` of the most that a key may do, e.g. tts,stt:*; if empty, any", checkScope)
	daysFlag(flags, &maxDays, "max-days", "days after which a key expires at the latest; 0: as the deployment says")
	daysFlag(flags, &defaultDays, "default-days",
		"days after which a key without an expiry expires; 0: as the deployment says")
	daysFlag(flags, &idleDays, "idle-days", "days without use after which a key is refused; 0: as the deployment says")
	return c
}

func planTrailCommand() *cobra.Command {
	var page pageOf
	var out *output
	c := &cobra.Command{
		Use: "audit", Short: "Show the audit trail of all plans, newest entry first",
		Long:    "Shows the audit trail of all plans, newest entry first." + apiHelp,
		Example: "  latchkey plans audit\n  latchkey plans audit --limit 1 --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return out.show(c, func() (client.Answer, error) {
				return ownersTrail(c, apikey.PlansOwner, &page)
			}, printOwnersTrail)
		},
	}
	out = apiOutput(c)
	out.paged(c, &page)
	return c
}

func daysFlag(flags *pflag.FlagSet, to *int64, name, usage string) {
	numberFlag(flags, to, name, 0, 0, apikey.MaxLifeDays, usage)
}

// days returns the value of a flag that daysFlag has added, or nil if it was not given.
func (g *givenFlags) days(flag string, value int64) *api.Integer {
	return given(g, flag, as(api.Integer(value)))
}

// bounds returns the bounds that two flags name, or nil if neither was given.
func (g *givenFlags) bounds(limitFlag string, l limits, quotaFlag, quota string) *api.BoundsInput {
	if !g.flags.Changed(limitFlag) && !g.flags.Changed(quotaFlag) {
		return nil
	}
	b := &api.BoundsInput{}
	if len(l.lines) > 0 {
		lines := apiLines(l.lines)
		b.Limits = &lines
	}
	if q := given(g, quotaFlag, func() (*api.QuotaInput, error) { return parseQuota(quota) }); q != nil {
		b.Quota = *q
	}
	return b
}
