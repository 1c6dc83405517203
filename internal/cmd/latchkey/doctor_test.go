package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	empty := t.TempDir() // the user's own cache may have an engine
	nowhere := append(admin, "ENGINE_DIR="+empty, "XDG_CACHE_HOME="+empty, "HOME="+empty, "TEMPLATE=nowhere.yaml")
	runDoctor(t, 0, nil, nowhere).says(t, "engine", "warn", "neither in", "make engine")

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
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	vault := new(secretVault)
	aws := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=canary-of-the-operator", "LATCHKEY_KEY=",
		"XDG_CONFIG_HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(vault), "SECRET_ARN=" + secretARN, "LATCHKEY_URL="}
	s := start(t, t.TempDir(), append(aws, "DYNAMODB_ENDPOINT="+endpoint)...)
	formation := cloudFormation{
		outputs:    map[string]string{"ApiUrl": s.url, "TableName": localTable, "SecretArn": secretARN},
		parameters: map[string]string{"KeyPrefix": "sk", "AcceptEnvironments": "live,test", "AlarmTopicArn": fakeTopic, "Monitoring": "full"},
	}
	f := newFakeAccount(t)
	table := newDeployedTable(t, endpoint)
	variables := append(append(aws, f.variables(t, formation)...), "AWS_ENDPOINT_URL_DYNAMODB="+serve(table))
	secrets := []string{"canary", strings.Repeat("m", 64)}
	run := func(code int, more ...string) doctored {
		t.Helper()
		return runDoctor(t, code, secrets, append(variables, more...), "--stack", "auth")
	}
	locked := func(do func()) {
		for _, mu := range []*sync.Mutex{&f.mu, &table.mu, &vault.mu} {
			mu.Lock()
			defer mu.Unlock()
		}
		do()
	}
	d := run(0)
	for _, check := range []string{
		"variables", "region", "account", "stack", "table", "secret", "quota", "service", "clock", "index", "deletion protection", "billing",
		"expiry", "backups", "deletion of the secret", "peppers", "alarms", "topic", "logs",
	} {
		d.says(t, check, "ok", "", "")
	}
	d.says(t, "service", "ok", s.url, "")
	if _, local := d["files"]; local {
		t.Error("the local stack is checked with --stack")
	}
	for _, c := range []struct {
		change, back               func()
		code                       int
		check, verdict, says, next string
	}{
		{func() { f.quota = 10 }, func() { f.quota = 1000 }, 0, "quota", "warn", "only 10 functions", "request-service-quota-increase"},
		{func() { f.people = "0" }, func() { f.people = "1" }, 0, "topic", "warn", "nobody has subscribed", "aws sns subscribe"},
		{func() { formation.parameters["AlarmTopicArn"] = "" }, func() { formation.parameters["AlarmTopicArn"] = fakeTopic }, 0, "topic", "warn", "notify nobody", "make deploy STACK=auth"},
		{func() { f.days = 0 }, func() { f.days = 30 }, 0, "logs", "warn", "stored for ever", "put-retention-policy"},
		{func() { f.denied["DescribeAlarms"] = true }, func() { f.denied["DescribeAlarms"] = false }, 0, "alarms", "not checked", "lack the right to ask", ""},
		{func() { formation.parameters["Monitoring"] = "off" }, func() { formation.parameters["Monitoring"] = "full" }, 0, "alarms", "not checked", "Monitoring is off", ""},
		{func() {
			table.answers["DescribeTimeToLive"] = `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`
		}, nil, 1, "expiry", "FAIL", "grows for ever", "update-time-to-live"},
		{func() {
			table.answers["DescribeContinuousBackups"] = `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"DISABLED"}}}`
		}, nil, 1, "backups", "FAIL", "point in time", "update-continuous-backups"},
		{func() { table.described = strings.NewReplacer(`"revokedAt"`, `"other"`) }, nil, 1, "index", "FAIL", "lacks revokedAt", "describe-table"},
		{func() { table.described = strings.NewReplacer(`"by-user"`, `"another"`) }, nil, 1, "index", "FAIL", "no index by-user", ""},
		{func() {
			table.described = strings.NewReplacer(`"DeletionProtectionEnabled":true`, `"DeletionProtectionEnabled":false`)
		}, nil, 1, "deletion protection", "warn", "by mistake", "--deletion-protection-enabled"},
		{func() { table.described = strings.NewReplacer(`PAY_PER_REQUEST`, `PROVISIONED`) }, nil, 1, "billing", "warn", "fixed capacity", "PAY_PER_REQUEST"},
		{func() { vault.deleted = 1800000000 }, nil, 1, "deletion of the secret", "FAIL", "2027-01-15", "restore-secret"},
	} {
		locked(c.change)
		run(c.code).says(t, c.check, c.verdict, c.says, c.next)
		if c.back != nil {
			locked(c.back)
		}
	}
}

