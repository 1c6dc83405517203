//go:build sam

package samtest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// If the secret or the table is missing, every request is answered "unavailable", and the log has
// the reason. No request is allowed, and no function ends.
func TestWithoutSecretOrTableEveryRequestIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]struct {
		variables map[string]string
		says      string
	}{
		"a secret that is not JSON": {map[string]string{"LATCHKEY_SECRET": "canary"}, "the secret is not JSON"},
		"no secret":                 {map[string]string{"LATCHKEY_SECRET": ""}, "get the secret's value"},
		"no table":                  {map[string]string{"TABLE_NAME": "none"}, "ResourceNotFoundException"},
		"nothing at the endpoint":   {map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"}, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "start-lambda", envVars{"Parameters": missing.variables})
			f := s.functions()
			_, token := create(t, given(t, "LOCAL_STACK"), `{"name":"demo"}`)
			const times = 2
			for range times {
				r := f.invoke(t, "AuthorizerFunction", event(t, "authorizer-allow", withKey(token)))
				if !r.failed || !strings.HasPrefix(r.Message, "unavailable") {
					t.Errorf("authorizer: %+v", r)
				}
				validate := map[string]any{"body": `{"apiKey":"` + token + `"}`}
				for _, r := range []result{
					f.invoke(t, "ValidateFunction", event(t, "keys-validate", validate)), f.invoke(t, "KeysFunction", event(t, "keys-create", nil)),
				} {
					if r.failed || r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(r.Body, `"code":"unavailable"`) {
						t.Errorf("HTTP: %+v", r)
					}
				}
			}
			lines := s.lines(t)
			if len(lines) != 3*times {
				t.Errorf("%d lines in the log for %d requests", len(lines), 3*times)
			}
			for _, line := range lines {
				if line["level"] != "ERROR" || line["code"] != "unavailable" || !strings.Contains(line.text("error"), missing.says) {
					t.Errorf("the log says %v", line)
				}
			}
			if started := len(containers.FindAllString(s.log.String(), -1)); started != 3 {
				t.Errorf("%d containers ran for 3 functions", started)
			}
			if strings.Contains(s.log.String(), "canary") {
				t.Error("the log has the secret")
			}
		})
	}
}

func TestAFunctionNamesAWrongVariableAndDoesNotStart(t *testing.T) {
	t.Parallel()
	events := map[string]string{"AuthorizerFunction": "authorizer-allow", "ValidateFunction": "keys-validate", "KeysFunction": "health"}
	for _, wrong := range []envVars{
		{"AuthorizerFunction": {"FRESHNESS": "soon"}, "ValidateFunction": {"ACCEPT_ENVIRONMENTS": "prod"}, "KeysFunction": {"MAX_KEYS_PER_USER": "none"}},
		{"AuthorizerFunction": {"ROUTE_SCOPES": "tts"}, "ValidateFunction": {"KEY_PREFIX": "pk"}, "KeysFunction": {"TABLE_NAME": ""}},
		{"AuthorizerFunction": {"TRUSTED_PROXY_HOPS": "-1"}, "ValidateFunction": {"SECRET_ARN": "", "LATCHKEY_SECRET": ""}},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := serve(t, "start-lambda", wrong)
			for function, values := range wrong {
				if r := s.functions().invoke(t, function, event(t, events[function], nil)); !r.failed || r.Message == "Unauthorized" {
					t.Errorf("%s with %v answers %+v", function, values, r)
				}
			}
			lines := s.lines(t)
			if len(lines) != len(wrong) {
				t.Errorf("the log of %d functions has %d lines", len(wrong), len(lines))
			}
			for _, values := range wrong {
				for name := range values {
					if !slices.ContainsFunc(lines, func(l line) bool {
						return l["message"] == "cannot start" && strings.Contains(l.text("error"), name)
					}) {
						t.Errorf("the log does not say that %s is wrong", name)
					}
				}
			}
		})
	}
}

// line is a line of a function's log. Lines of metrics have no message.
type line map[string]any

func (l line) text(name string) string {
	text, _ := l[name].(string)
	return text
}

var containers = regexp.MustCompile(`SAM_CONTAINER_ID: ([0-9a-f]+)`)

// lines returns the lines that the functions have logged, except metrics. It reads the logs of the
// containers, because SAM may miss the first lines.
func (s *server) lines(t *testing.T) []line {
	t.Helper()
	var found []line
	for _, container := range containers.FindAllStringSubmatch(s.log.String(), -1) {
		text, err := exec.Command("docker", "logs", container[1]).CombinedOutput()
		if err != nil {
			t.Fatalf("docker logs: %v: %s", err, text)
		}
		for text := range bytes.Lines(text) {
			var l line
			if json.Unmarshal(text, &l) == nil && l["message"] != nil {
				found = append(found, l)
			}
		}
	}
	return found
}
