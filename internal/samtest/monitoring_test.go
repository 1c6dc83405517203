//go:build sam

package samtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	lambdaauthorizer "latchkey/internal/authorizer"
	"latchkey/internal/gate"
	"latchkey/internal/metrics"
)

// series are the metrics of AWS that alarms and the dashboard show, each with its sets of dimensions.
var series = map[string][]string{
	"AWS/Lambda/Duration":                     {"FunctionName"},
	"AWS/Lambda/Errors":                       {"FunctionName"},
	"AWS/Lambda/Throttles":                    {"FunctionName"},
	"AWS/DynamoDB/ThrottledRequests":          {"TableName Operation"},
	"AWS/DynamoDB/SystemErrors":               {"TableName Operation"},
	"AWS/DynamoDB/ConsumedReadCapacityUnits":  {"TableName"},
	"AWS/DynamoDB/ConsumedWriteCapacityUnits": {"TableName"},
	"AWS/ApiGateway/Count":                    {"ApiName Stage"},
	"AWS/ApiGateway/4XXError":                 {"ApiName Stage"},
	"AWS/ApiGateway/5XXError":                 {"ApiName Stage"},
	"Latchkey/" + backendMetric:               {""},
	"Latchkey/" + throttlesMetric:             {""},
}

// failing is a handler that observes each verdict once, and one error, and then fails.
type failing struct{ recorder *metrics.Recorder }

func (f failing) Invoke(context.Context, []byte) ([]byte, error) {
	for _, code := range apikey.Codes() {
		f.recorder.Observe(apikey.Verdict{Code: code}, nil, time.Millisecond)
	}
	f.recorder.Observe(apikey.Verdict{}, errors.New("no answer"), time.Millisecond)
	return nil, errors.New("no answer")
}

// emitted returns the metrics that a function writes, each with its sets of dimensions, and the codes
// that it writes as a dimension. A recorder writes them here as it does in a function.
func emitted(extent string) (all map[string][]string, codes []string) {
	var out bytes.Buffer
	counters := []metrics.Counter{}
	for _, name := range []string{metrics.Reads, metrics.Writes, metrics.LeaseHits, metrics.MemoryHits} {
		counters = append(counters, metrics.Counter{Metric: name, Read: func() int64 { return 1 }})
	}
	r := metrics.New(metrics.Options{
		Now: func() time.Time { return time.Unix(1795521600, 0) }, Extent: metrics.Extent(extent), Function: "f", Level: "INFO", Counters: counters,
	})
	_, _ = r.Watch("authorizer", failing{r}, &out).Invoke(context.Background(), nil) // the error is its own
	all = map[string][]string{}
	for line := range bytes.Lines(out.Bytes()) {
		var document struct {
			AWS struct {
				CloudWatchMetrics []struct {
					Namespace  string
					Dimensions [][]string
					Metrics    []struct{ Name string }
				}
			} `json:"_aws"`
			Code string
		}
		if err := json.Unmarshal(line, &document); err != nil {
			panic(err)
		}
		for _, d := range document.AWS.CloudWatchMetrics {
			for _, m := range d.Metrics {
				for _, set := range d.Dimensions {
					name := d.Namespace + "/" + m.Name
					if names := strings.Join(set, " "); !slices.Contains(all[name], names) {
						all[name] = append(all[name], names)
					}
				}
			}
		}
		if document.Code != "" {
			codes = append(codes, document.Code)
		}
	}
	return all, codes
}

// operations are the operations of the functions on the table. DynamoDB may refuse each of them.
var operations = []string{"BatchGetItem", "GetItem", "Query", "Scan", "TransactWriteItems", "UpdateItem"}

// services returns the names of the functions in metrics. They contain the name of the stack, which
// separates two stacks in one account.
func services() (all []string) {
	for _, name := range []string{"authorizer", "validate", "keys"} {
		all = append(all, "${AWS::StackName}-"+name)
	}
	return all
}