// deployedTable is an engine that answers as DynamoDB on AWS where engines do not.
type deployedTable struct {
	http.Handler
	mu        sync.Mutex
	answers   map[string]string // by operation
	described *strings.Replacer // changes the description of the table
}

// newDeployedTable returns a table with the settings of the template.
func newDeployedTable(t *testing.T, endpoint string) *deployedTable {
	t.Helper()
	return &deployedTable{
		Handler: proxyTo(t, endpoint),
		answers: map[string]string{
			"DescribeTimeToLive": `{"TimeToLiveDescription":{"AttributeName":"ttl","TimeToLiveStatus":"ENABLED"}}`,
			"DescribeContinuousBackups": `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED",` +
				`"PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"ENABLED"}}}`,
		},
		described: strings.NewReplacer(),
	}
}

func (d *deployedTable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	d.mu.Lock()
	answer, ok := d.answers[operation]
	described := d.described
	d.mu.Unlock()
	if ok {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, answer)
		return
	}
	if operation != "DescribeTable" {
		d.Handler.ServeHTTP(w, r)
		return
	}
	of := httptest.NewRecorder()
	d.Handler.ServeHTTP(of, r)
	var description struct{ Table map[string]any }
	_ = json.Unmarshal(of.Body.Bytes(), &description)
	description.Table["DeletionProtectionEnabled"] = true
	description.Table["BillingModeSummary"] = map[string]string{"BillingMode": "PAY_PER_REQUEST"}
	text, _ := json.Marshal(description)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = io.WriteString(w, described.Replace(string(text)))
}

// Without a right, or with a part missing, the other checks go on.
func TestDoctorChecksWhatItMayOfADeployedStack(t *testing.T) {
	endpoint, giveBack := dynamotest.Lend(t, localTable)
	t.Cleanup(giveBack)
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	refuses := serve(denied)
	aws := []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=canary-of-the-operator", "LATCHKEY_KEY=", "AWS_ENDPOINT_URL=" + refuses,
		"XDG_CONFIG_HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(secretsManager), "SECRET_ARN=" + secretARN, "LATCHKEY_URL="}
	s := start(t, t.TempDir(), append(aws, "DYNAMODB_ENDPOINT="+endpoint)...)
	outputs := map[string]string{"ApiUrl": s.url, "TableName": localTable, "SecretArn": secretARN}
	formation := cloudFormation{outputs: outputs, parameters: map[string]string{"KeyPrefix": "sk", "AcceptEnvironments": "live,test"}}
	variables := append(aws, "AWS_ENDPOINT_URL_DYNAMODB="+endpoint, "AWS_ENDPOINT_URL_CLOUDFORMATION="+serve(formation.ServeHTTP))
	secrets := []string{"canary", strings.Repeat("m", 64)}
	d := runDoctor(t, 1, secrets, append(variables, "LATCHKEY_URL="+s.url), "--stack", "gone")
	d.says(t, "stack", "FAIL", "does not exist", "aws cloudformation list-stacks")
	d = runDoctor(t, 0, secrets, append(variables, "LATCHKEY_URL="+s.url, "AWS_ENDPOINT_URL_CLOUDFORMATION="+refuses), "--stack", "auth")
	d.says(t, "stack", "not checked", "lack the right to ask", "")
	d.says(t, "quota", "not checked", "", "")
	d = runDoctor(t, 0, secrets, append(variables, "AWS_ENDPOINT_URL_DYNAMODB="+refuses), "--stack", "auth")
	d.says(t, "table", "not checked", "AccessDeniedException", "")
	without := cloudFormation{outputs: maps.Clone(outputs), parameters: formation.parameters}
	delete(without.outputs, "SecretArn")
	runDoctor(t, 1, secrets, append(variables, "AWS_ENDPOINT_URL_CLOUDFORMATION="+serve(without.ServeHTTP)), "--stack", "auth").says(t, "table", "FAIL", "has no SecretArn", "")
}
