package reference

import (
	"fmt"

	"latchkey/internal/apikey"
)

// Errors returns the reference of all codes, from their table.
func Errors(table []apikey.CodeInfo) string {
	w := new(writer)
	for _, section := range []struct {
		heading, about string
		has            func(apikey.CodeInfo) bool
	}{
		{"Codes of verdicts", "`validate`, `explain`, the log and the metric `Verdicts` use these.",
			func(i apikey.CodeInfo) bool { return i.Verdict }},
		{"Codes of errors", "Responses with an error have these.",
			func(i apikey.CodeInfo) bool { return !i.Verdict && i.Status != 0 }},
		{"Other codes of the log", "The authorizer refuses the request with a 401. Its log has the code.",
			func(i apikey.CodeInfo) bool { return !i.Verdict && i.Status == 0 }},
	} {
		w.heading(2, section.heading)
		w.paragraph(section.about)
		for _, i := range table {
			if section.has(i) {
				code(w, i)
			}
		}
	}
	return w.String()
}

func code(w *writer, i apikey.CodeInfo) {
	w.heading(3, string(i.Code))
	w.paragraph(escaped(i.Meaning))
	w.printf("\n")
	if i.Status >= 400 {
		w.entry(fmt.Sprintf("Status: %d", i.Status))
	}
	if i.AtGateway != "" && (i.Verdict || i.Audience != apikey.ForLog) {
		w.entry(fmt.Sprintf("At the gateway: %d [%s](#%s)", i.AtGateway.Info().Status, i.AtGateway, i.AtGateway))
	}
	if i.Text != "" {
		w.entry("Message: `" + i.Text + "`")
	}
	if i.Check != "" {
		w.entry(fmt.Sprintf("Check in `explain`: `%s`", i.Check))
	}
	if i.Audience == apikey.ForOwner {
		w.entry("Seen by: " + string(i.Audience))
	}
}
