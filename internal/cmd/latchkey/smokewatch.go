package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// metric is a metric of CloudWatch.
type metric struct {
	namespace, name string
	dimensions      []string // names and values in turn
}

func (m metric) String() string {
	text := m.namespace + " " + m.name
	for pair := range slices.Chunk(m.dimensions, 2) {
		text += " " + strings.Join(pair, "=")
	}
	return text
}

// query asks how many values a metric has in each minute.
func (m metric) query(id string) types.MetricDataQuery {
	var dimensions []types.Dimension
	for pair := range slices.Chunk(m.dimensions, 2) {
		dimensions = append(dimensions, types.Dimension{Name: aws.String(pair[0]), Value: aws.String(pair[1])})
	}
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: &m.namespace, MetricName: &m.name, Dimensions: dimensions},
		Period: aws.Int32(60), Stat: aws.String("SampleCount"),
	}}
}

// certain are the metrics that any run of the checks must give a value. Others count failures.
var certain = []string{
	"Verdicts", "Latency", "Duration", "Count", "Reads", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits",
}

// checkDashboard checks the stack's dashboard, and returns the metrics that it draws.
func (k *accountChecks) checkDashboard() []metric {
	const what = "the dashboard"
	out, err := k.watch.GetDashboard(k.ctx, &cloudwatch.GetDashboardInput{
		DashboardName: aws.String(k.resources["Dashboard"]),
	})
	if err != nil {
		k.failed(boardAssumption, what, err)
		return nil
	}
	var body struct {
		Widgets []struct {
			Properties struct {
				Alarms  []string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.DashboardBody)), &body); err != nil || len(body.Widgets) == 0 {
		k.check(boardAssumption, what, false, "JSON with widgets", fmt.Sprint(err))
		return nil
	}
	k.check(boardAssumption, what, true, "JSON with widgets", "")
	var drawn []metric
	foreign := make(map[string]bool)
	for _, w := range body.Widgets {
		for _, arn := range w.Properties.Alarms {
			_, name, _ := strings.Cut(arn, ":alarm:")
			if !slices.Contains(k.alarms, name) {
				foreign[arn] = true
			}
		}
		for _, line := range w.Properties.Metrics {
			if m, ok := metricOf(line); ok {
				drawn = append(drawn, m)
			}
		}
	}
	k.check(boardAssumption, what+": its alarms", len(foreign) == 0, "alarms of the stack", names(foreign))
	return drawn
}

// metricOf reads a line of a widget: texts, and then a map of its looks. An expression has no texts.
func metricOf(line []any) (metric, bool) {
	var texts []string
	for _, part := range line {
		if text, ok := part.(string); ok {
			texts = append(texts, text)
		}
	}
	if len(texts) < 2 || len(texts)%2 != 0 {
		return metric{}, false
	}
	return metric{texts[0], texts[1], texts[2:]}, true
}

// checkMetrics checks that metrics have values since the run began: those that the alarms need, and
// those that the dashboard draws.
func (k *accountChecks) checkMetrics(drawn []metric) {
	wanted := []metric{
		{"Latchkey", "Verdicts", []string{"service", k.name + "-authorizer"}},
		{"AWS/ApiGateway", "Count", []string{"ApiName", k.name, "Stage", k.stack.values["StageName"]}},
	}
	for _, m := range drawn {
		same := func(other metric) bool { return other.String() == m.String() }
		if slices.Contains(certain, m.name) && !slices.ContainsFunc(wanted, same) {
			wanted = append(wanted, m)
		}
	}
	var queries []types.MetricDataQuery
	for i, m := range wanted {
		queries = append(queries, m.query(fmt.Sprintf("m%d", i)))
	}
	arrived := make(map[string]bool)
	err := k.poll(func(ctx context.Context) (bool, error) {
		pages := cloudwatch.NewGetMetricDataPaginator(k.watch, &cloudwatch.GetMetricDataInput{
			MetricDataQueries: queries,
			StartTime:         aws.Time(k.begun.Truncate(time.Minute)), EndTime: aws.Time(time.Now().Add(time.Minute)),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return false, err
			}
			for _, r := range page.MetricDataResults {
				if len(r.Values) > 0 {
					arrived[aws.ToString(r.Id)] = true
				}
			}
		}
		return len(arrived) == len(wanted), nil
	})
	if err != nil {
		k.failed(metricAssumption, "metrics", err)
		return
	}
	for i, m := range wanted {
		k.check(metricAssumption, "metric "+m.String(), arrived[fmt.Sprintf("m%d", i)], "values since the run began", "none")
	}
}

