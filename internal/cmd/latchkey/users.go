package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/client"
)

func usersCommand() *cobra.Command {
	return group("users", "Manage users: their plans and the limits that their keys share", []*cobra.Command{
		usersListCommand(), userGetCommand(), userSetCommand(),
		suspendCommand("suspend", "Refuse all keys of a user until it is resumed", true),
		suspendCommand("resume", "Accept the keys of a suspended user again", false),
		userCreditsCommand(), userUsageCommand(), userStatsCommand(), userTrailCommand(),
	})
}

// checkPerson accepts the id of a user as an argument. A token in its place must not become part of
// a URL.
func checkPerson(text string) error {
	format, err := apikey.NewFormat("sk")
	if err != nil {
		return err
	}
	if token, err := format.Parse(text); err == nil && token.Native() {
		return errors.New("must be that of a user, and not a key")
	}
	return checkOwner(text)
}

func pathOfUser(user string) string { return api.UsersPath + "/" + url.PathEscape(user) }

func userGetCommand() *cobra.Command {
	return onUser(onOne{
		use: "get", reads: true, short: "Show a user, and what is left of the limits that its keys share",
		long:    "\n\nThe rows of bounds have those of the user's plan too.",
		example: "  latchkey users get u1\n  latchkey users get u1 --json",
		do: func(c *cobra.Command, user string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, pathOfUser(user), nil, nil)
		},
	})
}

func patchUser(c *cobra.Command, user string, change api.UserPatch) (client.Answer, error) {
	return callAPI(c, http.MethodPatch, pathOfUser(user), nil, change)
}

func suspendCommand(use, short string, suspended bool) *cobra.Command {
	return onUser(onOne{
		use: use, short: short, example: fmt.Sprintf("  latchkey users %[1]s u1\n  latchkey users %[1]s u1 --json", use),
		do: func(c *cobra.Command, user string) (client.Answer, error) {
			return patchUser(c, user, api.UserPatch{Suspended: api.Set(suspended)})
		},
	})
}

func userSetCommand() *cobra.Command {
	var plan, quota string
	var shared limits
	var maxKeys int64
	var scopes []string
	var metadata map[string]string
	change := func(c *cobra.Command) (p api.UserPatch, err error) {
		g := givenFlags{flags: c.Flags()}
		p.Plan = planPatch(c.Flags(), plan)
		if amount := given(&g, "quota", func() (*api.QuotaInput, error) { return parseQuota(quota) }); amount != nil {
			p.Quota = quotaPatch(c.Flags(), *amount)
		}
		if c.Flags().Changed("limit") {
			p.Limits = api.Set(apiLines(shared.lines))
		}
		p.MaxKeys = member(given(&g, "max-keys", as(api.Integer(maxKeys))))
		p.Scopes = member(given(&g, "scopes", as(append([]string{}, scopes...))))
		p.Metadata = metadataPatch(given(&g, "metadata", func() (map[string]string, error) { return metadataOf(metadata) }))
		return p, g.err
	}
	c := onUser(onOne{
		use: "set", short: "Set the given properties of a user; the others stay",
		long: "\n\n--limit and --quota hold for all keys of the user together, beside those of the\nuser's plan.",
		example: `  latchkey users set u1 --plan pro
  latchkey users set u1 --limit 2000/1m --quota 10000000/month --max-keys 50
  latchkey users set u1 --plan none --limit none`,
		do: func(c *cobra.Command, user string) (client.Answer, error) {
			p, err := change(c)
			if err != nil {
				return client.Answer{}, err
			}
			if p == (api.UserPatch{}) {
				return client.Answer{}, nothingGiven(c)
			}
			return patchUser(c, user, p)
		},
	})
	flags := c.Flags()
	planFlag(c, &plan, "`NAME` of the plan of all keys that name no other, or none")
	limitsFlag(flags, &shared, "limit", limitUsage)
	textFlag(flags, &quota, "quota", "", quotaUsage, checkQuota)
	numberFlag(flags, &maxKeys, "max-keys", 0, 0, apikey.MaxMaxKeys,
		"how many keys the user may have; 0: as the deployment says")
	listFlag(flags, &scopes, "scopes",
		"`LIST` of the most that the user may grant, e.g. tts,stt:*; if empty, as the deployment says", checkScope)
	flags.StringToStringVar(&metadata, "metadata", nil, "`LIST` of NAME=VALUE")
	return c
}

