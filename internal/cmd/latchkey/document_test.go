package main

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/httpapi/httpapitest"
	"latchkey/internal/leaks/leakstest"
)

// exampleKey is the key of the document's examples.
const exampleKey = "sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"

// Each example request of the document works, with all of its parameters and headers, and its
// answer has the form that the document describes.
func TestEveryExampleOfTheDocumentWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	text := start(t, t.TempDir()).send(t, "GET", "/openapi.json", "").text
	document, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := httpapitest.NewSchemas([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	scanner, signs := leakstest.New(t, "k1")
	tried := 0
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			kinds := map[string]any{"": nil}
			if o.RequestBody != nil {
				kinds = map[string]any{}
				for kind, media := range o.RequestBody.Value.Content {
					kinds[kind] = media.Example
				}
			}
			for kind, body := range kinds {
				tried++
				// Each example gets a new stack, because some revoke or delete the calling key.
				s := start(t, t.TempDir(), "ROOT_KEY="+exampleKey, "FRESHNESS=0", "LEAK_KEYS_URL="+scanner.URL)
				if o.OperationID != "put-plan" {
					s.putExamplePlan(t, document)
				}
				if strings.HasSuffix(path, "/credits") {
					s.giveExampleQuotas(t)
				}
				r := exampleOf(t, s.url, method, path, o, kind, body)
				r.Header.Set("Authorization", "Bearer "+exampleKey)
				if o.OperationID == "report-leaks" {
					sign(t, r, signs)
				}
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				documented := o.Responses.Status(response.StatusCode)
				switch {
				case documented == nil || response.StatusCode > 299:
					err = errors.New("the document has no such success")
				case len(documented.Value.Content) > 0:
					err = schemas.Fits(got, "paths", path, strings.ToLower(method), "responses", strconv.Itoa(response.StatusCode), "content", "application/json", "schema")
				case len(got) > 0:
					err = errors.New("the document has no body for this answer")
				}
				if err != nil {
					t.Errorf("%s %s %s: %d %s: %v", method, r.URL, kind, response.StatusCode, got, err)
				}
				if err := s.end(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if tried < 20 {
		t.Errorf("%d examples were tried", tried)
	}
}

// sign signs a report of leaked keys.
func sign(t *testing.T, r *http.Request, signs *ecdsa.PrivateKey) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Github-Public-Key-Identifier", "k1")
	r.Header.Set("Github-Public-Key-Signature", leakstest.Sign(t, signs, string(body)))
}

// putExamplePlan makes the plan that other examples name.
func (s *stack) putExamplePlan(t *testing.T, document *openapi3.T) {
	t.Helper()
	const path = "/api/v1/plans/pro"
	body, err := json.Marshal(document.Paths.Find("/api/v1/plans/{name}").Put.RequestBody.Value.Content["application/json"].Example)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send(t, "PUT", path, string(body), "Authorization: Bearer "+exampleKey); a.status != 200 {
		t.Fatalf("PUT %s: %d %s", path, a.status, a.text)
	}
}

// giveExampleQuotas gives the key and the user of the examples a quota that credits can be added to.
func (s *stack) giveExampleQuotas(t *testing.T) {
	t.Helper()
	const quota = `"quota":{"requests":1000,"period":"lifetime"}`
	for path, patch := range map[string]string{
		"/api/v1/users/u1": `{` + quota + `}`, "/api/v1/api-keys/3fGq8ZpLw1xKc0Ty": `{"unlimited":false,` + quota + `}`,
	} {
		if a := s.send(t, "PATCH", path, patch, "Authorization: Bearer "+exampleKey); a.status != 200 {
			t.Fatalf("PATCH %s: %d %s", path, a.status, a.text)
		}
	}
}

// exampleOf returns the example request of an operation.
func exampleOf(t *testing.T, base, method, path string, o *openapi3.Operation, kind string, body any) *http.Request {
	t.Helper()
	query, header := url.Values{}, http.Header{}
	for _, p := range o.Parameters {
		example := p.Value.Example
		if example == nil {
			example = p.Value.Schema.Value.Example
		}
		if all := p.Value.Schema.Value.Examples; example == nil && len(all) > 0 {
			example = all[0]
		}
		if example == nil {
			continue
		}
		value := fmt.Sprint(example)
		switch p.Value.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(value))
		case "query":
			query.Set(p.Value.Name, value)
		case "header":
			header.Set(p.Value.Name, value)
		}
	}
	var content io.Reader
	if kind != "" {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(text)
		header.Set("Content-Type", kind)
	}
	r, err := http.NewRequest(method, base+path+"?"+query.Encode(), content)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return r
}