// checkAlarms checks the stack's alarms and, if k.turn, that one of them can start.
func (k *accountChecks) checkAlarms() {
	var found map[string]types.MetricAlarm
	waiting := make(map[string]bool)
	err := k.poll(func(ctx context.Context) (done bool, err error) {
		found, err = k.describe(ctx, k.alarms)
		clear(waiting)
		for name, a := range found {
			if a.StateValue == types.StateValueInsufficientData {
				waiting[name] = true
			}
		}
		return len(waiting) == 0, err
	})
	if err != nil {
		k.failed(alarmAssumption, "alarms", err)
		return
	}
	topic, want := k.stack.values["AlarmTopicArn"], "enabled"
	if topic == "" {
		k.skip(alarmAssumption, "alarms: whom they notify: the stack's AlarmTopicArn is empty")
	} else {
		want += ", notifies " + topic
	}
	k.check(alarmAssumption, "alarms", len(k.alarms) > 0, "some in the stack", "none")
	for _, name := range k.alarms {
		a, exists := found[name]
		ok := exists && aws.ToBool(a.ActionsEnabled) && (topic == "" || slices.Contains(a.AlarmActions, topic))
		got := fmt.Sprintf("enabled is %t, notifies %q", aws.ToBool(a.ActionsEnabled), a.AlarmActions)
		if !exists {
			got = "no such alarm"
		}
		k.check(alarmAssumption, "alarm "+name, ok, want, got)
	}
	k.check(alarmAssumption, "alarms: evaluated", len(waiting) == 0, "all", "still without data: "+names(waiting))
	if k.turn && len(k.alarms) > 0 {
		k.turnAlarm(k.alarms[0])
	}
}

func (k *accountChecks) describe(ctx context.Context, alarms []string) (map[string]types.MetricAlarm, error) {
	found := make(map[string]types.MetricAlarm)
	if len(alarms) == 0 {
		return found, nil
	}
	out, err := k.watch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: alarms})
	if err != nil {
		return nil, err
	}
	for _, a := range out.MetricAlarms {
		found[aws.ToString(a.AlarmName)] = a
	}
	return found, nil
}

// turnAlarm starts an alarm, which notifies the topic. CloudWatch ends it with the next evaluation.
func (k *accountChecks) turnAlarm(name string) {
	what := "alarm " + name + ": it starts"
	_, err := k.watch.SetAlarmState(k.ctx, &cloudwatch.SetAlarmStateInput{
		AlarmName: &name, StateValue: types.StateValueAlarm,
		StateReason: aws.String("latchkey smoke checks that this alarm can start"),
	})
	if err != nil {
		k.failed(alarmAssumption, what, err)
		return
	}
	// The history stays, even if CloudWatch has evaluated the alarm since.
	started := false
	err = k.poll(func(ctx context.Context) (bool, error) {
		out, err := k.watch.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{
			AlarmName: &name, HistoryItemType: k.historyType(),
			StartDate: aws.Time(k.begun), ScanBy: types.ScanByTimestampDescending,
		})
		if err != nil {
			return false, err
		}
		for _, item := range out.AlarmHistoryItems {
			summary := aws.ToString(item.HistorySummary)
			started = started || strings.HasPrefix(summary, "Successfully executed action") ||
				strings.HasSuffix(summary, "to ALARM")
		}
		return started, nil
	})
	if err != nil {
		k.failed(alarmAssumption, what, err)
		return
	}
	k.check(alarmAssumption, what, started, "in its history", "nothing in its history")
}

// historyType is the notification of a topic, or the change of the state if there is no topic.
func (k *accountChecks) historyType() types.HistoryItemType {
	if k.stack.values["AlarmTopicArn"] != "" {
		return types.HistoryItemTypeAction
	}
	return types.HistoryItemTypeStateUpdate
}
