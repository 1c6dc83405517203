package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/migrate"
)

func explainCommand() *cobra.Command {
	var method, path, source, at string
	var cost int64
	c := onOne(oneKey{
		use: "explain", short: "Show why a request with a key is allowed or refused; exit code 3 if it is refused",
		example: `  latchkey keys explain fbvIj5lD1wYRMsd9
  latchkey keys explain fbvIj5lD1wYRMsd9 --method POST --path /tts/speak --source-ip 192.0.2.7`,
		do: func(c *cobra.Command, id string) (json.RawMessage, error) {
			body := api.ExplainRequest{Method: strings.ToUpper(method), Path: path, SourceIP: nonZero(source)}
			if moment, ok := migrate.ParseTime(at); ok {
				body.At = nonZero(moment.Format(time.RFC3339Nano))
			}
			if c.Flags().Changed("cost") {
				body.Cost = (*api.Integer)(&cost)
			}
			return callAPI(c.Context(), http.MethodPost, keyPath(id)+"/explain", nil, body)
		},
		print: func(c *cobra.Command, answer json.RawMessage, asJSON bool) error {
			explained, err := decode[api.ExplainResponse](answer)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, check := range explained.Checks {
				result := "pass"
				if !check.Pass {
					result = "FAIL"
				}
				rows = append(rows, []string{string(check.Check), result, check.Detail})
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), answer)
			} else {
				err = printRows(c.OutOrStdout(), []string{"CHECK", "RESULT", "WHAT DECIDED"}, rows)
			}
			if err != nil {
				return err
			}
			if explained.Code != api.ExplainCode(apikey.CodeValid) {
				return verdictNo{errors.New("refused: " + oneLine(string(explained.Code)))}
			}
			return nil
		},
	})
	textFlag(c.Flags(), &method, "method", http.MethodGet, "method of the request", checkMethod)
	textFlag(c.Flags(), &path, "path", "/", "path of the request, without the stage", checkPath)
	textFlag(c.Flags(), &source, "source-ip", "", "IP address of the caller", checkAddress)
	numberFlag(c.Flags(), &cost, "cost", 1, 0, apikey.MaxRequests, "requests that the call would spend")
	textFlag(c.Flags(), &at, "at", "", "`TIME` of the request, e.g. 2027-01-31T12:00:00Z; by default now", checkTime)
	return c
}

func usageCommand() *cobra.Command {
	var from, to string
	c := onOne(oneKey{
		use: "usage", short: "Show a key's requests on each day (UTC)",
		example: `  latchkey keys usage fbvIj5lD1wYRMsd9
  latchkey keys usage fbvIj5lD1wYRMsd9 --from 2027-01-01 --to 2027-01-31 --json`,
		do: func(c *cobra.Command, id string) (json.RawMessage, error) {
			query := nonEmpty(map[string]string{"from": from, "to": to})
			return callAPI(c.Context(), http.MethodGet, keyPath(id)+"/usage", query, nil)
		},
		print: printPage("No days.", []string{"DAY", "REQUESTS"}, func(day api.DayUsage) []string {
			return []string{day.Date, strconv.FormatInt(day.Requests, 10)}
		}),
	})
	textFlag(c.Flags(), &from, "from", "", "first `DAY`, e.g. 2027-01-01", checkDay)
	textFlag(c.Flags(), &to, "to", "", "last `DAY`; by default today", checkDay)
	return c
}

func trailCommand() *cobra.Command {
	var cursor string
	var limit int64
	c := onOne(oneKey{
		use: "audit", short: "Show the audit trail of a key, newest entry first",
		example: "  latchkey keys audit fbvIj5lD1wYRMsd9\n  latchkey keys audit fbvIj5lD1wYRMsd9 --limit 1 --json",
		do: func(c *cobra.Command, id string) (json.RawMessage, error) {
			query := nonEmpty(map[string]string{"cursor": cursor, "limit": strconv.FormatInt(limit, 10)})
			return callAPI(c.Context(), http.MethodGet, keyPath(id)+"/audit", query, nil)
		},
		print: printPage("No audit entries are stored.", []string{"AT", "ACTION", "BY", "FROM", "CHANGES"}, trailRow),
	})
	pageFlags(c.Flags(), &cursor, &limit)
	return c
}

func trailRow(e api.TrailEntry) []string {
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(e.Changes)) {
		change := e.Changes[name]
		changes = append(changes, fmt.Sprintf("%s: %s -> %s", name, compact(change.Before), compact(change.After)))
	}
	if e.Flaw != "" {
		changes = append(changes, e.Flaw)
	}
	actor := string(e.Actor.Type) + " " + e.Actor.ID
	return []string{e.At, string(e.Action), actor, e.SourceIP, strings.Join(changes, "; ")}
}

// compact returns a decoded JSON value as one line of JSON.
func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}
