package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// checkWatch checks the alarms, their topic and the log groups of a deployed stack.
func (r *report) checkWatch(ctx context.Context, account aws.Config, name string, stack deployedStack) {
	client := cloudformation.NewFromConfig(account)
	resources := &cloudformation.ListStackResourcesInput{StackName: &name}
	pages := cloudformation.NewListStackResourcesPaginator(client, resources)
	var alarms, logs []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			r.failOrSkip("alarms", err, "aws cloudformation list-stack-resources --stack-name "+name)
			return
		}
		for _, resource := range page.StackResourceSummaries {
			id := aws.ToString(resource.PhysicalResourceId)
			switch aws.ToString(resource.ResourceType) {
			case "AWS::CloudWatch::Alarm":
				alarms = append(alarms, id)
			case "AWS::Logs::LogGroup":
				logs = append(logs, id)
			}
		}
	}
	if stack.values["Monitoring"] == "off" {
		r.skip("alarms", "the stack's parameter Monitoring is off")
	} else {
		r.checkAlarms(ctx, cloudwatch.NewFromConfig(account), alarms)
		r.checkTopic(ctx, sns.NewFromConfig(account), name, stack.values["AlarmTopicArn"])
	}
	r.checkLogs(ctx, cloudwatchlogs.NewFromConfig(account), logs)
}

// checkAlarms names the alarms that are on.
func (r *report) checkAlarms(ctx context.Context, client *cloudwatch.Client, alarms []string) {
	const next = "aws cloudwatch describe-alarms --state-value ALARM"
	if len(alarms) == 0 {
		r.fail("alarms", "the stack has none", next)
		return
	}
	out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: alarms, MaxRecords: aws.Int32(100)})
	if err != nil {
		r.failOrSkip("alarms", err, next)
		return
	}
	var on []string
	for _, a := range out.MetricAlarms {
		if a.StateValue == types.StateValueAlarm {
			on = append(on, aws.ToString(a.AlarmName))
		}
	}
	slices.Sort(on)
	switch {
	case len(out.MetricAlarms) < len(alarms):
		missing := fmt.Sprintf("%d of %d exist: deploy the stack again", len(out.MetricAlarms), len(alarms))
		r.fail("alarms", missing, "make deploy")
	case len(on) > 0:
		r.warn("alarms", "on: "+strings.Join(on, ", "), next)
	default:
		r.ok("alarms", plural(len(alarms), "alarm exists", "alarms exist")+", and none is on")
	}
}

// checkTopic checks whom the alarms notify.
func (r *report) checkTopic(ctx context.Context, client *sns.Client, stack, topic string) {
	if topic == "" {
		r.warn("topic", "the alarms notify nobody",
			"make deploy STACK="+stack+" PARAMETERS=AlarmTopicArn=arn:aws:sns:eu-west-1:123456789012:alarms")
		return
	}
	subscribe := "aws sns subscribe --protocol email --notification-endpoint you@example.com --topic-arn " + topic
	out, err := client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &topic})
	switch {
	case err != nil:
		r.failOrSkip("topic", err, "aws sns list-topics")
	case out.Attributes["SubscriptionsConfirmed"] == "0":
		r.warn("topic", "nobody has subscribed to "+topic, subscribe)
	default:
		r.ok("topic", topic+" has "+out.Attributes["SubscriptionsConfirmed"]+" subscriptions")
	}
}

// checkLogs checks that logs are not stored for ever.
func (r *report) checkLogs(ctx context.Context, client *cloudwatchlogs.Client, names []string) {
	var forever []string
	for _, name := range names {
		out, err := client.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
		if err != nil {
			r.failOrSkip("logs", err, "aws logs describe-log-groups")
			return
		}
		i := slices.IndexFunc(out.LogGroups, func(g logtypes.LogGroup) bool { return aws.ToString(g.LogGroupName) == name })
		if i < 0 {
			r.fail("logs", "there is no log group "+name+": the functions cannot log", "make deploy")
			return
		}
		if aws.ToInt32(out.LogGroups[i].RetentionInDays) == 0 {
			forever = append(forever, name)
		}
	}
	if len(forever) > 0 {
		r.warn("logs", "stored for ever: "+strings.Join(forever, ", "),
			"aws logs put-retention-policy --retention-in-days 30 --log-group-name "+forever[0])
		return
	}
	r.ok("logs", plural(len(names), "log group ends", "log groups end")+" entries after a time")
}
