package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
)

const unlimited = "unlimited"

// boundRow returns the row of a limit or a quota whose fields are rows. It is nil if the fields are
// not those of one.
func boundRow(name string, fields [][]string) []string {
	of := make(map[string]string, len(fields))
	for _, f := range fields {
		of[f[0]] = f[1]
	}
	text, ok := boundText(of)
	if !ok {
		return nil
	}
	row := []string{name, text}
	if level := of["of"]; level != "" {
		row = append(row, "of the "+level)
	}
	if used := of["used"]; used != "" {
		row = append(row, used+" used")
	}
	if left := of["remaining"]; left != "" {
		row = append(row, left+" left")
	}
	if reset, err := strconv.ParseInt(of["reset"], 10, 64); err == nil {
		row = append(row, "reset "+time.Unix(reset, 0).UTC().Format(time.RFC3339))
	}
	return row
}

// boundText returns a limit or a quota as people write it.
func boundText(of map[string]string) (string, bool) {
	amount, err := strconv.ParseInt(of["amount"], 10, 64)
	if err != nil {
		return "", false
	}
	if period := of["period"]; period != "" {
		return formatQuota(amount, api.Period(period)), true
	}
	window, err := strconv.ParseInt(of["window"], 10, 64)
	return formatLimit(amount, window), err == nil
}

var keyColumns = []string{
	"ID", "NAME", "USER", "STATUS", "PREFIX", "LIMIT", "EXPIRES", "CREATED", "OLDER UNTIL", "LAST USED",
	"QUOTA", "PLAN", "SHARED",
}

// keyRow returns the columns of a key. LIMIT and QUOTA are of the key alone, and SHARED is what the
// key shares with others of its user.
func keyRow(k api.Record) []string {
	quota, shared := "", ""
	if k.Quota != nil {
		quota = formatQuota(k.Quota.Requests, k.Quota.Period)
	}
	if k.Shared != nil {
		shared = formatBounds(k.Shared.Limits, k.Shared.Quota)
	}
	return []string{
		k.ID, k.Name, k.UserID, string(k.Status), k.KeyPrefix, ownLimits(k), k.ExpiresAt, k.CreatedAt,
		k.PreviousKeyValidUntil, lastUse(k), quota, k.Plan, shared,
	}
}

// ownLimits returns the limits of the key alone.
func ownLimits(k api.Record) string {
	if k.Unlimited {
		return unlimited
	}
	var own []string
	if l := k.RateLimit.Value; l != nil {
		own = append(own, formatLimit(l.Requests, l.Window))
	}
	for _, l := range k.Limits {
		own = append(own, formatLimit(l.Amount, l.Window))
	}
	if len(own) == 0 {
		return "-"
	}
	return strings.Join(own, ",")
}

// printKeys prints a page of keys. On a terminal, what they share comes after it if one user owns them.
func printKeys(c *cobra.Command, answer client.Answer, out *output) error {
	err := printPage("No keys. latchkey keys create makes one.", keyColumns, keyRow)(c, answer, out)
	if err != nil || out.form != formTable || out.asJSON() || out.page.all || !isTerminal(c.OutOrStdout()) {
		return err
	}
	keys, err := decode[page[api.Record]](answer.Body)
	if err != nil || len(keys.Data) == 0 {
		return err
	}
	owner := keys.Data[0].UserID
	if slices.ContainsFunc(keys.Data, func(k api.Record) bool { return k.UserID != owner }) {
		return nil
	}
	return printShared(c, owner)
}

// boundsLeft returns each limit and quota with the number of its remaining requests.
func boundsLeft(bounds []api.Bound) (texts []string) {
	for _, b := range bounds {
		text := formatQuota(b.Amount, b.Period)
		if b.Window > 0 {
			text = formatLimit(b.Amount, b.Window)
		}
		texts = append(texts, fmt.Sprintf("%s (%d left)", text, b.Remaining))
	}
	return texts
}

// printShared prints the limits that all keys of a user share, with their remaining requests, on
// standard error. It prints nothing if there are none, or if the caller may not see them.
func printShared(c *cobra.Command, userID string) error {
	answer, err := callAPI(c, http.MethodGet, pathOfUser(userID), nil, nil)
	if err != nil {
		return nil // the command has printed the keys already
	}
	u, err := decode[api.User](answer.Body)
	if err != nil {
		return err
	}
	var texts []string
	if u.Suspended {
		texts = append(texts, "suspended")
	}
	if u.Plan != "" {
		texts = append(texts, "plan "+u.Plan)
	}
	texts = append(texts, boundsLeft(u.Bounds)...)
	if len(texts) > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "\nAll keys of %s together: %s\n", oneLine(userID), oneLine(strings.Join(texts, ", ")))
	}
	return nil
}