// metric checks that a series exists. dimensions has names and values in turn.
func (s *stack) metric(p *problems, where, metric string, dimensions []string) {
	functions := slices.Sorted(maps.Keys(s.of("AWS::Lambda::Function")))
	written, codes := emitted(s.Parameters["Monitoring"])
	for i, f := range functions {
		functions[i] = "${" + f + "}"
	}
	values := map[string][]string{
		"service": services(), "code": codes, "function_name": functions, "FunctionName": functions,
		"TableName": {s.table()}, "Operation": operations,
		"ApiName": {"${AWS::StackName}"}, "Stage": {s.Parameters["StageName"]},
	}
	var names []string
	for i := 0; i+1 < len(dimensions); i += 2 {
		names = append(names, dimensions[i])
		if !slices.Contains(values[dimensions[i]], dimensions[i+1]) {
			p.add("%s: %s: no series has %s %s", where, metric, dimensions[i], dimensions[i+1])
		}
	}
	if !slices.Contains(append(written[metric], series[metric]...), strings.Join(names, " ")) {
		p.add("%s: there is no %s by %v", where, metric, names)
	}
}

// alarms are the expected alarms.
var alarms = map[string]struct {
	watches    []string // metrics, each with its statistic
	expression string   // empty for a single metric
	threshold  float64
}{
	"UnavailableAlarm":     {[]string{"Latchkey/Verdicts Sum"}, "100 * FILL(unavailable, 0) / verdicts", 1},
	"SlowAlarm":            {[]string{"AWS/Lambda/Duration p99"}, "", float64(amazon.AttemptTimeout.Milliseconds())},
	"FailuresAlarm":        {[]string{"AWS/Lambda/Errors Sum", "Latchkey/Failures Sum"}, sumOfAll, 0},
	"LambdaThrottlesAlarm": {[]string{"AWS/Lambda/Throttles Sum"}, sumOfAll, 0},
	"TableThrottlesAlarm":  {[]string{"AWS/DynamoDB/ThrottledRequests Sum"}, sumOfAll, 0},
	"TableErrorsAlarm":     {[]string{"AWS/DynamoDB/SystemErrors Sum"}, sumOfAll, 0},
	"ApiErrorsAlarm":       {[]string{"AWS/ApiGateway/5XXError Average"}, "", 0.01},
	throttlesAlarm:         {[]string{"Latchkey/" + throttlesMetric + " Sum"}, "", 0},
	backendAlarm:           {[]string{"Latchkey/" + backendMetric + " Sum"}, "", 0},
	"RefusalsAlarm":        {[]string{"Latchkey/Verdicts Sum"}, "IF(verdicts >= 100, 100 * (verdicts - FILL(valid, 0)) / verdicts, 0)", 50},
}

// Two alarms watch metrics that are counted in the access log. They exist if there is one. That of the
// backend also needs a backend.
const (
	backendAlarm    = "BackendAlarm"
	backendMetric   = "${AWS::StackName}-BackendUnavailable"
	throttlesAlarm  = "StageThrottlesAlarm"
	throttlesMetric = "${AWS::StackName}-StageThrottles"
)

// filters are the expected metric filters, by the metric. Each has a pattern for a log of JSON, and
// one for a log of lines.
var filters = map[string]struct{ json, line string }{
	backendMetric: {
		`{ ($.responseType = "INTEGRATION_FAILURE") || ($.responseType = "INTEGRATION_TIMEOUT") }`,
		"[time, zone, bar1, key, bar2, method, path, bar3, status = 504, bar4, request, bar5, extended]",
	},
	throttlesMetric: {
		`{ $.responseType = "THROTTLED" }`,
		`[time, zone, bar1, key = "-", bar2, method, path, bar3, status = 429, bar4, request, bar5, extended]`,
	},
}

const sumOfAll = "SUM(FILL(METRICS(), 0))"

