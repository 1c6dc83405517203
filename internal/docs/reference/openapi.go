package reference

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document holds the parts of an OpenAPI document that the manual shows.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Tags       []struct{ Name, Description string }
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Summary, Description string
	Tags                 []string
	Parameters           []parameter
	RequestBody          struct{ Content map[string]content }
	Responses            map[string]struct{ Content map[string]content }
	Security             []map[string][]string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                schema
}

type content struct {
	Example any
	Schema  schema
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Format, Description  string
	Enum                 []any
	Minimum, Maximum     *float64
	MinLength, MaxLength *int
	MinItems, MaxItems   *int
	Items                *schema
	Properties           map[string]schema
	Required             []string
}

// fieldsInOrder are the names of a schema's fields: the required ones first.
func (s schema) fieldsInOrder() []string {
	return slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		need := func(name string) int {
			if slices.Contains(s.Required, name) {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(need(a), need(b)), strings.Compare(a, b))
	})
}

// kind describes a schema in a few words.
func (s schema) kind() string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return fmt.Sprintf("[%s](api.md#%s)", name, strings.ToLower(name))
	}
	var words []string
	types, _ := s.Type.([]any)
	if one, ok := s.Type.(string); ok {
		types = []any{one}
	}
	for _, t := range types {
		words = append(words, map[any]string{
			"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object",
			"array": "list", "null": "null", "number": "number",
		}[t])
	}
	text := strings.Join(words, " or ")
	if s.Items != nil {
		text += " of " + s.Items.kind()
	}
	if s.Format == "date-time" {
		text = strings.Replace(text, "text", "time", 1)
	}
	return text + s.bounds()
}

func (s schema) bounds() string {
	text := ""
	between := func(least, most *float64, unit string) {
		switch {
		case least != nil && most != nil:
			text += fmt.Sprintf(", %.0f to %.0f%s", *least, *most, unit)
		case least != nil:
			text += fmt.Sprintf(", at least %.0f%s", *least, unit)
		case most != nil:
			text += fmt.Sprintf(", at most %.0f%s", *most, unit)
		}
	}
	number := func(n *int) *float64 {
		if n == nil {
			return nil
		}
		f := float64(*n)
		return &f
	}
	between(s.Minimum, s.Maximum, "")
	between(number(s.MinLength), number(s.MaxLength), " characters")
	between(number(s.MinItems), number(s.MaxItems), " entries")
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		text += ": one of " + strings.Join(values, ", ")
	}
	return text
}

func readDocument(text []byte) (document, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return document{}, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	if len(d.Paths) == 0 || len(d.Components.Schemas) == 0 {
		return document{}, fmt.Errorf(
			"the OpenAPI document has %d paths and %d schemas",
			len(d.Paths),
			len(d.Components.Schemas),
		)
	}
	return d, nil
}

// API returns the reference of all routes and types of an OpenAPI document in JSON.
func API(openAPI []byte) (string, error) {
	d, err := readDocument(openAPI)
	if err != nil {
		return "", err
	}
	w := new(writer)
	for _, tag := range d.Tags {
		w.heading(2, "Routes: "+tag.Name)
		w.paragraph(tag.Description)
		for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
			for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
				if o := d.Paths[path][method]; slices.Contains(o.Tags, tag.Name) {
					route(w, strings.ToUpper(method)+" "+path, o)
				}
			}
		}
	}
	w.heading(2, "Types")
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		w.heading(3, name)
		fields(w, d.Components.Schemas[name], "")
	}
	return w.String(), nil
}

func route(w *writer, name string, o operation) {
	w.heading(3, name)
	w.paragraph(escaped(o.Summary + ". " + o.Description))
	w.printf("\n")
	if open := slices.ContainsFunc(o.Security, func(s map[string][]string) bool { return len(s) == 0 }); open {
		w.entry("Needs no key.")
	}
	for _, p := range o.Parameters {
		need := ""
		if p.Required {
			need = ", required"
		}
		w.entry(
			strings.TrimRight(
				fmt.Sprintf("%s `%s` (%s%s): %s", p.In, p.Name, p.Schema.kind(), need, escaped(p.Description)),
				": ",
			),
		)
	}
	if bodies := o.RequestBody.Content; len(bodies) > 0 {
		first := slices.Sorted(maps.Keys(bodies))[0]
		w.entry("Body: " + bodies[first].Schema.kind())
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		kind := "no body"
		for _, media := range slices.Sorted(maps.Keys(o.Responses[status].Content)) {
			kind = o.Responses[status].Content[media].Schema.kind()
		}
		w.entry("Answers " + status + ": " + kind)
	}
	var refusals []string
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if !strings.HasPrefix(status, "2") {
			refusals = append(refusals, status)
		}
	}
	w.entry("Errors: " + strings.Join(refusals, ", "))
	for _, media := range slices.Sorted(maps.Keys(o.RequestBody.Content)) {
		if body := o.RequestBody.Content[media].Example; body != nil {
			w.printf("\nA body, as in the document:\n")
			w.block("json", example(body))
			return
		}
	}
}

// example writes a value as JSON, on one line if it fits.
func example(value any) string {
	text, err := json.Marshal(value)
	if err == nil && len(text) > columns {
		text, err = json.MarshalIndent(value, "", "  ")
	}
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(text)
}

// fields writes the fields of an object, and those of objects in it below them.
func fields(w *writer, s schema, prefix string) {
	for _, name := range s.fieldsInOrder() {
		f := s.Properties[name]
		need := ""
		if slices.Contains(s.Required, name) {
			need = ", always present"
		}
		w.entry(
			strings.TrimRight(fmt.Sprintf("`%s%s` (%s%s): %s", prefix, name, f.kind(), need, escaped(f.Description)), ": "),
		)
		fields(w, f, prefix+name+".")
	}
}
