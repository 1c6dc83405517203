package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/smoke"
)

// smokesAccount runs latchkey smoke --aws. It returns, for the name of each check in the account,
// its verdict.
func smokesAccount(t *testing.T, code int, variables []string, args ...string) map[string]string {
	t.Helper()
	got, out, talk := cli(t, "", variables, append([]string{"smoke", "--stack", "auth", "--aws", "--wait", "300ms", "-o", "json"}, args...)...)
	var answer struct{ Data []smoke.Row }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || got != code {
		t.Fatalf("exit code %d, want %d: %v\n%s%s", got, code, err, out, talk)
	}
	if strings.Contains(out+talk, "canary") {
		t.Error("a secret is printed")
	}
	own := regexp.MustCompile("^(quota|stack|alarms|metrics|dashboard|access-log)$")
	all := make(map[string]string)
	for _, row := range answer.Data {
		if own.MatchString(row.Assumption) {
			all[row.Check] = row.Verdict
		} else if row.Verdict == smoke.Differs {
			t.Errorf("a check of the API differs: %s", row)
		}
	}
	return all
}

// Each thing that is wrong in an account differs in exactly its check. What comes late is awaited.
func TestTheSmokeTestOfAnAccountCatchesEachDifference(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	dynamotest.AnyEngine(t)
	s := start(t, t.TempDir(), "FRESHNESS=0", "LOG_LEVEL=ERROR")
	at := gateway{answer: func(r *http.Response) { r.Header.Set("X-Amzn-Requestid", "a-request") }}.start(t, s)
	mute := gateway{}.start(t, s)
	for name, c := range map[string]struct {
		change  func(*fakeAccount, cloudFormation)
		args    []string
		differs string // a pattern of the checks that differ
		skipped string
	}{
		"as expected":       {},
		"an alarm may turn": {args: []string{"--alarms"}},
		"ten functions":     {change: func(f *fakeAccount, _ cloudFormation) { f.quota = 10 }, differs: "functions at once"},
		"no values": {change: func(f *fakeAccount, _ cloudFormation) { f.metrics = func(string) bool { return false } },
			differs: "metric .*"},
		"no verdicts": {change: func(f *fakeAccount, _ cloudFormation) {
			f.metrics = func(name string) bool { return name != "Verdicts" }
		},
			differs: "metric Latchkey Verdicts .*"},
		"no line": {change: func(f *fakeAccount, _ cloudFormation) { f.line = func(id string) bool { return id != "a-request" } },
			differs: "the access log: the line of a request"},
		"no request id": {change: func(_ *fakeAccount, c cloudFormation) { c.outputs["ApiUrl"] = mute.String() },
			differs: "the access log: the line of a request"},
		"an alarm that is gone": {change: changeAlarm(func(cbor.Map) cbor.Map { return nil }), differs: "alarm auth-SlowAlarm"},
		"an alarm that is off": {change: changeAlarm(func(a cbor.Map) cbor.Map { a["ActionsEnabled"] = cbor.Bool(false); return a }),
			differs: "alarm auth-SlowAlarm"},
		"an alarm that notifies nobody": {change: changeAlarm(func(a cbor.Map) cbor.Map { delete(a, "AlarmActions"); return a }),
			differs: "alarm auth-SlowAlarm"},
		"an alarm without data": {change: changeAlarm(func(a cbor.Map) cbor.Map { a["StateValue"] = cbor.String("INSUFFICIENT_DATA"); return a }),
			differs: "alarms: evaluated"},
		"no alarms": {change: func(f *fakeAccount, _ cloudFormation) {
			maps.DeleteFunc(f.resources, func(_, kind string) bool { return strings.HasSuffix(kind, "Alarm") })
		}, differs: "alarms|the dashboard: its alarms"},
		"an alarm that does not turn": {change: func(f *fakeAccount, _ cloudFormation) { f.late["DescribeAlarmHistory"] = 1e6 },
			args: []string{"--alarms"}, differs: "alarm auth-ApiErrorsAlarm: it starts"},
		"a damaged dashboard": {change: func(f *fakeAccount, _ cloudFormation) { f.dashboard = "{" }, differs: "the dashboard"},
		"another stack's alarms": {change: func(f *fakeAccount, _ cloudFormation) {
			f.dashboard = strings.Replace(f.dashboard, "alarm:auth-Slow", "alarm:other-Slow", 1)
		}, differs: "the dashboard: its alarms"},

		"monitoring is off": {change: func(_ *fakeAccount, c cloudFormation) { c.parameters["Monitoring"] = "off" },
			skipped: "alarms, metrics and dashboard: .* off"},
		"alarms alone": {change: func(_ *fakeAccount, c cloudFormation) { c.parameters["Monitoring"] = "alarms" }, skipped: "the dashboard: .*"},
		"no topic":     {change: func(_ *fakeAccount, c cloudFormation) { delete(c.parameters, "AlarmTopicArn") }, skipped: "alarms: whom they notify.*"},
		"no log":       {change: func(f *fakeAccount, _ cloudFormation) { delete(f.resources, "AccessLogs") }, skipped: "the access log.*"},
		"no rights": {change: func(f *fakeAccount, _ cloudFormation) {
			for _, operation := range []string{"GetDashboard", "DescribeAlarms", "GetMetricData"} {
				f.denied[operation] = true
			}
		}, skipped: "(the dashboard|alarms|metrics): your AWS credentials lack the right.*"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAccount(t)
			formation := cloudFormation{
				outputs:    map[string]string{"ApiUrl": at.String()},
				parameters: map[string]string{"Freshness": "0", "StageName": "prod", "AlarmTopicArn": fakeTopic},
			}
			if c.change != nil {
				c.change(f, formation)
			}
			code := 0
			if c.differs != "" {
				code = 1
			}
			verdicts := smokesAccount(t, code, append(f.variables(t, formation), "LATCHKEY_KEY="+s.root), c.args...)
			if c.differs+c.skipped == "" && len(verdicts) < 25 {
				t.Errorf("only %d checks: %v", len(verdicts), verdicts)
			}
			for _, verdict := range []struct{ name, checks string }{{smoke.Differs, c.differs}, {smoke.Skipped, c.skipped}} {
				var found []string
				for check, v := range verdicts {
					if v == verdict.name {
						found = append(found, check)
					}
				}
				form := regexp.MustCompile("^(" + verdict.checks + ")$")
				if (verdict.checks == "") != (len(found) == 0) || slices.ContainsFunc(found, func(check string) bool { return !form.MatchString(check) }) {
					t.Errorf("%s: %q, want %q", verdict.name, found, verdict.checks)
				}
			}
			if turned := slices.Contains(c.args, "--alarms"); turned != (f.turned != "") {
				t.Errorf("the alarm %q was started", f.turned)
			}
		})
	}
	for _, wrong := range [][]string{{"--aws"}, {"--stack", "auth", "--alarms"}, {"--stack", "auth", "--aws", "--wait", "0s"}} {
		if code, _, talk := cli(t, "", []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}, append([]string{"smoke"}, wrong...)...); code != 2 {
			t.Errorf("%q: exit code %d: %s", wrong, code, talk)
		}
	}
}

// changeAlarm changes how one alarm is described.
func changeAlarm(change func(cbor.Map) cbor.Map) func(*fakeAccount, cloudFormation) {
	return func(f *fakeAccount, _ cloudFormation) {
		described := f.alarm
		f.alarm = func(name string) cbor.Map {
			if name == "auth-SlowAlarm" {
				return change(described(name))
			}
			return described(name)
		}
	}
}
