package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"latchkey/internal/config"
)

// stackTime is the longest time for the checks of a deployed stack.
const stackTime = 30 * time.Second

// checkStack checks a deployed stack, and returns the URL of its API if it is known.
func (r *report) checkStack(ctx context.Context, in account, name string) (url string) {
	ctx, cancel := context.WithTimeout(ctx, stackTime)
	defer cancel()
	account, err := in.load(ctx, awsconfig.WithLogger(logging.Nop{}))
	if errors.Is(err, errNoRegion) {
		r.fail("region", "no region is set", "latchkey doctor --stack "+name+" --region eu-west-1")
		return ""
	}
	if err != nil {
		r.fail("account", err.Error(), "aws configure list")
		return ""
	}
	r.ok("region", account.Region)
	found, err := account.Credentials.Retrieve(ctx)
	if err != nil {
		r.fail("account", "there are no AWS credentials that can be used", "aws configure list")
		return ""
	}
	r.ok("account", "AWS credentials come from "+found.Source)
	stack, err := describeStack(ctx, account, name)
	if err != nil {
		r.failOrSkip("stack", err, "aws cloudformation list-stacks")
		r.checkConcurrency(ctx, account)
		return ""
	}
	switch {
	case strings.HasSuffix(stack.status, "_IN_PROGRESS"):
		r.warn("stack", name+" is changing: "+stack.status, "aws cloudformation describe-stack-events --stack-name "+name)
	case stack.status == "CREATE_COMPLETE", stack.status == "UPDATE_COMPLETE", stack.status == "IMPORT_COMPLETE":
		r.ok("stack", name+" is "+stack.status)
	default:
		r.fail("stack", name+" is "+stack.status, "aws cloudformation describe-stack-events --stack-name "+name)
	}
	r.checkTable(ctx, in, name, stack)
	r.checkWatch(ctx, account, name, stack)
	r.checkConcurrency(ctx, account)
	return stack.values["ApiUrl"]
}

// checkTable checks the table and the secret of a deployed stack.
func (r *report) checkTable(ctx context.Context, in account, name string, stack deployedStack) {
	c, err := stack.config(name, config.Process())
	if err != nil {
		r.fail("table", err.Error(), "aws cloudformation describe-stacks --stack-name "+name)
		r.skip("secret", "the stack's outputs are not known")
		return
	}
	e, err := newInstance(ctx, c, in, slog.New(slog.DiscardHandler))
	if err != nil {
		r.fail("table", err.Error(), "")
		r.skip("secret", "the table cannot be opened")
		return
	}
	answers := e.Table.Ping(ctx)
	if answers != nil {
		r.failOrSkip("table", answers, "aws dynamodb describe-table --table-name "+c.TableName)
	} else {
		r.ok("table", c.TableName+" answers")
	}
	r.checkTableSettings(ctx, e.Table, c.TableName)
	if _, err := e.Registry.Hasher(ctx); err != nil {
		r.failOrSkip("secret", err, "aws secretsmanager describe-secret --secret-id "+c.SecretARN)
		return
	}
	if answers != nil {
		r.ok("secret", "it has the right form")
		return
	}
	if err := checkSecret(ctx, e); err != nil {
		r.failOrSkip("secret", err, "aws secretsmanager list-secret-version-ids --secret-id "+c.SecretARN)
		return
	}
	r.ok("secret", "it has the right form, and the table's keys were made with it")
	r.checkSecretState(ctx, in, c)
}

// fewFunctions is a number of functions that may run at once with which a busy API is throttled. New
// accounts have 10.
const fewFunctions = 100

// concurrency returns how many functions the account may run at once in the region.
func concurrency(ctx context.Context, account aws.Config) (int32, error) {
	out, err := lambda.NewFromConfig(account).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return 0, err
	}
	if out.AccountLimit == nil {
		return 0, errors.New("the answer has no limit")
	}
	return out.AccountLimit.ConcurrentExecutions, nil
}

// moreFunctions is the command that asks AWS for a higher limit.
const moreFunctions = "aws service-quotas request-service-quota-increase --service-code lambda " +
	"--quota-code L-B99A9384 --desired-value 1000"

// checkConcurrency checks how many functions the account may run at once in the region.
func (r *report) checkConcurrency(ctx context.Context, account aws.Config) {
	most, err := concurrency(ctx, account)
	if err != nil {
		r.skip("quota", "how many functions may run at once: "+reason(err))
		return
	}
	text := fmt.Sprintf("%d functions may run at once in %s", most, account.Region)
	if most < fewFunctions {
		r.warn("quota", "only "+text, moreFunctions)
		return
	}
	r.ok("quota", text)
}

// failOrSkip adds a failure or, if you lack a right to ask, a check that was not done.
func (r *report) failOrSkip(check string, err error, next string) {
	var e smithy.APIError
	if errors.As(err, &e) && strings.HasPrefix(e.ErrorCode(), "AccessDenied") {
		r.skip(check, "your AWS credentials lack the right to ask: "+e.ErrorCode())
		return
	}
	r.fail(check, reason(err), next)
}

// reason returns the text of an error of AWS without the ids of its request.
func reason(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	return err.Error()
}
