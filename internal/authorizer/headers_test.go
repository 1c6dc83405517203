package authorizer_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
)

// spellings returns ways to write a header's name that a server may take for the name itself.
func spellings(name string) []string {
	return []string{
		name, strings.ToLower(name), strings.ToUpper(name),
		strings.ReplaceAll(name, "-", "_"), strings.ToLower(strings.ReplaceAll(name, "-", "_")),
		strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "."), strings.ReplaceAll(name, "-", " "),
		strings.ReplaceAll(name, "-", "--"), " " + name, name + " ", "-" + name, name + "-", "_" + name, name + "_",
		name + "\t", name + "\x00", name + ":",
	}
}

// eventWith returns the event of a caller with a good token and one more header or parameter.
func eventWith(t testing.TB, where, name string) string {
	t.Helper()
	headers := map[string]any{"X-API-Key": token}
	multiValueHeaders := map[string]any{"X-API-Key": []string{token}}
	e := map[string]any{
		"methodArn": methodArn + "GET/docs/x", "headers": headers, "multiValueHeaders": multiValueHeaders,
	}
	switch where {
	case "one value":
		headers[name] = "canary"
	case "many values":
		multiValueHeaders[name] = []string{"a", "canary"}
	case "no value":
		multiValueHeaders[name] = []string{}
	case "null":
		headers[name] = nil
	case "query":
		e["queryStringParameters"] = map[string]any{name: "DELETE"}
	case "query, many values":
		e["multiValueQueryStringParameters"] = map[string]any{name: []string{"DELETE"}}
	default:
		t.Fatal(where)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A client must not set its own identity, nor another method or path than the judged one. Such a
// header is refused however the request would be judged otherwise.
func TestForgedHeadersAreRefused(t *testing.T) {
	otherwise := map[string]settings{
		"judged":          nil,
		"a public route":  func(o *admission.Options) { o.Public = paths(t, "/docs/*") },
		"without a key":   func(o *admission.Options) { o.Anonymous = true },
		"without a rule":  func(o *admission.Options) { o.Routes = rules(t, "GET /other=x") },
		"without a query": func(o *admission.Options) { o.QueryAPIKey = false },
	}
	for code, names := range map[string][]string{
		"identity_header": append(identityHeaders(t), "X-\u212aey-Id", "X-\u017fcopes"), // Unicode K and s
		"method_override": {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"},
		"path_override":   {"X-Original-URL", "X-Rewrite-URL"},
	} {
		for _, name := range names {
			for _, spelling := range spellings(name) {
				for _, where := range []string{"one value", "many values", "no value", "null"} {
					for how, set := range otherwise {
						j := says(apikey.CodeValid)
						if got := decision(t, j, eventWith(t, where, spelling), set); got != "refuse "+code || j.wasAsked() {
							t.Errorf("%q, %s, %s: %s, want refuse %s", spelling, where, how, got, code)
						}
					}
				}
			}
		}
	}
}

func TestForgedParametersAreRefused(t *testing.T) {
	for _, where := range []string{"query", "query, many values"} {
		for _, name := range []string{
			"_method", "_METHOD", "_Method", ".method", " _method", "_method[]", "_method\x00x",
			// ASP.NET MVC reads these headers from the query as well.
			"X-HTTP-Method-Override", "x_http_method_override", "X-HTTP-Method", "X-Method-Override",
		} {
			if got := decision(t, says(apikey.CodeValid), eventWith(t, where, name), nil); got != "refuse method_override" {
				t.Errorf("%q in %s: %s, want refuse method_override", name, where, got)
			}
		}
	}
}

func TestOtherHeadersAndParametersAreAllowed(t *testing.T) {
	for _, name := range []string{
		"X-User", "X-User-Id-Hash", "X-Request-Id", "X-Keys", "X-Key", "X-Scope", "X-Method", "X-Original-Host",
		"X-Forwarded-Host", "X-Amzn-Trace-Id", "Access-Control-Request-Method", "Content-Type", "Origin", "If-Match",
		"Cookie", "", "method", "x_method", "_methods",
	} {
		for _, where := range []string{"one value", "many values", "query", "query, many values"} {
			if got := decision(t, says(apikey.CodeValid), eventWith(t, where, name), nil); got != "allow "+validKeyID {
				t.Errorf("%q in %s: %s, want allow", name, where, got)
			}
		}
	}
}

// identityHeaders returns the headers that the template sets for a backend.
func identityHeaders(t testing.TB) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	mapping := regexp.MustCompile(`integration\.request\.header\.([^:\s]+):`)
	for _, match := range mapping.FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	if len(names) < 3 {
		t.Fatalf("the template maps the headers %v", names)
	}
	return names
}

// A browser sends many headers. Those that are not read cost no memory.
func TestHeadersThatAreNotReadAllocateNothing(t *testing.T) {
	a := newAuthorizer(t, says(apikey.CodeValid), &bytes.Buffer{}, nil)
	allocations := func(more string) float64 {
		event := []byte(request("GET/x", `"queryStringParameters":{"a":"b"},"multiValueHeaders":{
			"X-API-Key":["`+token+`"],"X-Forwarded-For":["203.0.113.7"]`+more+`}`))
		return testing.AllocsPerRun(1000, func() {
			if _, err := a.Invoke(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		})
	}
	few := allocations("")
	many := allocations(strings.Repeat(
		`,"Sec-Ch-Ua-Platform-Version":["\"a\""],"Accept":["text/html"],"X-Something-Of-A-Client":["a","b"]`, 20))
	most := few
	if poolsForget {
		most += 5 // far below one for each of the 60 headers
	}
	if many > most {
		t.Errorf("%v allocations with many headers, %v with few", many, few)
	}
}

// The authorizer reads the same values from headers as encoding/json.
func FuzzHeaders(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, `[]`, `"x"`, `{"X-API-Key":"a"}`, `{"x-api-key":["a","b"]}`, `{"\u0058-API-Key":"a\"b"}`,
		`{"X-API-Key":null,"A":{"X-API-Key":"}"}}`, `{"A":"\\","X-API-Key":"c"}`, `{"A\\\"":"","X-API-Key":[]}`,
		`{"A":[[{"b":"]"}],1e9,true],"X-API-Key":"d"} `, ` { "X-API-Key" : [ "e" ] , "X-API-Key" : "f" } `,
		`{"X-API-Key":1}`, `{"X-API-Key":[null]}`, `{"X-API-Key":{}}`, `{"Authorization":"Bearer a","X-User-Id":"u"}`,
	} {
		f.Add(text)
	}
	format := newFormat(f)
	f.Fuzz(func(t *testing.T, headers string) {
		j := says(apikey.CodeValid)
		var log bytes.Buffer
		event := request("GET/", `"multiValueHeaders":`+headers)
		_, err := newAuthorizer(t, j, &log, nil).Invoke(t.Context(), []byte(event))

		var known map[string]json.RawMessage
		if json.Unmarshal([]byte(headers), &known) != nil {
			if err == nil || j.wasAsked() {
				t.Fatalf("%q was judged: %v", headers, err)
			}
			return
		}
		for _, other := range []string{"_header", "_override", "malformed event"} {
			if strings.Contains(log.String(), other) {
				return // other tests say when
			}
		}
		var values []string
		count := 0
		for name, raw := range known {
			if !strings.EqualFold(name, "X-API-Key") {
				continue
			}
			count++
			var one string
			if json.Unmarshal(raw, &one) == nil {
				values = append(values, one)
			} else if json.Unmarshal(raw, &values) != nil {
				t.Fatalf("%q was judged", headers)
			}
		}
		// encoding/json keeps the last of two equal names, and the authorizer all.
		lower := strings.ToLower(headers)
		if strings.Count(lower, "key") > count || strings.Contains(lower, "author") || strings.Contains(headers, "\\") {
			return
		}
		if !j.asked.Credential.Equal(format.Credential(values...)) {
			t.Errorf("%q: another credential than that of %q", headers, values)
		}
	})
}
