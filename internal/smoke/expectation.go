package smoke

import (
	"encoding/json"
	"fmt"
	"mime"
	"regexp"
	"strconv"
	"strings"
)

// expectation is one thing that an answer must have.
type expectation struct {
	what, want string
	judge      func(answer) (got string, ok bool)
}

func status(want int) expectation {
	return expectation{"status", strconv.Itoa(want), func(a answer) (string, bool) {
		if a.err != nil {
			return "no answer: " + a.err.Error(), false
		}
		return strconv.Itoa(a.status), a.status == want
	}}
}

func header(name, want string) expectation {
	return expectation{"header " + name, want, func(a answer) (string, bool) {
		return a.header.Get(name), a.header.Get(name) == want
	}}
}

func number(name string, low, high int) expectation {
	return expectation{"header " + name, fmt.Sprintf("%d to %d", low, high), func(a answer) (string, bool) {
		n, err := strconv.Atoi(a.header.Get(name))
		return a.header.Get(name), err == nil && n >= low && n <= high
	}}
}

// lists wants a header to name all of what is given, in any case and among others.
func lists(name string, wanted ...string) expectation {
	return expectation{"header " + name, "with " + strings.Join(wanted, ", "), func(a answer) (string, bool) {
		listed := make(map[string]bool)
		for _, value := range a.header.Values(name) {
			for item := range strings.SplitSeq(value, ",") {
				listed[strings.ToLower(strings.TrimSpace(item))] = true
			}
		}
		ok := true
		for _, item := range wanted {
			ok = ok && listed[strings.ToLower(item)]
		}
		return strings.Join(a.header.Values(name), ", "), ok
	}}
}

func exposes(names ...string) expectation { return lists("Access-Control-Expose-Headers", names...) }

var cors = header("Access-Control-Allow-Origin", "*")

var isJSON = expectation{"header Content-Type", "application/json", func(a answer) (string, bool) {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return a.header.Get("Content-Type"), err == nil && kind == "application/json"
}}

// field wants a JSON value: a text, a boolean or a whole number.
func field(path string, want any) expectation {
	return expectation{"field " + path, fmt.Sprint(want), func(a answer) (string, bool) {
		got := a.field(path)
		if n, ok := got.(float64); ok && n == float64(int(n)) {
			got = int(n)
		}
		return fmt.Sprint(got), got == want
	}}
}

func fieldMatches(path string, form *regexp.Regexp) expectation {
	return expectation{"field " + path, "of the form " + form.String(), func(a answer) (string, bool) {
		return a.text(path), form.MatchString(a.text(path))
	}}
}

// whole is a pattern of the whole text.
func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }

// envelope wants the body to be the one form that errors have, with nothing
// beside it. N in the message stands for a number.
func envelope(message, kind, param, code string) expectation {
	var wanted any // null
	if param != "" {
		wanted = param
	}
	form := whole(strings.ReplaceAll(regexp.QuoteMeta(message), " N ", ` \d+ `))
	return expectation{"body", errorText(message, kind, wanted, code), func(a answer) (string, bool) {
		e, _ := a.json["error"].(map[string]any)
		_, hasParam := e["param"]
		return a.body, len(a.json) == 1 && len(e) == 4 && hasParam && form.MatchString(a.text("error.message")) &&
			e["type"] == kind && e["param"] == wanted && e["code"] == code
	}}
}

func errorText(message, kind string, param any, code string) string {
	type detail struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Param   any    `json:"param"`
		Code    string `json:"code"`
	}
	text, err := json.Marshal(map[string]detail{"error": {message, kind, param, code}})
	if err != nil {
		panic(err) // texts and nil
	}
	return string(text)
}

// inMessage wants a header's number to be the one that the message names.
func inMessage(name string) expectation {
	return expectation{"header " + name, "as in the message", func(a answer) (string, bool) {
		n := a.header.Get(name)
		return n, n != "" && strings.Contains(a.text("error.message"), " "+n+" second")
	}}
}
