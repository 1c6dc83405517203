package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/migrate"
	"latchkey/internal/registry"
)

// importList lists the effect of each line in a dry run. It has no tokens.
type importList []importedLine

// importedLine is the effect of one line. Scopes, Limit and ExpiresAt belong to a key that it would
// create.
type importedLine struct {
	Line        int      `json:"line"`
	Did         string   `json:"would"`
	UserID      string   `json:"userId"`
	Name        string   `json:"name"`
	Environment string   `json:"environment"`
	Scopes      []string `json:"scopes,omitzero"`
	Limit       string   `json:"limit,omitempty"`
	ExpiresAt   string   `json:"expiresAt,omitempty"`
}

var importColumns = []string{"LINE", "WOULD BE", "USER", "NAME", "SCOPES", "LIMIT", "EXPIRES"}

// add adds a line that was imported.
func (l *importList) add(line migrate.Line, did registry.Imported) {
	in, c := line.Import, line.Import.Change
	made := importedLine{Line: line.Number, Did: string(did), UserID: in.UserID, Environment: string(in.Environment)}
	if c.Name != nil {
		made.Name = *c.Name
	}
	if did == registry.ImportCreated { // a token that is added has the settings of its key
		limit := apikey.DefaultLimit()
		if c.Limit != nil {
			limit = *c.Limit
		}
		made.Limit = formatLimit(limit.Requests, int64(limit.Window/time.Second))
		if c.Unlimited != nil && *c.Unlimited {
			made.Limit = "unlimited"
		}
		made.Scopes = []string{}
		if c.Scopes != nil {
			made.Scopes = append(made.Scopes, *c.Scopes...)
		}
		if c.ExpiresAt != nil {
			made.ExpiresAt = c.ExpiresAt.Format(time.RFC3339)
		}
	}
	*l = append(*l, made)
}

// sort puts the lines in the order of the file.
func (l importList) sort() {
	slices.SortFunc(l, func(a, b importedLine) int { return a.Line - b.Line })
}

// rows returns a row for each line.
func (l importList) rows() [][]string {
	rows := make([][]string, 0, len(l))
	for _, k := range l {
		scopes := strings.Join(k.Scopes, ",")
		rows = append(rows, []string{strconv.Itoa(k.Line), k.Did, k.UserID, k.Name, scopes, k.Limit, k.ExpiresAt})
	}
	return rows
}
