// Package fronttest has the requests that every front door must answer alike, with their answers: a
// shape of API Gateway's events, a proxy that asks, or latchkey's own server. A front door is a
// [Front], and [Run] sends it all [Rows]. The deployment behind it must have the [Variables], and the
// keys that [Fill] stores.
package fronttest

import (
	"slices"
	"strings"
	"testing"

	"latchkey/internal/apikey"
)

// Front is a front door under test.
type Front struct {
	// Tokens are the tokens of the keys by their names, as [Fill] returns them.
	Tokens map[string]string
	// Send sends a request and returns the answer. It has no placeholders any more.
	Send func(t testing.TB, r Request) Answer
	// Lacks are the abilities that the front door does not have.
	Lacks []Ability
	// Path is a path that needs a key and no scope. If empty, it is /v1/models.
	Path string
}

// Ability is something that one front door can do and another one cannot. Its text is fit for the
// manual.
type Ability string

const (
	// SeesHeaders: the front door gives latchkey every header, so that forged ones are refused.
	SeesHeaders Ability = "sees every header"
	// SeesQuery: the front door gives latchkey the parameters of the URL.
	SeesQuery Ability = "sees the query"
	// KnowsAddress: the front door gives latchkey the caller's address, for keys with allowedCidrs.
	KnowsAddress Ability = "knows the caller's address"
	// AsksWithoutKey: the front door asks latchkey about a request without a key too, which may be for a
	// public path.
	AsksWithoutKey Ability = "asks without a key"
	// TellsLimits: a caller over a limit gets another status than one without a key.
	TellsLimits Ability = "tells a limit from a refusal"
	// HasRoutes: the front door has an API behind it, with any path.
	HasRoutes Ability = "serves any path"
	// TakesBytes: the test sends the bytes of a request, which may be malformed.
	TakesBytes Ability = "takes any bytes"
)

// Request is a request as a client sends it.
type Request struct {
	// Line is the method and the target, such as "GET /v1/models?a=b". The target is as on the wire.
	Line string
	// Headers are lines such as "X-API-Key: {alice}", in the order in which they are sent. {alice} stands
	// for the token of the key alice, in the line and the body too.
	Headers []string
	Body    string
}

// Method returns the method of the request line.
func (r *Request) Method() string {
	method, _, _ := strings.Cut(r.Line, " ")
	return method
}

// Target returns the target of the request line, in two parts. The query has no question mark.
func (r *Request) Target() (path, query string) {
	_, target, _ := strings.Cut(r.Line, " ")
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// Outcome is what a front door does with a request.
type Outcome string

const (
	Allowed  Outcome = "allowed"
	Refused  Outcome = "refused"  // for want of a good key, as with 401
	Limited  Outcome = "limited"  // for a limit of a good key, as with 429
	Rejected Outcome = "rejected" // not judged, as with 400
)

// Answer is what became of a request.
type Answer struct {
	Outcome Outcome
	// Code is the reason of a refusal, or empty if the front door does not show it.
	Code apikey.Code
	// User is the user whom a backend is told of. It is empty if the request was not allowed.
	User string
	// Path and Headers are what the backend got. They are zero if the front has no backend that tells.
	Path    string
	Headers map[string][]string
}

// Row is one request with its answer.
type Row struct {
	Name string
	Request
	// Times is how often the request is sent. The last answer counts. 0 means once.
	Times int
	Want  Answer
	// Early says that a front door may also reject the request before it is judged.
	Early bool
	// Strips says that a front door may also take the forged headers out, and then let the request pass
	// as one of this user.
	Strips string
	// Needs are the abilities without which a front door answers with Else. If Else is zero, the request
	// is not sent then.
	Needs []Ability
	Else  Answer
}

// Run sends all rows to a front door. It fails t for each answer that is not as wanted.
//
// A front door may change a path before it asks, as proxies do. It may then allow what the row refuses,
// if the backend gets the changed path, and a request for that path is allowed too.
func Run(t *testing.T, f Front) {
	t.Helper()
	sent := 0
	for _, row := range Rows() {
		want := row.Want
		lacks := func(a Ability) bool { return slices.Contains(f.Lacks, a) }
		if slices.ContainsFunc(row.Needs, lacks) {
			if want = row.Else; want.Outcome == "" {
				continue
			}
		}
		request := f.fill(row.Request)
		var got Answer
		for range max(row.Times, 1) {
			got = f.Send(t, request)
		}
		sent++
		if fault := f.fault(t, &row, request, want, got); fault != "" {
			t.Errorf("%s: %s %q: got %s, want %s: %s", row.Name, row.Line, row.Headers, got, want, fault)
		}
	}
	if sent < fewest {
		t.Errorf("only %d requests were sent", sent)
	}
}

// fewest is less than the number of requests that the least able front door gets.
const fewest = 15

func (a Answer) String() string {
	return strings.TrimRight(strings.Join([]string{string(a.Outcome), string(a.Code), a.User, a.Path}, " "), " ")
}

// fault describes the error in an answer. It returns "" if the answer is right.
func (f *Front) fault(t testing.TB, row *Row, sent Request, want, got Answer) string {
	t.Helper()
	if got.Outcome == Allowed {
		for name, values := range got.Headers {
			if strings.Contains(strings.Join(values, ","), forged) {
				return "the backend got the forged header " + name
			}
		}
	}
	switch {
	case got.Outcome == Rejected && row.Early:
	case got.Outcome == Allowed && want.Outcome != Allowed && row.Strips != "" && got.Headers != nil:
		if got.User != row.Strips {
			return "the caller is another user"
		}
	case got.Outcome == Allowed && want.Outcome == Refused && got.Path != "":
		path, _ := sent.Target()
		direct := sent
		direct.Line = sent.Method() + " " + got.Path
		if again := f.Send(t, direct); got.Path == path || again.Outcome != Allowed || again.User != got.User {
			return "a direct request gets " + again.String()
		}
	case got.Outcome != want.Outcome:
		return "another outcome"
	case got.User != want.User:
		return "another user"
	case got.Code != "" && want.Code != "" && got.Code != want.Code:
		return "another reason"
	}
	return ""
}

// fill returns a request with the tokens in place of their names.
func (f *Front) fill(r Request) Request {
	var pairs []string
	for name, token := range f.Tokens {
		pairs = append(pairs, "{"+name+"}", token)
	}
	path := f.Path
	if path == "" {
		path = "/v1/models"
	}
	names := strings.NewReplacer(append(pairs, "{path}", path)...)
	filled := Request{Line: names.Replace(r.Line), Body: names.Replace(r.Body)}
	for _, line := range r.Headers {
		filled.Headers = append(filled.Headers, names.Replace(line))
	}
	return filled
}
