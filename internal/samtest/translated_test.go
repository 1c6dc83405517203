//go:build sam

package samtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the path of the root of the module.
var module = filepath.Join("..", "..")

// parameters are the parameters of a deployment. Others have their defaults.
type parameters map[string]string

// job is one template to translate.
type job struct {
	Template   string     `json:"template"`
	Parameters parameters `json:"parameters"`
	Lint       bool       `json:"lint,omitempty"`
	AWSOnly    bool       `json:"awsOnly,omitempty"` // sam local start-api cannot read it
}

// translation is the result of a job.
type translation struct {
	Error      string         `json:"error"`
	Translated map[string]any `json:"translated"`
	Local      []route        `json:"local"` // the routes of sam local start-api
	Findings   []string       `json:"findings"`
}

type route struct {
	Method, Path, Function string
	Authorizer             string // the function; empty if the route needs no key
}

// stack is a translated template as CloudFormation deploys it. Parameters and conditions are
// resolved, and resources that are not deployed are missing. A reference to a resource has the form
// "${Table}", and to an attribute "${Table.Arn}".
type stack struct {
	Parameters parameters
	Resources  map[string]resource
	Outputs    map[string]struct{ Value string }
	Local      []route
	Source     string // the template
}

type resource struct {
	Type                string
	Condition           string
	DependsOn           any
	DeletionPolicy      string
	UpdateReplacePolicy string
	Properties          map[string]any
}

func templateText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// samTool returns the path of a program that make installs with the SAM CLI.
func samTool(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(module, ".latchkey", "sam", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no %s: make .latchkey/sam/bin/sam brings it", path)
	}
	return path
}

// offline returns the variables of this process without a region, a profile and credentials.
func offline() []string {
	return append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "SAM_CLI_TELEMETRY=0")
}

// translate runs SAM's translator once for all jobs: starting it takes longer than a job.
func translate(t testing.TB, jobs []job) []translation {
	t.Helper()
	for i := range jobs {
		if jobs[i].Parameters == nil {
			jobs[i].Parameters = parameters{}
		}
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	c := exec.CommandContext(t.Context(), samTool(t, "python"), "translate.py")
	c.Env, c.Stdin, c.Stderr = offline(), bytes.NewReader(in), &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("translate.py: %v\n%s", err, problems.String())
	}
	var all []translation
	if err := json.Unmarshal(out, &all); err != nil || len(all) != len(jobs) {
		t.Fatalf("translate.py answered %d of %d jobs: %v", len(all), len(jobs), err)
	}
	return all
}

// deploy does what CloudFormation does with a translated template.
func deploy(j job, tr translation) (s *stack, err error) {
	if tr.Error != "" {
		return nil, fmt.Errorf("SAM: %s", tr.Error)
	}
	defer func() {
		if cause := recover(); cause != nil {
			s, err = nil, fmt.Errorf("CloudFormation: %v", cause)
		}
	}()
	e := evaluator{values: parameters{"AWS::NoValue": ""}, lists: map[string]bool{}}
	for name, p := range section(tr.Translated, "Parameters") {
		e.values[name] = fmt.Sprint(p.(map[string]any)["Default"])
		if value, given := j.Parameters[name]; given {
			e.values[name] = value
		}
		e.lists[name] = text(p, "Type") == "CommaDelimitedList"
	}
	e.conditions = section(tr.Translated, "Conditions")
	if err := e.checkRules(section(tr.Translated, "Rules")); err != nil {
		return nil, fmt.Errorf("CloudFormation: %w", err)
	}
	s = &stack{Parameters: e.values, Local: tr.Local, Source: j.Template}
	resources := map[string]any{}
	for id, r := range section(tr.Translated, "Resources") {
		if condition, ok := r.(map[string]any)["Condition"].(string); !ok || e.holds(condition) {
			resources[id] = e.value(r)
		}
	}
	convert(resources, &s.Resources)
	outputs := map[string]any{}
	for name, o := range section(tr.Translated, "Outputs") {
		if condition, ok := o.(map[string]any)["Condition"].(string); !ok || e.holds(condition) {
			outputs[name] = e.value(o)
		}
	}
	convert(outputs, &s.Outputs)
	return s, nil
}

