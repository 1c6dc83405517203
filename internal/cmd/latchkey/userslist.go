package main

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

func usersListCommand() *cobra.Command {
	var search string
	var page pageOf
	var out *output
	c := &cobra.Command{
		Use:   "list",
		Short: "List the users who own keys, by their ids",
		Long: `Lists the users who own keys, by their ids: how many keys each has, how many of
them are active, and when one was last used. Only an admin may do this.` + apiHelp,
		Example: "  latchkey users list\n  latchkey users list --search team: --all -o csv",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return out.show(c, func() (client.Answer, error) {
				return callAPI(c, http.MethodGet, api.UsersPath, page.query(map[string]string{"search": search}), nil)
			}, printPage("No users.", []string{"USER", "KEYS", "ACTIVE", "LAST USED"}, userRow))
		},
	}
	textFlag(c.Flags(), &search, "search", "", "`TEXT` with which the ids begin", checkSearch)
	out = apiOutput(c)
	out.paged(c, &page)
	return c
}

func userRow(u api.Owner) []string {
	lastUsed := "never"
	if at := u.LastUsedAt.Value; at != nil {
		lastUsed = *at
	}
	return []string{u.UserID, strconv.Itoa(u.Keys), strconv.Itoa(u.Active), lastUsed}
}
