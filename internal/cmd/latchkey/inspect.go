package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/client"
	"latchkey/internal/migrate"
)

func explainCommand() *cobra.Command {
	var method, path, source, at string
	var cost int64
	c := onKey(onOne{
		use: "explain", reads: true,
		short: "Show why a request is allowed or refused; exit code 3 if refused",
		example: `  latchkey keys explain fbvIj5lD1wYRMsd9
  latchkey keys explain fbvIj5lD1wYRMsd9 --method POST \
    --path /tts/speak --source-ip 192.0.2.7`,
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			body := api.ExplainRequest{Method: strings.ToUpper(method), Path: path, SourceIP: nonZero(source)}
			if moment, ok := migrate.ParseTime(at); ok {
				body.At = nonZero(moment.Format(time.RFC3339Nano))
			}
			if c.Flags().Changed("cost") {
				body.Cost = (*api.Integer)(&cost)
			}
			return callAPI(c, http.MethodPost, keyPath(id)+"/explain", nil, body)
		},
		print: func(c *cobra.Command, answer client.Answer, out *output) error {
			explained, err := decode[api.ExplainResponse](answer.Body)
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
			if out.asJSON() {
				err = out.printJSON(c, answer.Body)
			} else {
				err = out.printRows(c, []string{"CHECK", "RESULT", "WHAT DECIDED"}, rows)
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
	completeFlag(c, "method", oneOf(methods()...))
	textFlag(c.Flags(), &path, "path", "/", "path of the request, without the stage", checkPath)
	textFlag(c.Flags(), &source, "source-ip", "", "IP address of the caller", checkAddress)
	numberFlag(c.Flags(), &cost, "cost", 0, 0, apikey.MaxRequests,
		"requests that the call would spend; by default as many as a rule has for the route, or 1")
	textFlag(c.Flags(), &at, "at", "", "`TIME` of the request, e.g. 2027-01-31T12:00:00Z; by default now", checkTime)
	return c
}

func usageCommand() *cobra.Command {
	var days daysFlags
	c := onKey(onOne{
		use: "usage", reads: true, short: "Show a key's requests on each day (UTC)",
		example: `  latchkey keys usage fbvIj5lD1wYRMsd9
  latchkey keys usage fbvIj5lD1wYRMsd9 --plot
  latchkey keys usage fbvIj5lD1wYRMsd9 --from 2027-01-01 --to 2027-01-31 --json`,
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, keyPath(id)+"/usage", days.query(""), nil)
		},
		print: days.print,
	})
	days.add(c)
	return c
}

// daysFlags are the flags that name a span of days and say how it is printed.
type daysFlags struct {
	from, to string
	plot     bool
}

func (d *daysFlags) add(c *cobra.Command) {
	textFlag(c.Flags(), &d.from, "from", "", "first `DAY`, e.g. 2027-01-01", checkDay)
	textFlag(c.Flags(), &d.to, "to", "", "last `DAY`; by default today", checkDay)
	c.Flags().BoolVar(&d.plot, "plot", false, "draw a bar for each day")
	for _, form := range []string{"json", "jq", "output"} {
		c.MarkFlagsMutuallyExclusive("plot", form)
	}
}

// query returns the query for the days and for a user. If user is empty, it names no user.
func (d *daysFlags) query(user string) url.Values {
	return nonEmpty(map[string]string{"from": d.from, "to": d.to, "userId": user})
}

func (d *daysFlags) print(c *cobra.Command, answer client.Answer, out *output) error {
	if d.plot {
		return printPlot(c, answer.Body)
	}
	return printPage("No days.", []string{"DAY", "REQUESTS", "REFUSED"}, func(day api.DayUsage) []string {
		return []string{day.Date, strconv.FormatInt(day.Requests, 10), refusedOf(day)}
	})(c, answer, out)
}

func trailCommand() *cobra.Command {
	var page pageOf
	return onKey(onOne{
		use: "audit", reads: true, page: &page, short: "Show the audit trail of a key, newest entry first",
		example: "  latchkey keys audit fbvIj5lD1wYRMsd9\n  latchkey keys audit fbvIj5lD1wYRMsd9 --limit 1 --json",
		do: func(c *cobra.Command, id string) (client.Answer, error) {
			return callAPI(c, http.MethodGet, keyPath(id)+"/audit", page.query(nil), nil)
		},
		print: printPage(noTrail, trailColumns, trailRow),
	})
}

const noTrail = "No audit entries are stored."

var trailColumns = []string{"AT", "ACTION", "BY", "FROM", "CHANGES"}

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
	if e.Actor.Name != "" {
		actor += " (" + e.Actor.Name + ")"
	}
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
