package smoke

import (
	"encoding/json"
	"fmt"
	"mime"
	"regexp"
	"strconv"
	"strings"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
)

// expectation is one property that an answer must have.
type expectation struct {
	what  string // the name of the property in the report
	want  string // the expected value in the report
	judge func(answer) (got string, ok bool)
}

func status(want int) expectation {
	return expectation{"status", strconv.Itoa(want), func(a answer) (string, bool) {
		return strconv.Itoa(a.status), a.status == want
	}}
}

func header(name, want string) expectation {
	return expectation{"header " + name, want, func(a answer) (string, bool) {
		return a.header.Get(name), a.header.Get(name) == want
	}}
}

func headerMatches(name string, form *regexp.Regexp) expectation {
	return expectation{"header " + name, "of the form " + form.String(), func(a answer) (string, bool) {
		return a.header.Get(name), form.MatchString(a.header.Get(name))
	}}
}

// number wants a header to be a whole number from low to high.
func number(name string, low, high int) expectation {
	return expectation{"header " + name, fmt.Sprintf("%d to %d", low, high), func(a answer) (string, bool) {
		n, err := strconv.Atoi(a.header.Get(name))
		return a.header.Get(name), err == nil && n >= low && n <= high
	}}
}

// lists wants a header with commas to contain all wanted items. It ignores case and other items.
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

// cors wants pages of an origin to be allowed. The parameter CorsOrigin says which.
var cors = headerMatches("Access-Control-Allow-Origin", regexp.MustCompile(`^(\*|https?://[^/,]+)$`))

var isJSON = expectation{"header Content-Type", "application/json", func(a answer) (string, bool) {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return a.header.Get("Content-Type"), err == nil && kind == "application/json"
}}

// field wants a value in the JSON body: a text, a boolean or an int.
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

// whole compiles a pattern that must match the whole text.
func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }

// code wants the verdict to have a code.
func code(want apikey.Code) expectation { return field("code", string(want)) }

// envelope wants the body to be exactly the error envelope with these values. N in the message stands
// for a number. An empty param stands for null.
func envelope(message string, kind api.ErrorType, param string, code apikey.Code) expectation {
	want := api.Envelope{Detail: api.Detail{Message: message, Type: kind, Code: api.ErrorCode(code)}}
	var wantParam any // null
	if param != "" {
		want.Detail.Param, wantParam = &param, param
	}
	text, err := json.Marshal(want)
	if err != nil {
		panic(err) // cannot happen: all values are texts or nil
	}
	form := whole(strings.ReplaceAll(regexp.QuoteMeta(message), " N ", ` \d+ `))
	return expectation{"body", string(text), func(a answer) (string, bool) {
		e, _ := a.json["error"].(map[string]any)
		_, hasParam := e["param"]
		hasOnlyIts := len(a.json) == 1 && len(e) == 4 && hasParam
		hasValues := e["type"] == string(kind) && e["param"] == wantParam && e["code"] == string(code)
		return a.body, hasOnlyIts && hasValues && form.MatchString(a.text("error.message"))
	}}
}

// inMessage wants a header to have the same number of seconds as the error message.
func inMessage(name string) expectation {
	return expectation{"header " + name, "as in the message", func(a answer) (string, bool) {
		n := a.header.Get(name)
		return n, n != "" && strings.Contains(a.text("error.message"), " "+n+" second")
	}}
}