func alarmsSayWhatToDo(s *stack, p *problems) {
	all := s.of("AWS::CloudWatch::Alarm")
	p.equal("alarms", slices.Sorted(maps.Keys(all)), alarmsOf(s.Parameters))
	filtersCount(s, p, all)
	actions := "[" + s.Parameters["AlarmTopicArn"] + "]"
	if s.Parameters["AlarmTopicArn"] == "" {
		actions = ""
	}
	for id, a := range all {
		is := func(want string, path ...any) { p.equal(fmt.Sprint(id, ": ", path), text(a.Properties, path...), want) }
		is("5", "EvaluationPeriods")
		is("2", "DatapointsToAlarm")
		is("notBreaching", "TreatMissingData")
		is("GreaterThanThreshold", "ComparisonOperator")
		is(actions, "AlarmActions")
		is(actions, "OKActions")
		if d := text(a.Properties, "AlarmDescription"); strings.Count(d, ".") < 2 || len(d) > 1024 {
			p.add("%s: the description says too little or too much: %q", id, d)
		}
		watched, asked := map[string]bool{}, map[string]bool{}
		watch := func(m any, statistic, period string) {
			var dimensions []string
			list, _ := at(m, "Dimensions").([]any)
			for _, d := range list {
				dimensions = append(dimensions, text(d, "Name"), text(d, "Value"))
				if text(d, "Name") == "Operation" {
					asked[text(d, "Value")] = true
				}
			}
			name := text(m, "Namespace") + "/" + text(m, "MetricName")
			s.metric(p, id, name, dimensions)
			p.equal(id+": period", period, "60")
			watched[name+" "+statistic] = true
		}
		if at(a.Properties, "MetricName") != nil {
			watch(a.Properties, text(a.Properties, "Statistic")+text(a.Properties, "ExtendedStatistic"), text(a.Properties, "Period"))
		}
		metrics, _ := at(a.Properties, "Metrics").([]any)
		expression := text(metrics, 0, "Expression")
		for i, m := range metrics {
			if i == 0 {
				continue
			}
			watch(at(m, "MetricStat", "Metric"), text(m, "MetricStat", "Stat"), text(m, "MetricStat", "Period"))
			p.equal(id+": ReturnData", text(m, "ReturnData"), "false")
			if name := text(m, "Id"); !strings.Contains(expression, "METRICS()") && !strings.Contains(expression, name) {
				p.add("%s: %q does not use %s", id, expression, name)
			}
		}
		if len(asked) > 0 {
			p.equal(id+": operations", slices.Sorted(maps.Keys(asked)), operations)
		}
		p.equal(id+": watches", slices.Sorted(maps.Keys(watched)), alarms[id].watches)
		p.equal(id+": expression", expression, alarms[id].expression)
		p.equal(id+": threshold", at(a.Properties, "Threshold"), any(alarms[id].threshold))
	}
	// An answer that takes longer than one attempt needed a second one. None takes longer than Patience,
	// so a threshold above it would never be reached.
	if amazon.AttemptTimeout >= apikey.Patience {
		p.add("SlowAlarm cannot start: an attempt may take %v and a check %v", amazon.AttemptTimeout, apikey.Patience)
	}
}

// alarmsOf returns the names of the alarms that a deployment must have.
func alarmsOf(with parameters) []string {
	return sortedTexts(slices.DeleteFunc(slices.Collect(maps.Keys(alarms)), func(id string) bool {
		return with["Monitoring"] == "off" || with["AccessLog"] == "off" && (id == backendAlarm || id == throttlesAlarm) ||
			with["BackendUrl"] == "" && id == backendAlarm
	}))
}

// filtersCount checks that each metric of the access log that an alarm watches is counted.
func filtersCount(s *stack, p *problems, all map[string]resource) {
	var counted, watched []string
	for id, f := range s.of("AWS::Logs::MetricFilter") {
		metric := text(f.Properties, "MetricTransformations", 0, "MetricName")
		counted = append(counted, metric)
		pattern := filters[metric].json
		if s.Parameters["AccessLog"] == "line" {
			pattern = filters[metric].line
		}
		p.equal(id+": pattern", text(f.Properties, "FilterPattern"), pattern)
		p.equal(id+": log group", text(f.Properties, "LogGroupName"), "${AccessLogs}")
		p.equal(id+": metric", at(f.Properties, "MetricTransformations"), any([]any{object{
			"MetricNamespace": "Latchkey", "MetricName": metric, "MetricValue": "1", "DefaultValue": 0.0,
		}}))
	}
	for _, a := range all {
		if metric := text(a.Properties, "MetricName"); strings.HasPrefix(metric, "${AWS::StackName}-") {
			watched = append(watched, metric)
		}
	}
	p.equal("metrics of the access log", sortedTexts(counted), sortedTexts(watched))
}

