package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/spf13/cobra"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
	"latchkey/internal/instance"
)

// target is where a command finds the table and the secret: in the local stack of a folder or, if
// stack is not empty, in a deployed CloudFormation stack, or in this process's variables.
type target struct {
	state   state
	stack   string
	fromEnv bool
	account account // of the stack or the variables
}

// addFlags adds the flags --state, --stack, --from-env, --region and --aws-profile. The first three
// exclude each other.
func (t *target) addFlags(c *cobra.Command) {
	c.Flags().StringVar((*string)(&t.state), "state", defaultState, "`DIR` of the running local stack")
	c.Flags().StringVar(&t.stack, "stack", "", "`NAME` of a deployed CloudFormation stack")
	c.Flags().BoolVar(&t.fromEnv, "from-env", false, "use the table and the secret of latchkey serve's variables")
	c.MarkFlagsMutuallyExclusive("state", "stack", "from-env")
	t.account.addFlags(c)
}

// local reports whether it is the local stack of a folder.
func (t target) local() bool { return t.stack == "" && !t.fromEnv }

// check returns an error if flags of an AWS account are given to a local stack.
func (t target) check() error {
	if t.local() && t.account != (account{}) {
		return usageError{errors.New("--region and --aws-profile need --stack or --from-env: the local stack has neither")}
	}
	return nil
}

// open returns the configuration of the target, and an instance with it that logs nothing.
func (t target) open(ctx context.Context) (config.Config, *instance.Instance, error) {
	c, err := t.config(ctx)
	if err != nil {
		return config.Config{}, nil, err
	}
	e, err := newInstance(ctx, c, t.account, slog.New(slog.DiscardHandler))
	return c, e, err
}

// newInstance wires an instance with the user's own AWS credentials for an account. If everything is
// local, it needs no credentials.
func newInstance(ctx context.Context, c config.Config, in account, logger *slog.Logger) (*instance.Instance, error) {
	local := amazon.Local()
	if !c.Local || c.Secret.Reveal() == "" {
		loaded, err := in.load(ctx)
		if err != nil {
			return nil, err
		}
		local = amazon.Patient(loaded)
	}
	return instance.New(ctx, c, local, time.Now, logger)
}

// config returns the configuration of the target: a deployed stack's functions, the variables, or the
// local stack that runs in the folder.
func (t target) config(ctx context.Context) (config.Config, error) {
	if err := t.check(); err != nil {
		return config.Config{}, err
	}
	if t.stack != "" {
		return t.account.configOf(ctx, t.stack, config.Process())
	}
	if t.fromEnv {
		return fromEnvironment()
	}
	endpoint, err := read(t.state.endpoint())
	if err != nil || t.state.runner() == "" { // a stack that was killed leaves its endpoint file behind
		return config.Config{}, fmt.Errorf("no local stack runs on %s: start one with latchkey dev", string(t.state))
	}
	return t.state.config(endpoint, config.Process())
}

// fromStack names the outputs and parameters of a stack that decide where a key is written and
// what form it has, each with the variable that passes it to the functions.
var fromStack = map[string]string{
	"TableName": "TABLE_NAME", "SecretArn": "SECRET_ARN",
	"KeyPrefix": "KEY_PREFIX", "AcceptEnvironments": "ACCEPT_ENVIRONMENTS",
}

// configOf reads the configuration from the outputs and parameters of a CloudFormation stack.
// process has this process's variables.
func (a account) configOf(ctx context.Context, stack string, process map[string]string) (config.Config, error) {
	loaded, err := a.load(ctx)
	if err != nil {
		return config.Config{}, err
	}
	deployed, err := describeStack(ctx, loaded, stack)
	if err != nil {
		return config.Config{}, err
	}
	return deployed.config(stack, process)
}

// deployedStack is a CloudFormation stack.
type deployedStack struct {
	status string
	values map[string]string // its outputs and parameters
}

func describeStack(ctx context.Context, account aws.Config, name string) (deployedStack, error) {
	input := &cloudformation.DescribeStacksInput{StackName: &name}
	out, err := cloudformation.NewFromConfig(account).DescribeStacks(ctx, input)
	if err != nil {
		return deployedStack{}, fmt.Errorf("describe stack %s: %w", name, err)
	}
	d := deployedStack{values: make(map[string]string)}
	for _, s := range out.Stacks {
		d.status = string(s.StackStatus)
		for _, o := range s.Outputs {
			d.values[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
		}
		for _, p := range s.Parameters {
			d.values[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
		}
	}
	return d, nil
}

// config returns the configuration of the functions of the stack. From process, which has this
// process's variables, it takes only the endpoint. Other variables there may be meant for another
// stack, so a value that contradicts the stack is an error.
func (d deployedStack) config(stack string, process map[string]string) (config.Config, error) {
	values := d.values
	variables := map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": process["AWS_ENDPOINT_URL_DYNAMODB"]}
	for _, name := range slices.Sorted(maps.Keys(fromStack)) {
		variable, value := fromStack[name], values[name]
		if value == "" {
			return config.Config{}, fmt.Errorf("stack %s has no %s: is it latchkey's, and is it complete?", stack, name)
		}
		if here := process[variable]; here != "" && here != value {
			return config.Config{}, usageError{
				fmt.Errorf("%s is %q here, but stack %s has %q: unset it", variable, here, stack, value)}
		}
		variables[variable] = value
	}
	if days := values["AuditDays"]; days != "" { // a stack of an earlier version has no such parameter
		variables["AUDIT_DAYS"] = days
	}
	return config.Load(variables)
}
