package httpapi_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi/httpapitest"
)

func openAPI(t *testing.T, s *service) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(s.send(nil, "GET", "/openapi.json", "").text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// Policy: each operation shows a request and an answer of each status, and they fit their schemas.
// A test on the local stack sends the requests.
func TestEveryOperationHasExamples(t *testing.T) {
	s := newService(t)
	document := openAPI(t, s)
	schemas, err := httpapitest.NewSchemas([]byte(s.send(nil, "GET", "/openapi.json", "").text))
	if err != nil {
		t.Fatal(err)
	}
	bodies := 0
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			fits := func(content openapi3.Content, place ...string) {
				t.Helper()
				for kind, media := range content {
					bodies++
					text, err := json.Marshal(media.Example)
					if media.Example == nil || err != nil {
						t.Errorf("%s %s: %v as %s has no example", method, path, place, kind)
						continue
					}
					place := append(append([]string{"paths", path, strings.ToLower(method)}, place...), "content", kind, "schema")
					if err := schemas.Fits(text, place...); err != nil {
						t.Errorf("%v: the example %s: %v", place, text, err)
					}
				}
			}
			if o.RequestBody != nil {
				fits(o.RequestBody.Value.Content, "requestBody")
			}
			for status, r := range o.Responses.Map() {
				fits(r.Value.Content, "responses", status)
			}
			for _, p := range o.Parameters {
				if p.Value.Required && p.Value.Example == nil && p.Value.Schema.Value.Example == nil && len(p.Value.Schema.Value.Examples) == 0 {
					t.Errorf("%s %s: the parameter %s has no example", method, path, p.Value.Name)
				}
			}
		}
	}
	if bodies < 100 {
		t.Errorf("only %d bodies", bodies)
	}
}

// A deployment may have the key of the examples.
func TestTheKeyOfTheExamplesIsWellFormed(t *testing.T) {
	s := newService(t)
	text := s.send(nil, "GET", "/openapi.json", "").text
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, part := range strings.Split(text, `"`) {
		if !strings.HasPrefix(part, "sk_live_") || len(part) < 20 {
			continue
		}
		found++
		if key, err := format.Parse(part); err != nil || !key.Native() || key.ID() != "3fGq8ZpLw1xKc0Ty" {
			t.Errorf("%s: %v", part, err)
		}
	}
	if found < 5 {
		t.Errorf("%d keys in the document", found)
	}
}

// Policy: the document lists a status only for operations that can have it. An unknown query
// parameter is 400 everywhere, and only operations with an Idempotency-Key have 422.
func TestTheDocumentListsTheStatusesOfEachOperation(t *testing.T) {
	for path, item := range openAPI(t, newService(t)).Paths.Map() {
		for method, o := range item.Operations() {
			if o.Responses.Status(400) == nil {
				t.Errorf("%s %s has no 400", method, path)
			}
			idempotent := o.Parameters.GetByInAndName("header", "Idempotency-Key") != nil
			if has := o.Responses.Status(422) != nil; has != idempotent {
				t.Errorf("%s %s: 422 is %v, and Idempotency-Key %v", method, path, has, idempotent)
			}
		}
	}
}

// Policy: if a field has a fixed list of values, the document shows the list, which equals the
// constants.
func TestTheDocumentListsTheConstants(t *testing.T) {
	document := openAPI(t, newService(t))
	words := func(schema, field string) []string {
		t.Helper()
		s := document.Components.Schemas[schema]
		if s == nil {
			t.Fatalf("there is no schema %s", schema)
		}
		p := s.Value.Properties[field]
		if p == nil {
			t.Fatalf("%s has no %s", schema, field)
		}
		var all []string
		for _, v := range p.Value.Enum {
			all = append(all, v.(string))
		}
		slices.Sort(all)
		return all
	}
	for _, c := range []struct {
		schema, field string
		want          []string
	}{
		{"Record", "environment", constants(t, "../apikey", "Environment", "")},
		{"Record", "status", constants(t, "../apikey", "Status", "")},
		{"Quota", "period", constants(t, "../ratelimit", "Period", "")},
		{"QuotaInput", "period", constants(t, "../ratelimit", "Period", "")},
		{"Verdict", "code", verdictCodes},
		{"ExplainOutputBody", "code", append(slices.Clone(verdictCodes), "no_route_rule", "unavailable")},
		{"TrailEntry", "action", constants(t, "../registry", "", "Action")},
		{"TrailActor", "type", constants(t, "../registry", "", "actor")},
		{"Detail", "type", constants(t, "../api", "ErrorType", "")},
		{"Detail", "code", errorCodes},
		{"WhoamiOutputBody", "environment", append(constants(t, "../apikey", "Environment", ""), "")},
	} {
		want := slices.Sorted(slices.Values(c.want))
		if got := words(c.schema, c.field); !slices.Equal(got, want) || len(got) < 2 {
			t.Errorf("%s.%s is one of %q, want %q", c.schema, c.field, got, want)
		}
	}
	check := document.Components.Schemas["CheckStep"].Value.Properties["check"].Value
	for _, name := range append(gate.Checks(), "route", "limits.60", "user.limits.1", "quota.lifetime", "user.quota.month") {
		if !regexp.MustCompile(check.Pattern).MatchString(name) {
			t.Errorf("a check is not called %s: %s", name, check.Pattern)
		}
	}
	for _, name := range []string{"limits.", "Plan", "limitsx60", "plan.60"} {
		if regexp.MustCompile(check.Pattern).MatchString(name) {
			t.Errorf("a check is called %s: %s", name, check.Pattern)
		}
	}
	status := document.Paths.Find(keys).Get.Parameters.GetByInAndName("query", "status")
	if len(status.Schema.Value.Enum) != 5 {
		t.Errorf("the query's status is one of %v", status.Schema.Value.Enum)
	}
}

// constants returns the values of a package's constants that are of a type, or whose names begin
// with a prefix.
func constants(t *testing.T, dir, kind, prefix string) (values []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				s := spec.(*ast.ValueSpec)
				of, _ := s.Type.(*ast.Ident)
				if kind != "" && (of == nil || of.Name != kind) || kind == "" && (of != nil || !strings.HasPrefix(s.Names[0].Name, prefix)) {
					continue
				}
				if literal, ok := s.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
					value, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, value)
				}
			}
		}
	}
	return values
}

// verdictCodes and errorCodes are the codes that callers know. A code that is added or renamed has
// to change here too.
var (
	verdictCodes = []string{
		"valid", "missing_key", "two_keys", "malformed_key", "unknown_key", "revoked_key", "disabled_key",
		"user_suspended", "inactive_key", "expired_key", "idle_key", "wrong_environment", "address_not_allowed", "insufficient_scope", "rate_limited", "quota_exceeded",
		"cost_above_limit",
	}
	errorCodes = []string{
		"invalid_request", "missing_key", "forbidden", "not_found", "method_not_allowed", "not_acceptable", "timeout",
		"conflict", "precondition_failed", "request_too_large", "unsupported_media_type", "idempotency_key_reused",
		"internal_error", "unavailable", "insufficient_scope", "replaced_key", "too_many_keys", "invalid_signature",
		"invalid_api_key", "rate_limit_exceeded", "insufficient_quota", "too_many_requests", "cost_above_limit", // API Gateway answers these
	}
)

// documented reports whether an error of a route of latchkey's own has a code of the document.
func documented(code any) bool {
	text, _ := code.(string)
	return slices.Contains(errorCodes, text)
}