// checkRules returns the description of the first assertion that does not hold.
func (e evaluator) checkRules(rules map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if condition := at(rules[name], "RuleCondition"); condition != nil && !e.value(condition).(bool) {
			continue
		}
		assertions, _ := at(rules[name], "Assertions").([]any)
		for _, a := range assertions {
			if !e.value(at(a, "Assert")).(bool) {
				return fmt.Errorf("%s: %s", name, text(a, "AssertDescription"))
			}
		}
	}
	return nil
}

func section(template map[string]any, name string) map[string]any {
	s, _ := template[name].(map[string]any)
	return s
}

// convert puts JSON of any form into a typed value; it panics where the form does not fit, as
// deploy expects.
func convert(from, into any) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		panic(err)
	}
}

type evaluator struct {
	values     parameters
	lists      map[string]bool // the parameters that are lists
	conditions map[string]any
}

type noValue struct{}

// value resolves intrinsic functions. It panics on one that it does not know.
func (e evaluator) value(v any) any {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, item := range v {
			if item := e.value(item); item != (noValue{}) {
				list = append(list, item)
			}
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || name == "Condition" && reflect.TypeOf(argument).Kind() == reflect.String || strings.HasPrefix(name, "Fn::") {
					return e.call(name, argument)
				}
			}
		}
		object := map[string]any{}
		for name, item := range v {
			if item := e.value(item); item != (noValue{}) {
				object[name] = item
			}
		}
		return object
	}
	return v
}

var placeholder = regexp.MustCompile(`\$\{[A-Za-z0-9:._]+\}`)

func (e evaluator) call(name string, argument any) any {
	list, _ := argument.([]any)
	switch name {
	case "Ref":
		if argument == "AWS::NoValue" {
			return noValue{}
		}
		if name := argument.(string); e.lists[name] {
			list := []any{}
			for item := range strings.SplitSeq(e.values[name], ",") {
				list = append(list, item)
			}
			return list
		}
		return e.placeholder("${" + argument.(string) + "}")
	case "Fn::Sub":
		if len(list) == 2 {
			inner := evaluator{values: maps.Clone(e.values), conditions: e.conditions}
			for name, value := range list[1].(map[string]any) {
				inner.values[name] = e.value(value).(string)
			}
			return inner.call(name, list[0])
		}
		return placeholder.ReplaceAllStringFunc(argument.(string), e.placeholder)
	case "Fn::GetAtt":
		return fmt.Sprintf("${%s.%s}", list...)
	case "Fn::If":
		if e.holds(list[0].(string)) {
			return e.value(list[1])
		}
		return e.value(list[2])
	case "Fn::Equals":
		return fmt.Sprint(e.value(list[0])) == fmt.Sprint(e.value(list[1]))
	case "Fn::Not":
		return !e.value(list[0]).(bool)
	case "Fn::And":
		return !slices.ContainsFunc(list, func(c any) bool { return !e.value(c).(bool) })
	case "Fn::Or":
		return slices.ContainsFunc(list, func(c any) bool { return e.value(c).(bool) })
	case "Condition":
		return e.holds(argument.(string))
	}
	panic(name + " is not known here")
}

func (e evaluator) placeholder(text string) string {
	if value, ok := e.values[text[2:len(text)-1]]; ok {
		return value
	}
	return text
}

func (e evaluator) holds(condition string) bool {
	c, ok := e.conditions[condition]
	if !ok {
		panic("there is no condition " + condition)
	}
	return e.value(c).(bool)
}

// of returns the resources of a type, by logical ID.
func (s *stack) of(kind string) map[string]resource {
	all := make(map[string]resource)
	for id, r := range s.Resources {
		if r.Type == kind {
			all[id] = r
		}
	}
	return all
}

// at returns the value at a path of names and indexes. It is nil if there is none.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// text returns the value at a path as text. It is empty if there is none. To CloudFormation, a text
// and a number or boolean of the same form are equal.
func text(v any, path ...any) string {
	if v = at(v, path...); v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
