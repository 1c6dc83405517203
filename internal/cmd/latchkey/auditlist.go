package main

import (
	"cmp"
	"net/http"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
	"latchkey/internal/registry"
)

func auditListCommand() *cobra.Command {
	var user, action string
	var page pageOf
	var out *output
	c := &cobra.Command{
		Use:   "list",
		Short: "Show who changed what, newest entry first",
		Long: `Shows the audit entries of all users, the newest first: which key or record was
changed, when, by whom, from where, and what changed. If there are more than
20000 entries, name a user. Only an admin may do this.` + apiHelp,
		Example: `  latchkey audit list
  latchkey audit list --user u1 --action revoke
  latchkey audit list --user '*' --all --jq '.data[] | .actor.id'`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return out.show(c, func() (client.Answer, error) {
				query := page.query(map[string]string{"userId": cmp.Or(user, everybody), "action": action})
				return callAPI(c, http.MethodGet, "/api/v1/audit", query, nil)
			}, printOwnersTrail)
		},
	}
	userFlag(c, &user, "`ID` of the user; by default all users", checkOwner)
	choiceFlag(c, &action, "action", "", "`ACTION`, such as create, rotate or revoke", registry.Actions()...)
	out = apiOutput(c)
	out.paged(c, &page)
	return c
}
