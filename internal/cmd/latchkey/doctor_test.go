package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// doctored is what doctor says: the diagnosis of each check.
type doctored map[string]diagnosis

// runDoctor runs doctor with variables, and checks its exit code and that its output has none of the
// secrets.
func runDoctor(t *testing.T, code int, secrets []string, variables []string, args ...string) doctored {
	t.Helper()
	got, out, talk := cli(t, "", variables, append([]string{"doctor", "-o", "json"}, args...)...)
	var answer struct{ Data []diagnosis }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || got != code {
		t.Fatalf("exit code %d, want %d: %v\n%s%s", got, code, err, out, talk)
	}
	for _, secret := range secrets {
		if strings.Contains(out+talk, secret) {
			t.Errorf("a secret is printed:\n%s%s", out, talk)
		}
	}
	all := make(doctored)
	for _, d := range answer.Data {
		all[d.Check] = d
	}
	return all
}

// says checks the verdict of a check, and that its detail and its next command have these parts.
func (d doctored) says(t *testing.T, check, verdict, detail, next string) {
	t.Helper()
	got := d[check]
	if got.Verdict != verdict || !strings.Contains(got.Detail, detail) || !strings.Contains(got.Next, next) {
		t.Errorf("%s: %+v, want %s %q -> %q", check, got, verdict, detail, next)
	}
}

