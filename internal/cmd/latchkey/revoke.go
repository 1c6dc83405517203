package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/client"
)

func revokeCommand() *cobra.Command {
	var user, reason string
	out := &output{}
	c := onKey(onOne{
		out: out,
		use: "revoke", short: "Revoke a key permanently; its record stays", final: "Revoke",
		example: `  latchkey keys revoke fbvIj5lD1wYRMsd9
  latchkey keys revoke fbvIj5lD1wYRMsd9 --reason stolen --yes --json
  latchkey keys revoke --user u1 --yes`,
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return callAPI(c, http.MethodPost, keyPath(id)+"/revoke", nil, reasonBody(reason))
		},
	})
	c.Use = "revoke {ID | --user ID}"
	c.Long = `Revokes a key permanently; its record stays. With --user it revokes all keys of
a user, and first says how many. Only an admin may do that.` + apiHelp
	userFlag(c, &user, "`ID` of a user whose keys are all revoked", checkOwner)
	textFlag(c.Flags(), &reason, "reason", "",
		"why, as `TEXT` of at most 200 characters; validate tells it to someone who presents the key", checkReason)
	c.MarkFlagsMutuallyExclusive("user", "if-match")
	checkOne, revokeOne := c.Args, c.RunE
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case user == "":
			return checkOne(c, args)
		case len(args) > 0:
			return usageError{errors.New("takes the ID of a key or --user, and not both")}
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if user == "" {
			return revokeOne(c, args)
		}
		return revokeAll(c, user, reason, out)
	}
	return c
}

func checkReason(text string) error {
	_, err := apikey.CheckReason(text)
	return problemOf(err)
}

// reasonBody returns the body of a revocation, or nil if there is no reason.
func reasonBody(reason string) any {
	if reason == "" {
		return nil
	}
	return api.RevokeRequest{Reason: &reason}
}

// revokeAll revokes all keys of a user, and prints how many it has revoked. If it ends early, the
// error says how many keys it has revoked before.
func revokeAll(c *cobra.Command, user, reason string, out *output) error {
	yes, err := c.Flags().GetBool("yes")
	if err != nil {
		return err
	}
	if !yes {
		n, err := countLive(c, user)
		if err != nil {
			return err
		}
		if n == 0 {
			fmt.Fprintf(c.ErrOrStderr(), "User %s has no key that could be revoked.\n", oneLine(user))
			return nil
		}
		question := fmt.Sprintf("Revoke %s of user %s?", plural(n, "key", "keys"), oneLine(user))
		if err := confirm(c, false, question); err != nil {
			return err
		}
	}
	var all api.RevokedResponse
	for cursor := ""; ; cursor = all.NextCursor {
		query := nonEmpty(map[string]string{"cursor": cursor})
		answer, err := callAPI(c, http.MethodPost, pathOfUser(user)+"/revoke-keys", query, reasonBody(reason))
		if err == nil {
			var page api.RevokedResponse
			page, err = decode[api.RevokedResponse](answer.Body)
			all = api.RevokedResponse{Revoked: all.Revoked + page.Revoked, NextCursor: page.NextCursor}
		}
		if err != nil && all.Revoked == 0 {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w\nlatchkey: it has revoked %s; to go on, run the same command again",
				err, plural(all.Revoked, "key", "keys"))
		}
		if all.NextCursor == "" {
			break
		}
	}
	answer, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return printAnswer(c, client.Answer{Body: answer}, out)
}

// countLive returns how many keys of a user are not revoked.
func countLive(c *cobra.Command, user string) (n int, err error) {
	query := url.Values{"userId": {user}, "limit": {"100"}}
	for {
		answer, err := callAPI(c, http.MethodGet, api.KeysPath, query, nil)
		if err != nil {
			return 0, err
		}
		keys, err := decode[page[api.Record]](answer.Body)
		if err != nil {
			return 0, err
		}
		for _, k := range keys.Data {
			if k.RevokedAt == "" {
				n++
			}
		}
		if keys.NextCursor == "" {
			return n, nil
		}
		query.Set("cursor", keys.NextCursor)
	}
}
