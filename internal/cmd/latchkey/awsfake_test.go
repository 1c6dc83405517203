package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
)

// fakeAccount answers as the AWS account of a stack with the name auth. A test changes one thing.
type fakeAccount struct {
	mu        sync.Mutex
	resources map[string]string          // types by logical ids; the physical id is auth- and the logical one
	quota     int                        // functions at once
	dashboard string                     // the body
	metrics   func(name string) bool     // whether a metric has values
	alarm     func(name string) cbor.Map // how an alarm is described; nil if it does not exist
	late      map[string]int             // for an operation, how many answers have nothing yet
	line      func(id string) bool       // whether the access log has a request's line
	denied    map[string]bool            // operations that the credentials do not allow
	turned    string                     // the alarm that was started
	asked     map[string]int             // operations by name
	people    string                     // how many have subscribed to the topic
	days      int                        // retention of log groups; 0 for ever
}

func newFakeAccount(t *testing.T) *fakeAccount {
	t.Helper()
	template, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeAccount{
		resources: map[string]string{"Dashboard": "AWS::CloudWatch::Dashboard", "AccessLogs": "AWS::Logs::LogGroup"},
		quota:     1000, people: "2", days: 30, late: map[string]int{"GetMetricData": 1, "FilterLogEvents": 1, "DescribeAlarmHistory": 1},
		denied:  map[string]bool{},
		asked:   map[string]int{},
		metrics: func(string) bool { return true }, line: func(string) bool { return true },
	}
	for _, m := range regexp.MustCompile(`(?m)^  (\w+Alarm):$`).FindAllStringSubmatch(string(template), -1) {
		f.resources[m[1]] = "AWS::CloudWatch::Alarm"
	}
	f.alarm = func(name string) cbor.Map {
		return cbor.Map{"AlarmName": cbor.String(name), "ActionsEnabled": cbor.Bool(true), "StateValue": cbor.String("OK"),
			"AlarmActions": cbor.List{cbor.String(fakeTopic)}}
	}
	body := regexp.MustCompile(`(?s)DashboardBody: !Sub\n +- \|\n(.*?)\n +- Table:`).FindStringSubmatch(string(template))
	if body == nil {
		t.Fatal("the template has no dashboard")
	}
	f.dashboard = regexp.MustCompile(`\$\{([^}]*)\}`).ReplaceAllStringFunc(body[1], func(text string) string {
		name := strings.Trim(text, "${}")
		alarm, isAlarm := strings.CutSuffix(name, ".Arn")
		switch {
		case isAlarm:
			return "arn:aws:cloudwatch:us-east-1:123456789012:alarm:auth-" + alarm
		case name == "AWS::StackName":
			return "auth"
		}
		return "auth-" + strings.ReplaceAll(name, "::", "-")
	})
	return f
}

const fakeTopic = "arn:aws:sns:us-east-1:123456789012:trouble"

// variables starts the account's services, and returns the variables that lead to them.
func (f *fakeAccount) variables(t *testing.T, formation cloudFormation) []string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		operation := f.operation(r, string(body))
		f.asked[operation]++
		early := f.late[operation] > 0
		f.late[operation]--
		switch {
		case f.denied[operation]:
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("AccessDeniedException"), "message": cbor.String("You may not")}))
		case operation == "DescribeStacks":
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			formation.ServeHTTP(w, r)
		case operation == "ListStackResources":
			w.Header().Set("Content-Type", "text/xml")
			fmt.Fprint(w, f.list())
		case operation == "GetAccountSettings":
			fmt.Fprintf(w, `{"AccountLimit":{"ConcurrentExecutions":%d}}`, f.quota)
		case operation == "GetTopicAttributes":
			w.Header().Set("Content-Type", "text/xml")
			fmt.Fprint(w, `<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>SubscriptionsConfirmed</key><value>`+
				f.people+`</value></entry></Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>`)
		case operation == "DescribeLogGroups":
			name := regexp.MustCompile(`auth-\w+`).FindString(string(body))
			fmt.Fprintf(w, `{"logGroups":[{"logGroupName":%q,"retentionInDays":%d}]}`, name, f.days)
		case operation == "FilterLogEvents":
			id := regexp.MustCompile(`\\"([^"\\]*)\\"`).FindStringSubmatch(string(body))
			if !early && id != nil && f.line(id[1]) {
				fmt.Fprint(w, `{"events":[{"message":"a line"}]}`)
				return
			}
			fmt.Fprint(w, `{"events":[]}`)
		default:
			w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
			w.Header().Set("Content-Type", "application/cbor")
			value, err := cbor.Decode(body)
			if err != nil {
				t.Error(operation, err)
			}
			_, _ = w.Write(cbor.Encode(f.watch(t, operation, value.(cbor.Map), early)))
		}
	}))
	t.Cleanup(server.Close)
	return []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=canary-of-the-operator", "AWS_ENDPOINT_URL=" + server.URL}
}

// operation returns the name of the operation that a request asks for.
func (f *fakeAccount) operation(r *http.Request, body string) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, name, _ := strings.Cut(target, ".")
		return name
	}
	if m := regexp.MustCompile(`Action=(\w+)`).FindStringSubmatch(body); m != nil {
		return m[1]
	}
	if strings.Contains(r.URL.Path, "account-settings") {
		return "GetAccountSettings"
	}
	return path.Base(r.URL.Path)
}

func (f *fakeAccount) list() string {
	var members strings.Builder
	for id, kind := range f.resources {
		fmt.Fprintf(&members, "<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>auth-%s</PhysicalResourceId>"+
			"<ResourceType>%s</ResourceType></member>", id, id, kind)
	}
	return `<ListStackResourcesResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><ListStackResourcesResult>` +
		`<StackResourceSummaries>` + members.String() + `</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>`
}

// watch answers as CloudWatch.
func (f *fakeAccount) watch(t *testing.T, operation string, input cbor.Map, early bool) cbor.Value {
	text := func(m cbor.Map, name string) string { s, _ := m[name].(cbor.String); return string(s) }
	list := func(m cbor.Map, name string) cbor.List { l, _ := m[name].(cbor.List); return l }
	switch operation {
	case "GetDashboard":
		return cbor.Map{"DashboardBody": cbor.String(f.dashboard)}
	case "DescribeAlarms":
		found := cbor.List{}
		for _, name := range list(input, "AlarmNames") {
			if a := f.alarm(string(name.(cbor.String))); a != nil {
				found = append(found, a)
			}
		}
		return cbor.Map{"MetricAlarms": found}
	case "SetAlarmState":
		f.turned = text(input, "AlarmName")
		return cbor.Map{}
	case "DescribeAlarmHistory":
		items := cbor.List{}
		if !early && f.turned == text(input, "AlarmName") {
			items = append(items, cbor.Map{"HistorySummary": cbor.String("Successfully executed action " + fakeTopic)})
		}
		return cbor.Map{"AlarmHistoryItems": items}
	case "GetMetricData":
		results := cbor.List{}
		for _, query := range list(input, "MetricDataQueries") {
			stat := query.(cbor.Map)["MetricStat"].(cbor.Map)["Metric"].(cbor.Map)
			values := cbor.List{}
			if !early && f.metrics(text(stat, "MetricName")) {
				values = append(values, cbor.Float64(1))
			}
			results = append(results, cbor.Map{"Id": query.(cbor.Map)["Id"], "Values": values})
		}
		return cbor.Map{"MetricDataResults": results}
	}
	t.Errorf("an operation that the account does not have: %s", operation)
	return cbor.Map{}
}
