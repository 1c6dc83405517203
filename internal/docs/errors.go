package docs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// refusal is one error that a caller may read.
type refusal struct{ status, code, kind, message string }

// Errors returns the reference of the errors and verdicts in an OpenAPI document in JSON.
func Errors(openAPI []byte) (string, error) {
	d, err := readDocument(openAPI)
	if err != nil {
		return "", err
	}
	w := new(writer)
	w.heading(2, "Codes of errors")
	for _, r := range refusals(d) {
		w.entry(fmt.Sprintf("%s `%s` (`%s`): %s", r.status, r.code, r.kind, escaped(r.message)))
	}
	w.heading(2, "Codes of verdicts")
	for _, v := range d.Components.Schemas["Verdict"].Properties["code"].Enum {
		w.entry(fmt.Sprintf("`%v`", v))
	}
	return w.String(), nil
}

// refusals collects the examples of errors in the document, by status and code.
func refusals(d document) []refusal {
	found := map[string]refusal{}
	for _, path := range d.Paths {
		for _, o := range path {
			for status, response := range o.Responses {
				for _, media := range response.Content {
					example, _ := media.Example.(map[string]any)
					e, ok := example["error"].(map[string]any)
					if !ok {
						continue
					}
					r := refusal{status, fmt.Sprint(e["code"]), fmt.Sprint(e["type"]), fmt.Sprint(e["message"])}
					if old, ok := found[status+r.code]; !ok || r.message < old.message {
						found[status+r.code] = r
					}
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b refusal) int {
		return cmp.Or(strings.Compare(a.status, b.status), strings.Compare(a.code, b.code))
	})
}