func userUsageCommand() *cobra.Command {
	var days daysFlags
	c := onUser(onOne{
		use: "usage", reads: true, short: "Show the requests of a user's keys on each day (UTC)",
		example: `  latchkey users usage u1
  latchkey users usage u1 --plot
  latchkey users usage u1 --from 2027-01-01 --to 2027-01-31 --json`,
		do: func(c *cobra.Command, user string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, "/api/v1/usage", days.query(user), nil)
		},
		print: days.print,
	})
	days.add(c)
	return c
}

func userStatsCommand() *cobra.Command {
	var page pageOf
	return onUser(onOne{
		use: "stats", reads: true, page: &page,
		short:   "Show the requests of each key of a user in its present window",
		example: "  latchkey users stats u1\n  latchkey users stats u1 --limit 100 --json",
		do: func(c *cobra.Command, user string) (client.Answer, error) {
			query := page.query(map[string]string{"userId": user})
			return callAPI(c, http.MethodGet, api.KeysPath+"/stats", query, nil)
		},
		print: printPage("No keys.", statsColumns, statsRow),
	})
}

var statsColumns = []string{"ID", "NAME", "PREFIX", "LIMIT", "USED", "LEFT", "LAST USED", "PLAN", "LEFT OF EACH"}

// statsRow returns the columns of a key. LIMIT, USED and LEFT are of rateLimit, and LEFT OF EACH has
// all limits and quotas if the key has others.
func statsRow(s api.Stats) []string {
	limit, used, left, lastUsed := "-", "-", "-", "never"
	if s.Unlimited {
		limit = unlimited
	}
	if s.Limit != nil && s.Window != nil {
		limit = formatLimit(*s.Limit, *s.Window)
	}
	if s.Requests != nil {
		used = strconv.FormatInt(*s.Requests, 10)
	}
	if s.Remaining != nil {
		left = strconv.FormatInt(*s.Remaining, 10)
	}
	if s.LastUsedAt.Value != nil {
		lastUsed = *s.LastUsedAt.Value
	}
	each := strings.Join(boundsLeft(s.Limits), ", ")
	return []string{s.KeyID, s.Name, s.KeyPrefix, limit, used, left, lastUsed, s.Plan, each}
}

func userTrailCommand() *cobra.Command {
	var page pageOf
	return onUser(onOne{
		use: "audit", reads: true, page: &page,
		short:   "Show the audit trail of a user and of its keys, newest entry first",
		example: "  latchkey users audit u1\n  latchkey users audit u1 --limit 1 --json",
		do: func(c *cobra.Command, user string) (client.Answer, error) {
			return ownersTrail(c, user, &page)
		},
		print: printOwnersTrail,
	})
}

// ownersTrail returns a page of the audit entries that belong to an owner.
func ownersTrail(c *cobra.Command, owner string, page *pageOf) (client.Answer, error) {
	query := page.query(map[string]string{"userId": owner})
	return callAPI(c, http.MethodGet, "/api/v1/audit", query, nil)
}

// printOwnersTrail prints audit entries with the key, the user or the plan that each is about.
func printOwnersTrail(c *cobra.Command, answer client.Answer, out *output) error {
	return printPage(noTrail, append([]string{"OF"}, trailColumns...), func(e api.TrailEntry) []string {
		return append([]string{e.KeyID}, trailRow(e)...)
	})(c, answer, out)
}
