package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"latchkey/internal/smoke"
)

// smokeStack returns a deployed stack, which has an ApiUrl. It sets the flags that were not given from
// the parameters of the stack.
func smokeStack(c *cobra.Command, in account, stack string) (deployed deployedStack, err error) {
	loaded, err := in.load(c.Context())
	if err != nil {
		return deployedStack{}, err
	}
	deployed, err = describeStack(c.Context(), loaded, stack)
	if err != nil {
		return deployedStack{}, err
	}
	values := deployed.values
	if values["ApiUrl"] == "" {
		return deployedStack{}, fmt.Errorf("stack %s has no ApiUrl: is it latchkey's, and is it complete?", stack)
	}
	for flag, value := range map[string]string{
		"freshness": values["Freshness"], "query-api-key": values["QueryApiKey"],
		"protect-validate": values["ProtectValidate"],
		"deny-status":      values["DenyStatus"], "console": values["ConsoleEnabled"],
		"backend": strconv.FormatBool(values["BackendUrl"]+values["PlainBackendUrl"] != ""),
	} {
		if value == "0" {
			value = "0s" // a duration
		}
		if value == "" || c.Flags().Changed(flag) {
			continue
		}
		if err := c.Flags().Set(flag, value); err != nil {
			return deployedStack{}, fmt.Errorf("the stack's parameter for --%s: %w", flag, err)
		}
	}
	return deployed, nil
}

// inAccount is what the flags say about the checks in the stack's AWS account.
type inAccount struct {
	asked, turn bool
	wait        time.Duration
}

func (f *inAccount) addFlags(c *cobra.Command) {
	c.Flags().BoolVar(&f.asked, "aws", false, "check the stack in its AWS account as well: needs --stack")
	c.Flags().BoolVar(&f.turn, "alarms", false, "with --aws, start an alarm as a test, which notifies people")
	c.Flags().DurationVar(&f.wait, "wait", 5*time.Minute, "with --aws, how long to wait for metrics and log lines")
}

func (f *inAccount) check(stack string) error {
	switch {
	case f.asked && stack == "":
		return usageError{errors.New("--aws needs --stack")}
	case f.turn && !f.asked:
		return usageError{errors.New("--alarms needs --aws")}
	case f.wait <= 0 || f.wait > time.Hour:
		return usageError{errors.New("--wait must be above 0 and at most 1h, such as 5m")}
	}
	return nil
}

// smokeAccount makes the checks in the AWS account of a stack.
func smokeAccount(
	ctx context.Context, in account, name string, stack deployedStack, f inAccount, begun time.Time,
	report func(smoke.Row),
) error {
	loaded, err := in.load(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return err
	}
	k := accountChecks{
		ctx: ctx, account: loaded, name: name, stack: stack, begun: begun, wait: f.wait, turn: f.turn, report: report,
	}
	k.run()
	return ctx.Err()
}
