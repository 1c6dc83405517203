//go:build sam

package samtest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// sent has an entry for each file of the folder events: the function that gets it, the body that
// creates its key, and the number of earlier requests with that key. If the event has a caller, it
// is the admin.
var sent = map[string]struct {
	function, key string
	used          int
}{
	"authorizer-allow":        {"AuthorizerFunction", `{"name":"demo","userId":"u1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"authorizer-deny":         {"AuthorizerFunction", `{"name":"demo","userId":"u1","rateLimit":{"requests":1,"window":3600}}`, 1},
	"authorizer-unauthorized": {"AuthorizerFunction", "", 0},
	"authorizer-allow-domain": {"AuthorizerFunction", `{"name":"demo","userId":"u1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"authorizer-token":        {"AuthorizerFunction", `{"name":"demo","userId":"u1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"authorizer-http-1":       {"AuthorizerFunction", `{"name":"demo","userId":"u1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"authorizer-http-2":       {"AuthorizerFunction", `{"name":"demo","userId":"u1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"authorizer-websocket":    {"AuthorizerFunction", `{"name":"demo","userId":"u1","scopes":["tts","stt"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"keys-create-domain":      {"KeysFunction", "", 0},
	"keys-get-domain":         {"KeysFunction", "", 0},
	"keys-validate-domain":    {"ValidateFunction", `{"name":"demo","userId":"u1","scopes":["tts"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"health":                  {"KeysFunction", "", 0},
	"keys-create":             {"KeysFunction", "", 0},
	"keys-validate":           {"ValidateFunction", `{"name":"demo","userId":"u1","scopes":["tts"],"rateLimit":{"requests":5,"window":3600}}`, 2},
	"keys-whoami":             {"KeysFunction", "", 0},
	"keys-whoami-member":      {"KeysFunction", "", 0},
}

func TestEachEventGetsItsGoldenAnswer(t *testing.T) {
	t.Parallel()
	stack := given(t, "LOCAL_STACK")
	files, err := filepath.Glob(filepath.Join(module, "events", "*.json"))
	if err != nil || len(files) < len(sent) {
		t.Fatalf("events: %v, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, known := sent[name]
			if !known {
				t.Fatalf("%s has no entry in this test", file)
			}
			event, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			event = asAdmin(t, event)
			if to.key != "" {
				_, token := create(t, stack, to.key)
				for range to.used {
					send(t, "GET", stack+"/api/v1/whoami", "", "X-API-Key: "+token)
				}
				event = bytes.ReplaceAll(event, []byte("sk_live_REPLACE_ME"), []byte(token))
			}
			isGolden(t, name, invoke(t, to.function, event))
		})
	}
}

// An HTTP API with the payload format 2.0 gets another answer if the deployment says so.
func TestAnHTTPAPIMayGetASimpleAnswer(t *testing.T) {
	t.Parallel()
	event, err := os.ReadFile(filepath.Join(module, "events", "authorizer-http-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, token := create(t, given(t, "LOCAL_STACK"), sent["authorizer-http-2"].key)
	event = bytes.ReplaceAll(event, []byte("sk_live_REPLACE_ME"), []byte(token))
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	got := invoke(t, "AuthorizerFunction", event,
		"--parameter-overrides", "HttpApiAnswer=simple Architecture="+architecture)
	isGolden(t, "authorizer-http-2-simple", got)
}

// isGolden compares an answer with the golden file of a name.
func isGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// asAdmin makes the admin's key the caller of an event, if the event has a caller.
func asAdmin(t *testing.T, event []byte) []byte {
	t.Helper()
	a := send(t, "GET", given(t, "LOCAL_STACK")+"/api/v1/whoami", "", "X-API-Key: "+given(t, "ROOT_KEY"))
	if a.status != http.StatusOK {
		t.Fatalf("whoami: %d %s", a.status, a.text)
	}
	return bytes.ReplaceAll(event, []byte("0000000000000000"), []byte(a.json["keyId"].(string)))
}

// invoke returns the answer of a function. Each value that changes from run to run is replaced by
// its kind.
func invoke(t *testing.T, function string, event []byte, options ...string) []byte {
	t.Helper()
	c := sam(t, slices.Concat([]string{"invoke", function, "--event", "-"}, options)...)
	c.Stdin = bytes.NewReader(event)
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		t.Fatalf("sam local invoke: %v\n%s", err, &log)
	}
	var value any
	if err := json.Unmarshal(out, &value); err != nil {
		t.Fatalf("%v: %q\n%s", err, out, &log)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(steady("", value)); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// kinds are the values that change from run to run, by their names in JSON and in headers. A value
// that does not have the form of its kind stays as it is.
var kinds = []struct {
	names []string
	form  *regexp.Regexp
	kind  string
}{
	{[]string{"id", "keyId", "keyIdHeader", "principalId"}, regexp.MustCompile(`^[0-9A-Za-z]{16}$`), "<id>"},
	{[]string{"Location"}, regexp.MustCompile(`[0-9A-Za-z]{16}$`), "<id>"},
	{[]string{"key"}, regexp.MustCompile(`^sk_live_[0-9A-Za-z]{54}$`), "<token>"},
	{[]string{"publicKey"}, regexp.MustCompile(`^pk_live_[0-9A-Za-z]{16}$`), "<public key>"},
	{[]string{"keyPrefix"}, regexp.MustCompile(`^sk_live_[0-9A-Za-z]{4}$`), "<prefix>"},
	{[]string{"createdAt", "expiresAt", "revokedAt", "lastUsedAt", "previousKeyValidUntil", "at"}, regexp.MustCompile(`^20\d\d-[-0-9T:.]+Z$`), "<time>"},
	{[]string{"assertion"}, regexp.MustCompile(`^[-_0-9A-Za-z]+\.[-_0-9A-Za-z]+\.[-_0-9A-Za-z]+$`), "<assertion>"},
	{[]string{"generation"}, regexp.MustCompile(`^\d{13}$`), "<time>"},
	{[]string{"requestId"}, regexp.MustCompile(`^([-0-9a-f]{36}|[-_0-9A-Za-z]{15}=)$`), "<request>"},
	{[]string{"reset", "X-Ratelimit-Reset"}, regexp.MustCompile(`^\d{10}$`), "<time>"},
	{[]string{"rateLimit", "Ratelimit"}, regexp.MustCompile(`;t=\d+`), ";t=<seconds>"},
	{[]string{"retryAfter"}, regexp.MustCompile(`^\d+$`), "<seconds>"},
	{[]string{"message", "error"}, regexp.MustCompile(`\d+ seconds`), "<seconds>"},
}

// steady replaces the values that change from run to run by their kinds. name is the name of value.
// The JSON text of a body becomes the value in it.
func steady(name string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			value[name] = steady(name, v)
		}
	case []any:
		for i, v := range value {
			value[i] = steady(name, v)
		}
	case string:
		var inner any
		if name == "body" && json.Unmarshal([]byte(value), &inner) == nil {
			return steady("", inner)
		}
		return replace(name, value, value)
	case float64:
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // cannot happen: the number comes from JSON
		}
		return replace(name, string(text), value)
	}
	return value
}

func replace(name, text string, value any) any {
	for _, k := range kinds {
		for _, n := range k.names {
			if n == name && k.form.MatchString(text) {
				return k.form.ReplaceAllLiteralString(text, k.kind)
			}
		}
	}
	return value
}
