package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"latchkey/internal/client"
)

// everybody is the value of --user for all users. Only an admin may name it.
const everybody = "*"

// audience is whose records a command shows: those of the user that --user names or, without it, of
// all users for an admin and of the caller otherwise.
type audience struct {
	user  string
	known bool // user is what to ask for, even if it is empty
}

func (a *audience) add(c *cobra.Command) {
	userFlag(c, &a.user,
		"`ID` of the user, or '*' for all; by default all users\nfor an admin, and you otherwise", checkOwner)
}

// ask calls request with the user to ask for, which is empty for the caller. If the caller turns out
// not to be an admin, it calls request again.
func (a *audience) ask(request func(user string) (client.Answer, error)) (client.Answer, error) {
	if a.known || a.user != "" {
		return request(a.user)
	}
	answer, err := request(everybody)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		answer, err = request("")
		a.known = err == nil
		return answer, err
	}
	if a.known = err == nil; a.known {
		a.user = everybody
	}
	return answer, err
}
