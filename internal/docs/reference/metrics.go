package reference

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Metrics returns the reference of all metrics, from the table in the comment of the Go package in
// folder, and of all alarms in templateText. It fails if a constant of the package has no row.
func Metrics(folder string, templateText []byte) (string, error) {
	comment, names, err := metricsOf(folder)
	if err != nil {
		return "", err
	}
	w := new(writer)
	w.heading(2, "Metrics in the namespace Latchkey")
	w.printf("| metric | unit | dimensions | meaning |\n|---|---|---|---|\n")
	rows := 0
	for line := range strings.Lines(comment) {
		cells := strings.Split(strings.TrimSpace(line), "  ")
		cells = slices.DeleteFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" })
		if len(cells) != 4 || !slices.Contains(names, cells[0]) {
			continue
		}
		rows++
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		w.printf("| `%s` | %s | %s | %s |\n", cells[0], cells[1], cells[2], cells[3])
	}
	if rows != len(names) {
		return "", fmt.Errorf("the comment of %s has %d rows for the metrics %v", folder, rows, names)
	}
	var t struct {
		Resources map[string]struct {
			Properties struct {
				AlarmDescription string `yaml:"AlarmDescription"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(templateText, &t); err != nil {
		return "", fmt.Errorf("read the template: %w", err)
	}
	w.heading(2, "Alarms")
	alarms := 0
	for _, name := range slices.Sorted(maps.Keys(t.Resources)) {
		if about := t.Resources[name].Properties.AlarmDescription; about != "" {
			alarms++
			w.entry(fmt.Sprintf("[%s](operate.md#%s): %s", name, strings.ToLower(name), escaped(about)))
		}
	}
	if alarms == 0 {
		return "", errors.New("the template has no alarms")
	}
	return w.String(), nil
}

// metricsOf returns the comment of a Go package and the texts of its exported constants that name
// metrics, which are those equal to their own names.
func metricsOf(folder string) (comment string, names []string, err error) {
	files, err := source(folder)
	if err != nil {
		return "", nil, err
	}
	for _, file := range files {
		if file.Doc != nil {
			comment += file.Doc.Text()
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil && text == spec.Names[0].Name &&
					spec.Names[0].IsExported() {
					names = append(names, text)
				}
			}
			return true
		})
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "", nil, fmt.Errorf("%s has no constants that name metrics", folder)
	}
	return comment, names, nil
}
