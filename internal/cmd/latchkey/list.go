package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
	"latchkey/internal/migrate"
)

// listFlags are the flags that choose and sort keys.
type listFlags struct {
	user, status, search, sort string
	expires, unused            string
	neverUsed, rotating        bool
	page                       pageOf
}

func listCommand() *cobra.Command {
	var f listFlags
	var out *output
	c := &cobra.Command{
		Use:   "list",
		Short: "List keys, newest first",
		Long: `Lists a user's keys, or those of all users for an admin, newest first or as
--sort says. A key must fit all flags that are given. A change of the last
seconds may be missing.` + apiHelp,
		Example: `  latchkey keys list --status active
  latchkey keys list --user u1 --all --jq '.data[].id'
  latchkey keys list --user '*' --expires-before 7d
  latchkey keys list --user '*' --unused-since 90d --sort lastUsed -o csv`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			query := f.query(time.Now()) // one time for all pages
			return out.show(c, func() (client.Answer, error) {
				return callAPI(c, http.MethodGet, api.KeysPath, f.page.query(query), nil)
			}, printKeys)
		},
	}
	userFlag(c, &f.user, "`ID` of the user, or '*' for all; by default you", checkOwner)
	choiceFlag(c, &f.status, "status", "", "active, disabled, inactive, revoked or expired",
		"active", "disabled", "inactive", "revoked", "expired")
	textFlag(c.Flags(), &f.search, "search", "", "`TEXT` with which the name, the id or the prefix begins", checkSearch)
	choiceFlag(c, &f.sort, "sort", "",
		"created, lastUsed or spent: the newest, the last used,\nor the nearest to its limit first",
		"created", "lastUsed", "spent")
	textFlag(c.Flags(), &f.expires, "expires-before", "", "`WHEN` the key expires at the latest, e.g. 7d", checkAhead)
	textFlag(c.Flags(), &f.unused, "unused-since", "",
		"`WHEN` the key was last used at the latest, e.g. 90d\n(ago) or 2027-01-31", checkPast)
	c.Flags().BoolVar(&f.neverUsed, "never-used", false, "only keys that were never used")
	c.Flags().BoolVar(&f.rotating, "rotating", false, "only keys of which an older token still works")
	out = apiOutput(c)
	out.paged(c, &f.page)
	return c
}

// query returns the parameters of the list. Some may be empty. Times are relative to now.
func (f *listFlags) query(now time.Time) map[string]string {
	query := map[string]string{"userId": f.user, "status": f.status, "search": f.search, "sort": f.sort}
	if f.expires != "" {
		query["expiresBefore"], _ = parseMoment(f.expires, now) // the flag has checked it
	}
	if f.unused != "" {
		query["unusedSince"], _ = parsePast(f.unused, now) // the flag has checked it
	}
	for name, set := range map[string]bool{"neverUsed": f.neverUsed, "rotating": f.rotating} {
		if set {
			query[name] = "true"
		}
	}
	return query
}

// parsePast reads a time, or a time before now such as "90d".
func parsePast(text string, now time.Time) (string, error) {
	at, ok := migrate.ParseTime(text)
	if !ok {
		span, ok := parseSpan(text)
		if !ok {
			return "", errors.New("must be a time ago such as 90d or 12h, a date such as 2027-01-31, " +
				"or a time such as 2027-01-31T12:00:00Z")
		}
		at = now.Add(-span).UTC()
	}
	return at.Format(time.RFC3339), nil
}

func checkPast(text string) error {
	_, err := parsePast(text, time.Time{}.AddDate(2000, 0, 0))
	return err
}

// checkAhead accepts what parseMoment does, but not never.
func checkAhead(text string) error {
	if text == "never" {
		return errors.New("must be a time from now such as 7d or 12h, or a date such as 2027-01-31")
	}
	return checkMoment(text)
}

func checkSearch(text string) error {
	if len(text) > 255 {
		return errors.New("must be at most 255 bytes, such as ci")
	}
	return nil
}
