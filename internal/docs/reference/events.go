package reference

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Events returns the reference of the audit entries in an OpenAPI document in JSON, and of the
// sample events in folder.
func Events(openAPI []byte, folder string) (string, error) {
	d, err := readDocument(openAPI)
	if err != nil {
		return "", err
	}
	w := new(writer)
	for _, list := range []struct{ heading, schema, field string }{
		{"Actions of an audit entry", "TrailEntry", "action"},
		{"Types of actors", "TrailActor", "type"},
	} {
		values := d.Components.Schemas[list.schema].Properties[list.field].Enum
		if len(values) == 0 {
			return "", fmt.Errorf("the document lists no values of %s.%s", list.schema, list.field)
		}
		w.heading(2, list.heading)
		for _, v := range values {
			w.entry(fmt.Sprintf("`%v`", v))
		}
	}
	w.heading(2, "Fields of an audit entry")
	fields(w, d.Components.Schemas["TrailEntry"], "")
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return "", err
	}
	w.heading(2, "Sample events")
	w.printf("| file in events/ | request | path |\n|---|---|---|\n")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		var e sample
		if err := json.Unmarshal(text, &e); err != nil {
			return "", fmt.Errorf("read %s: %w", file, err)
		}
		kind, path := e.request()
		w.printf("| %s | %s | %s |\n", filepath.Base(file), kind, path)
	}
	return w.String(), nil
}

// sample is what tells sample events apart.
type sample struct {
	Type, Version, HTTPMethod, Path, RawPath string
	MethodArn, RouteArn                      string
}

// request returns the kind of the event's request, and its path.
func (e *sample) request() (kind, path string) {
	if e.Type == "" {
		return e.HTTPMethod, e.Path
	}
	// After the API and the stage, an ARN has the method and the path.
	parts := strings.SplitN(e.MethodArn+e.RouteArn, "/", 4)
	kind, path = parts[2], cmp.Or(e.Path, e.RawPath)
	if path == "" && len(parts) > 3 {
		path = "/" + parts[3]
	}
	kind += " (" + e.Type + " authorizer"
	if e.Version != "" {
		kind += ", payload format " + e.Version
	}
	return kind + ")", path
}
