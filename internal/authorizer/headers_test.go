package authorizer_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/authorizer"
)

// spellings are ways to write a header's name that a server may take for the name itself.
func spellings(name string) []string {
	return []string{
		name, strings.ToLower(name), strings.ToUpper(name),
		strings.ReplaceAll(name, "-", "_"), strings.ToLower(strings.ReplaceAll(name, "-", "_")), strings.Replace(name, "-", "_", 1),
		strings.ReplaceAll(name, "-", "."), strings.ReplaceAll(name, "-", " "), strings.ReplaceAll(name, "-", "--"),
		" " + name, name + " ", "-" + name, name + "-", "_" + name, name + "_", name + "\t", name + "\x00", name + ":",
	}
}

// event is a request of a caller with a good key and one more header.
func eventWith(t testing.TB, where, name string) []byte {
	t.Helper()
	headers := map[string]any{"X-API-Key": "a-foreign-token-of-ours"}
	several := map[string]any{"X-API-Key": []string{"a-foreign-token-of-ours"}}
	e := map[string]any{
		"methodArn": "arn:aws:execute-api:r:1:a/s/GET/docs/x", "headers": headers, "multiValueHeaders": several,
	}
	switch where {
	case "one value":
		headers[name] = "root"
	case "many values":
		several[name] = []string{"a", "root"}
	case "no value":
		several[name] = []string{}
	case "null":
		headers[name] = nil
	case "query":
		e["queryStringParameters"] = map[string]any{name: "DELETE"}
	case "query, many values":
		e["multiValueQueryStringParameters"] = map[string]any{name: []string{"DELETE"}}
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A client never sets its own identity, nor another method or path than the judged one.
func TestHeadersThatSpeakForTheGatewayAreRefused(t *testing.T) {
	refused := map[string][]string{
		"identity_header": append(identityHeaders(t), "X-\u212aey-Id", "X-\u017fcopes"),
		"method_override": {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"},
		"path_override":   {"X-Original-URL", "X-Rewrite-URL"},
	}
	ways := map[string]func(*authorizer.Options){
		"as it comes":    nil,
		"a public path":  func(o *authorizer.Options) { o.Public = paths(t, "/docs/*") },
		"without a key":  func(o *authorizer.Options) { o.Anonymous = true },
		"without a rule": func(o *authorizer.Options) { o.Routes = rules(t, "GET /other=x") },
	}
	for code, names := range refused {
		for _, name := range names {
			for _, spelling := range spellings(name) {
				for _, where := range []string{"one value", "many values", "no value", "null"} {
					for way, edit := range ways {
						var log bytes.Buffer
						j := &judge{verdict: verdict(apikey.CodeValid)}
						answer, err := newAuthorizer(t, j, &log, edit).Invoke(t.Context(), eventWith(t, where, spelling))
						if err == nil || err.Error() != "Unauthorized" || answer != nil {
							t.Errorf("%q, %s, %s: %s, %v; want Unauthorized", spelling, where, way, answer, err)
						}
						if !strings.Contains(log.String(), `"code":"`+code+`"`) || strings.Contains(log.String(), "root") {
							t.Errorf("%q, %s, %s: the log says %s; want %s", spelling, where, way, log.String(), code)
						}
						if j.asked.Cost != 0 {
							t.Errorf("%q, %s, %s: the key was judged", spelling, where, way)
						}
					}
				}
			}
		}
	}
	for _, where := range []string{"query", "query, many values"} {
		for _, name := range []string{
			"_method", "_METHOD", "_Method", ".method", " _method", "_method[]", "_method\x00x",
			// ASP.NET MVC reads the header's name in the query as well.
			"X-HTTP-Method-Override", "x_http_method_override", "X-HTTP-Method", "X-Method-Override",
		} {
			var log bytes.Buffer
			_, err := newAuthorizer(t, &judge{verdict: verdict(apikey.CodeValid)}, &log, nil).Invoke(t.Context(), eventWith(t, where, name))
			if err == nil || err.Error() != "Unauthorized" || !strings.Contains(log.String(), "method_override") {
				t.Errorf("%s %s: %v, log %s", where, name, err, log.String())
			}
		}
	}
	for _, name := range []string{
		"X-User", "X-User-Id-Hash", "X-Request-Id", "X-Keys", "X-Key", "Content-Type", "X-Scope", "X-Method", "Origin", "X-Original-Host",
		"X-Forwarded-Host", "Access-Control-Request-Method", "If-Match", "Cookie", "X-Amzn-Trace-Id", "", "method", "x_method", "_methods",
	} {
		for _, where := range []string{"one value", "many values", "query", "query, many values"} {
			if _, err := newAuthorizer(t, &judge{verdict: verdict(apikey.CodeValid)}, &bytes.Buffer{}, nil).Invoke(t.Context(), eventWith(t, where, name)); err != nil {
				t.Errorf("%q in %s: %v", name, where, err)
			}
		}
	}
}

// identityHeaders returns the headers that the template sets for a backend. None of them may come from a client.
func identityHeaders(t testing.TB) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`integration\.request\.header\.([^:\s]+):`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	if len(names) < 3 {
		t.Fatalf("the template maps the headers %v", names)
	}
	return names
}

// A browser sends many headers. Those that are not read cost no memory.
func TestHeadersThatAreNotReadAllocateNothing(t *testing.T) {
	a := newAuthorizer(t, &judge{verdict: verdict(apikey.CodeValid)}, &bytes.Buffer{}, nil)
	allocations := func(more string) float64 {
		headers := `{"X-API-Key":["a-foreign-token-of-ours"],"X-Forwarded-For":["203.0.113.7"]` + more + `}`
		event := []byte(`{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/x","multiValueHeaders":` + headers + `,"queryStringParameters":{"a":"b"}}`)
		return testing.AllocsPerRun(1000, func() {
			if _, err := a.Invoke(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		})
	}
	few := allocations("")
	many := allocations(strings.Repeat(`,"Sec-Ch-Ua-Platform-Version":["\"a\""],"Accept":["text/html"],"X-Something-Of-A-Client":["a","b"]`, 20))
	if many > few {
		t.Errorf("%v allocations with many headers, %v with few", many, few)
	}
}

// The authorizer reads the same values from an event as encoding/json.
func FuzzHeaders(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, `{"X-API-Key":"a"}`, `{"x-api-key":["a","b"]}`, `{"X-API-Key":null,"A":{"X-API-Key":"}"}}`, `{"\u0058-API-Key":"a\"b"}`,
		`{"A":"\\","X-API-Key":"c"}`, `{"A":[[{"b":"]"}],1e9,true],"X-API-Key":"d"} `, ` { "X-API-Key" : [ "e" ] , "X-API-Key" : "f" } `, `{"A\\\"":"","X-API-Key":[]}`,
		`[]`, `"x"`, `{"X-API-Key":1}`, `{"X-API-Key":[null]}`, `{"X-API-Key":{}}`, `{"Authorization":"Bearer a","X-User-Id":"u"}`,
	} {
		f.Add(text)
	}
	format, err := apikey.NewFormat("sk")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, headers string) {
		event := `{"methodArn":"arn:aws:execute-api:r:1:a/s/GET/","multiValueHeaders":` + headers + `}`
		j := &judge{verdict: verdict(apikey.CodeValid)}
		var log bytes.Buffer
		_, err := newAuthorizer(t, j, &log, nil).Invoke(t.Context(), []byte(event))

		var known map[string]json.RawMessage
		if json.Unmarshal([]byte(headers), &known) != nil {
			if err == nil || j.asked.Cost != 0 {
				t.Fatalf("%q was judged: %v", headers, err)
			}
			return
		}
		if strings.Contains(log.String(), "_header") || strings.Contains(log.String(), "_override") || strings.Contains(log.String(), "malformed event") {
			return // other tests say when
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
		if strings.Count(strings.ToLower(headers), "key") > count || strings.Contains(strings.ToLower(headers), "author") || strings.Contains(headers, "\\") {
			return
		}
		if !j.asked.Credential.Equal(format.Credential(values...)) {
			t.Errorf("%q: another credential than that of %q", headers, values)
		}
	})
}

// A user header belongs to one user alone, and decodes to the userId.
func TestAnIdentityIsSafeInAHeader(t *testing.T) {
	for id, want := range map[string]string{
		"u1": "u1", "alice@example.com": "alice@example.com", "auth0|5f7c": "auth0|5f7c", "a/b+c=d;e:f~": "a/b+c=d;e:f~", "-": "-",
		"é": "%C3%A9", "e\u0301": "e%CC%81", "\u00c3\u00a9": "%C3%83%C2%A9", "中文": "%E4%B8%AD%E6%96%87", "a\u202eb": "a%E2%80%AEb", "a\u200bb": "a%E2%80%8Bb", "🔑": "%F0%9F%94%91",
		"a b": "a%20b", "100%": "100%25", "%C3%A9": "%25C3%25A9", "a,b": "a%2Cb", "a\tb": "a%09b", "a\r\nX-Scopes: *": "a%0D%0AX-Scopes:%20*", "a\x7fb": "a%7Fb",
	} {
		v := verdict(apikey.CodeValid)
		v.Key.UserID, v.Key.ID, v.Key.Scopes = id, "static-"+id, nil
		answer, err := newAuthorizer(t, &judge{verdict: v}, &bytes.Buffer{}, nil).Invoke(t.Context(), read(t, "authorizer-allow.json"))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Context struct{ UserID, UserIDHeader, KeyID, KeyIDHeader, ScopeHeader string }
		}
		if err := json.Unmarshal(answer, &got); err != nil {
			t.Fatal(err)
		}
		if c := got.Context; c.UserIDHeader != want || c.KeyIDHeader != "static-"+want || c.ScopeHeader != "-" || c.UserID != id || c.KeyID != "static-"+id {
			t.Errorf("%q: %+v, want %q", id, c, want)
		}
		if back, err := url.PathUnescape(want); err != nil || back != id {
			t.Errorf("%q decodes to %q, %v", want, back, err)
		}
	}
	v := verdict(apikey.CodeValid)
	v.Key.Scopes = apikey.Scopes{"tts:*", "é,x"} // of an upstream
	answer, err := newAuthorizer(t, &judge{verdict: v}, &bytes.Buffer{}, nil).Invoke(t.Context(), read(t, "authorizer-allow.json"))
	if err != nil || !bytes.Contains(answer, []byte(`"scopeHeader":"tts:* %C3%A9%2Cx"`)) {
		t.Errorf("%s, %v", answer, err)
	}
}