func sortedTexts(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

var searched = regexp.MustCompile(`^SEARCH\('\{Latchkey,service,code\} MetricName="(\w+)" service="([^"]+)"', 'Sum', 60\)$`)

func dashboardShowsAll(s *stack, p *problems) {
	full := s.Parameters["Monitoring"] == "full"
	p.equal("dashboards", len(s.of("AWS::CloudWatch::Dashboard")) == 1, full)
	if !full {
		return
	}
	var board struct {
		Widgets []struct {
			Type          string
			Width, Height int
			Properties    struct {
				Title, Region string
				Alarms        []string
				Metrics       [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text(s.Resources["Dashboard"].Properties, "DashboardBody")), &board); err != nil {
		p.add("the dashboard is not JSON: %v", err)
		return
	}
	if n := len(board.Widgets); n == 0 || n > 12 {
		p.add("%d widgets", n)
	}
	shown := map[string]bool{}
	for _, w := range board.Widgets {
		where := "widget " + w.Properties.Title
		if w.Width*3 != 24 || w.Height != 6 || w.Properties.Title == "" || w.Type == "metric" && w.Properties.Region != "${AWS::Region}" {
			p.add("%s: %+v", where, w)
		}
		for _, alarm := range w.Properties.Alarms {
			shown[alarm] = true
		}
		for _, m := range w.Properties.Metrics {
			var parts []string
			for _, part := range m {
				switch part := part.(type) {
				case string:
					parts = append(parts, part)
				case object:
					search, _ := part["expression"].(string)
					if match := searched.FindStringSubmatch(search); match != nil {
						s.metric(p, where, "Latchkey/"+match[1], []string{"service", match[2], "code", "valid"})
						shown["Latchkey/"+match[1]] = true
					} else if strings.HasPrefix(search, "SEARCH") {
						p.add("%s: %s", where, search)
					}
				}
			}
			if len(parts) >= 2 {
				name := parts[0] + "/" + parts[1]
				s.metric(p, where, name, parts[2:])
				shown[name] = true
			}
		}
	}
	for id := range alarms {
		if id != backendAlarm && id != throttlesAlarm && !shown["${"+id+".Arn}"] {
			p.add("%s is not shown", id)
		}
	}
	written, _ := emitted(s.Parameters["Monitoring"])
	maps.Copy(written, series)
	for name := range written {
		if !shown[name] {
			p.add("%s is not shown", name)
		}
	}
}

func queryFindsRefusals(s *stack, p *problems) {
	all := s.of("AWS::Logs::QueryDefinition")
	p.equal("queries", len(all) == 1, s.Parameters["Monitoring"] != "off")
	for id, q := range all {
		p.equal(id+": log groups", text(q.Properties, "LogGroupNames"), "[${AuthorizerLogs} ${ValidateLogs} ${KeysLogs}]")
		p.equal(id+": name", text(q.Properties, "Name"), "${AWS::StackName}/why is a customer refused")
		query := text(q.Properties, "QueryString")
		if !strings.Contains(query, `keyId = "KEY_ID"`) {
			p.add("%s: no key can be put into %s", id, query)
		}
		line := refusalLine()
		for _, field := range regexp.MustCompile(`(?m)^fields (.*)$`).FindStringSubmatch(query)[1:] {
			for name := range strings.SplitSeq(field, ", ") {
				if _, ok := line[name]; !ok && name != "@timestamp" {
					p.add("%s: no line of a refusal has the field %s: %v", id, name, line)
				}
			}
		}
	}
}

// refused is a gate that refuses every request because its key is revoked.
type refused struct{}

func (refused) Check(context.Context, gate.Request) (apikey.Verdict, error) {
	return apikey.Verdict{Code: apikey.CodeRevoked, Key: &apikey.Key{ID: "0123456789abcdef"}}, nil
}

// refusalLine returns the line that the authorizer logs for a refused request.
func refusalLine() (line map[string]any) {
	event, err := os.ReadFile(filepath.Join(module, "events", "authorizer-deny.json"))
	if err != nil {
		panic(err)
	}
	var out bytes.Buffer
	a := lambdaauthorizer.New(lambdaauthorizer.Options{Door: admission.New(admission.Options{Gate: refused{}, Logger: metrics.Log(slog.NewJSONHandler(&out, nil), "authorizer")})})
	_, _ = a.Invoke(context.Background(), event) // it is refused
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		panic(err)
	}
	line["requestId"] = "added by the handler of aws-lambda-go"
	return line
}