func TestDoctorChecksALocalStack(t *testing.T) {
	s := start(t, t.TempDir())
	secret, err := os.ReadFile(state(s.state).secret())
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{s.root, strings.Split(string(secret), `"`)[3]}
	at := []string{"STATE=" + s.state, "LATCHKEY_URL=" + s.url, "XDG_CONFIG_HOME=" + t.TempDir()}
	admin := append(at, "LATCHKEY_KEY="+s.root)
	d := runDoctor(t, 0, secrets, admin)
	for _, check := range []string{"variables", "settings", "service", "clock", "key", "engine", "template", "files", "secret"} {
		d.says(t, check, "ok", "", "")
	}
	d.says(t, "key", "ok", "may manage the keys of every user; scopes: keys:admin", "")
	d.says(t, "files", "ok", "a stack runs on it (process ", "")
	d.says(t, "secret", "ok", "the table's keys were made with it", "")

	_, reader := s.create(t, `{"userId":"u1","scopes":["keys:read"]}`)
	runDoctor(t, 0, []string{reader}, append(at, "LATCHKEY_KEY="+reader)).says(t, "key", "ok", "may read its user's keys; scopes: keys:read", "")
	wrong := "an-unknown-token-of-somebody"
	runDoctor(t, 1, []string{wrong}, append(at, "LATCHKEY_KEY="+wrong)).says(t, "key", "FAIL", "LATCHKEY_KEY: ", "latchkey validate")
	runDoctor(t, 0, nil, append(at, "LATCHKEY_KEY=")).says(t, "key", "warn", "no key", "latchkey init")
	d = runDoctor(t, 1, []string{"canary"}, append(admin, "FRESHNESS=canary"))
	d.says(t, "variables", "FAIL", "FRESHNESS", "")
	runDoctor(t, 1, []string{"canary"}, append(admin, "LATCHKEY_KEY=a canary")).says(t, "settings", "FAIL", "LATCHKEY_KEY must be one key", "")
	runDoctor(t, 0, nil, append(admin, "ENGINE_DIR="+t.TempDir(), "TEMPLATE=nowhere.yaml")).says(t, "engine", "warn", "neither in", "make engine")

	if err := os.Chmod(state(s.state).secret(), 0o644); err != nil {
		t.Fatal(err)
	}
	runDoctor(t, 1, secrets, admin).says(t, "files", "FAIL", "has the rights 644", "chmod 600 "+state(s.state).secret())
	if err := os.WriteFile(state(s.state).secret(), []byte(`{"master":"`+strings.Repeat("other", 8)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(state(s.state).secret(), 0o600); err != nil {
		t.Fatal(err)
	}
	runDoctor(t, 1, []string{"otherother"}, admin).says(t, "secret", "FAIL", "the table's keys need another secret", "")
	if err := os.WriteFile(state(s.state).secret(), []byte(`canary`), 0o600); err != nil {
		t.Fatal(err)
	}
	runDoctor(t, 1, []string{"canary"}, admin).says(t, "secret", "FAIL", "is damaged", "")
}

func TestDoctorChecksTheServiceAndItsClock(t *testing.T) {
	nothing := []string{"STATE=" + filepath.Join(t.TempDir(), "none"), "XDG_CONFIG_HOME=" + t.TempDir(), "LATCHKEY_KEY="}
	type answer struct {
		off    time.Duration
		status int
		body   string
	}
	var next atomic.Pointer[answer]
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := next.Load()
		w.Header().Set("Date", time.Now().Add(a.off).UTC().Format(http.TimeFormat))
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	defer service.Close()
	at := append(nothing, "LATCHKEY_URL="+service.URL)
	for span, want := range map[time.Duration]string{0: "ok", -time.Minute: "warn", time.Minute: "warn", -time.Hour: "FAIL", time.Hour: "FAIL"} {
		next.Store(&answer{span, 200, `{"status":"ok"}`})
		code, direction := 0, "ahead of"
		if want == "FAIL" {
			code = 1
		}
		if span > 0 {
			direction = "behind"
		}
		if want == "ok" {
			direction = "agrees"
		}
		runDoctor(t, code, nil, at).says(t, "clock", want, direction, "")
	}
	next.Store(&answer{0, 403, `{"message":"Missing Authentication Token"}`})
	d := runDoctor(t, 1, nil, at)
	d.says(t, "service", "FAIL", "lacks the stage", service.URL+"/prod")
	d.says(t, "key", "not checked", "another service", "")
	next.Store(&answer{0, 503, `{"error":{"message":"The table does not answer","type":"api_error","param":null,"code":"unavailable"}}`})
	runDoctor(t, 1, nil, at).says(t, "service", "FAIL", "The table does not answer", "")
	d = runDoctor(t, 1, nil, append(nothing, "LATCHKEY_URL=http://127.0.0.1:1"))
	d.says(t, "service", "FAIL", "refused", "latchkey dev")
	d.says(t, "clock", "not checked", "", "")
	d.says(t, "files", "ok", "latchkey dev makes one", "")
	runDoctor(t, 1, nil, append(nothing, "LATCHKEY_URL=nonsense")).says(t, "settings", "FAIL", "LATCHKEY_URL must be", "")
}

func TestDoctorChecksADeployedStack(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	aws := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=canary-of-the-operator", "LATCHKEY_KEY=",
		"XDG_CONFIG_HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(secretsManager), "SECRET_ARN=" + secretARN, "LATCHKEY_URL="}
	s := start(t, t.TempDir(), append(aws, "DYNAMODB_ENDPOINT="+endpoint)...)
	outputs := map[string]string{"ApiUrl": s.url, "TableName": localTable, "SecretArn": secretARN}
	formation := cloudFormation{outputs: outputs, parameters: map[string]string{"KeyPrefix": "sk", "AcceptEnvironments": "live,test"}}
	var most atomic.Int64
	most.Store(1000)
	functions := serve(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccountLimit":{"ConcurrentExecutions":%d}}`, most.Load())
	})
	variables := append(aws, "AWS_ENDPOINT_URL_DYNAMODB="+endpoint, "AWS_ENDPOINT_URL_CLOUDFORMATION="+serve(formation.ServeHTTP), "AWS_ENDPOINT_URL_LAMBDA="+functions)
	secrets := []string{"canary", strings.Repeat("m", 64)}
	d := runDoctor(t, 0, secrets, variables, "--stack", "auth")
	for _, check := range []string{"variables", "region", "account", "stack", "table", "secret", "quota", "service", "clock"} {
		d.says(t, check, "ok", "", "")
	}
	d.says(t, "service", "ok", s.url, "")
	if _, local := d["files"]; local {
		t.Error("the local stack is checked with --stack")
	}
	most.Store(10)
	runDoctor(t, 0, secrets, variables, "--stack", "auth").says(t, "quota", "warn", "only 10 functions", "request-service-quota-increase")
	d = runDoctor(t, 1, secrets, append(variables, "LATCHKEY_URL="+s.url), "--stack", "gone")
	d.says(t, "stack", "FAIL", "does not exist", "aws cloudformation list-stacks")
	refuses := serve(denied)
	d = runDoctor(t, 0, secrets, append(variables, "LATCHKEY_URL="+s.url, "AWS_ENDPOINT_URL_CLOUDFORMATION="+refuses, "AWS_ENDPOINT_URL_LAMBDA="+refuses), "--stack", "auth")
	d.says(t, "stack", "not checked", "lack the right to ask", "")
	d.says(t, "quota", "not checked", "", "")
	d = runDoctor(t, 0, secrets, append(variables, "AWS_ENDPOINT_URL_DYNAMODB="+refuses), "--stack", "auth")
	d.says(t, "table", "not checked", "AccessDeniedException", "")
	without := cloudFormation{outputs: maps.Clone(outputs), parameters: formation.parameters}
	delete(without.outputs, "SecretArn")
	runDoctor(t, 1, secrets, append(variables, "AWS_ENDPOINT_URL_CLOUDFORMATION="+serve(without.ServeHTTP)), "--stack", "auth").says(t, "table", "FAIL", "has no SecretArn", "")
}
