package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"latchkey/internal/api"
	"latchkey/internal/client"
	"latchkey/internal/smoke"
)

var (
	stackAssumption = smoke.Assumption{Name: "stack",
		Text: "CloudFormation names the alarms, the dashboard and the log group of the stack"}
	quotaAssumption = smoke.Assumption{Name: "quota",
		Text: "the account may run so many functions at once that callers are not answered 503"}
	alarmAssumption = smoke.Assumption{Name: "alarms",
		Text: "each alarm exists, is evaluated, and notifies the topic of the stack"}
	metricAssumption = smoke.Assumption{Name: "metrics",
		Text: "CloudWatch makes metrics from the lines of the functions, under the names that alarms and dashboard use"}
	boardAssumption = smoke.Assumption{Name: "dashboard",
		Text: "CloudWatch stores the dashboard, and it shows the alarms of the stack"}
	logAssumption = smoke.Assumption{Name: "access-log",
		Text: "API Gateway writes a line for each request, with the id that the caller gets as x-amzn-RequestId"}
)

// accountChecks checks what a deployed stack does in its AWS account, after requests to it.
type accountChecks struct {
	ctx     context.Context
	account aws.Config
	name    string // of the stack
	stack   deployedStack
	begun   time.Time     // before the first request
	wait    time.Duration // how long to wait for what arrives late
	turn    bool          // whether to start an alarm, which notifies people
	report  func(smoke.Row)

	resources map[string]string // the physical ids by logical ids
	alarms    []string          // the names of the alarms
	watch     *cloudwatch.Client
}

// run makes all checks. The rows of checks that the credentials do not allow say so.
func (k *accountChecks) run() {
	k.watch = cloudwatch.NewFromConfig(k.account)
	k.checkQuota()
	if err := k.find(); err != nil {
		k.failed(stackAssumption, "the resources of the stack", err)
		return
	}
	k.checkAccessLog() // early, so that its line may arrive during the other checks
	var drawn []metric
	switch monitoring := cmp.Or(k.stack.values["Monitoring"], "full"); monitoring {
	case "off":
		k.skip(alarmAssumption, "alarms, metrics and dashboard: the stack's Monitoring is off")
		return
	case "full":
		drawn = k.checkDashboard()
	default:
		k.skip(boardAssumption, "the dashboard: the stack's Monitoring is "+monitoring)
	}
	k.checkMetrics(drawn)
	k.checkAlarms()
}

func (k *accountChecks) check(on smoke.Assumption, what string, ok bool, want, got string) {
	verdict := smoke.OK
	if !ok {
		verdict = smoke.Differs
	}
	k.report(smoke.Row{
		Verdict: verdict, Check: what, Assumption: on.Name, Assumes: on.Text, Want: want, Got: oneLine(got),
	})
}

func (k *accountChecks) skip(on smoke.Assumption, what string) {
	k.report(smoke.Row{Verdict: smoke.Skipped, Check: oneLine(what), Assumption: on.Name, Assumes: on.Text})
}

// failed reports an error of AWS or, if you lack a right to ask, a check that was not made.
func (k *accountChecks) failed(on smoke.Assumption, what string, err error) {
	var e smithy.APIError
	if errors.As(err, &e) && strings.HasPrefix(e.ErrorCode(), "AccessDenied") {
		k.skip(on, what+": your AWS credentials lack the right to ask: "+e.ErrorCode())
		return
	}
	k.check(on, what, false, "an answer of AWS", reason(err))
}

// poll calls try until it is done or fails, or until the time is over.
func (k *accountChecks) poll(try func(context.Context) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(k.ctx, k.wait)
	defer cancel()
	for {
		done, err := try(k.ctx)
		if done || err != nil {
			return err
		}
		pause := time.NewTimer(min(10*time.Second, k.wait/20))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// find reads the resources of the stack.
func (k *accountChecks) find() error {
	k.resources = make(map[string]string)
	pages := cloudformation.NewListStackResourcesPaginator(cloudformation.NewFromConfig(k.account),
		&cloudformation.ListStackResourcesInput{StackName: &k.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(k.ctx)
		if err != nil {
			return err
		}
		for _, r := range page.StackResourceSummaries {
			k.resources[aws.ToString(r.LogicalResourceId)] = aws.ToString(r.PhysicalResourceId)
			if aws.ToString(r.ResourceType) == "AWS::CloudWatch::Alarm" {
				k.alarms = append(k.alarms, aws.ToString(r.PhysicalResourceId))
			}
		}
	}
	slices.Sort(k.alarms)
	return nil
}

func (k *accountChecks) checkQuota() {
	out, err := lambda.NewFromConfig(k.account).GetAccountSettings(k.ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		k.failed(quotaAssumption, "functions at once", err)
		return
	}
	var most int32
	if out.AccountLimit != nil {
		most = out.AccountLimit.ConcurrentExecutions
	}
	k.check(quotaAssumption, "functions at once", most >= fewFunctions,
		fmt.Sprintf("at least %d", fewFunctions), fmt.Sprint(most))
}

// checkAccessLog makes a request and looks for its line in the access log.
func (k *accountChecks) checkAccessLog() {
	const what = "the access log: the line of a request"
	group := k.resources["AccessLogs"]
	if group == "" {
		k.skip(logAssumption, what+": the stack's AccessLog is off")
		return
	}
	open, err := client.New(k.stack.values["ApiUrl"], "")
	if err != nil {
		k.failed(logAssumption, what, err)
		return
	}
	answer, err := open.Send(k.ctx, http.MethodGet, api.OwnPrefix+api.HealthPath, nil, nil)
	if err != nil {
		k.failed(logAssumption, what, err)
		return
	}
	id := answer.Header.Get("X-Amzn-Requestid")
	if id == "" {
		k.check(logAssumption, what, false, "an answer with x-amzn-RequestId", "")
		return
	}
	found := false
	err = k.poll(func(ctx context.Context) (bool, error) {
		logs := cloudwatchlogs.NewFromConfig(k.account)
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: &group, FilterPattern: aws.String(`"` + id + `"`),
			StartTime: aws.Int64(k.begun.Add(-time.Minute).UnixMilli()),
		})
		for pages.HasMorePages() && !found {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return false, err
			}
			found = len(page.Events) > 0
		}
		return found, nil
	})
	if err != nil {
		k.failed(logAssumption, what, err)
		return
	}
	k.check(logAssumption, what, found, "a line with its id", "no line")
}

// names returns the sorted names of a set, with commas.
func names(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), ", ") }
