package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
)

func initCommand() *cobra.Command {
	var stateDir, stack, user, name string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an admin key by writing it directly to the table",
		Long: `Makes an unlimited key with keys:admin and prints only the key on standard
output. It is an ordinary key. init writes it with your own rights to the table:
those of your AWS credentials, or the right to read the local stack's folder.`,
		Example: `  latchkey init                       # for the stack that latchkey dev runs
  latchkey init --stack latchkey      # for a deployed stack, found by its outputs`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			where, err := configOf(ctx, state(stateDir), stack)
			if err != nil {
				return err
			}
			e, err := newEnvironment(ctx, where, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			token, err := e.Format.New(where.Environments[0], rand.Reader)
			if err != nil {
				return err
			}
			if err := makeAdmin(ctx, e, "init", token, where.Environments[0], user, name); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "The admin key. It is never shown again:")
			if _, err := fmt.Fprintln(c.OutOrStdout(), token.Reveal()); err != nil {
				return fmt.Errorf("the key was made, but could not be printed: revoke %s: %w", token.ID(), err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&stateDir, "state", defaultState, "folder of the running local stack")
	c.Flags().StringVar(&stack, "stack", "", "name of a deployed CloudFormation stack")
	textFlag(c.Flags(), &user, "user", apikey.OwnUser, "user who owns the key", checkUser)
	c.Flags().StringVar(&name, "name", "admin", "name of the key")
	c.MarkFlagsMutuallyExclusive("state", "stack")
	return c
}

// configOf returns the configuration of a deployed stack's functions. If stack is empty, it returns
// the configuration of the local stack that runs in folder s.
func configOf(ctx context.Context, s state, stack string) (config.Config, error) {
	if stack != "" {
		return configOfStack(ctx, stack, config.Process())
	}
	endpoint, err := read(s.endpoint())
	if err != nil || s.runner() == "" { // a stack that was killed leaves its endpoint file behind
		return config.Config{}, fmt.Errorf("no local stack runs on %s: start one with latchkey dev", string(s))
	}
	return s.config(endpoint, config.Process())
}

// fromStack names the outputs and parameters of a stack that decide where a key is written and
// what form it has, each with the variable that passes it to the functions.
var fromStack = map[string]string{
	"TableName": "TABLE_NAME", "SecretArn": "SECRET_ARN",
	"KeyPrefix": "KEY_PREFIX", "AcceptEnvironments": "ACCEPT_ENVIRONMENTS",
}

// configOfStack reads the configuration from the outputs and parameters of a CloudFormation stack.
// From process, which has this process's variables, it takes only the endpoint. Other variables
// there may be meant for another stack, so a value that contradicts the stack is an error.
func configOfStack(ctx context.Context, stack string, process map[string]string) (config.Config, error) {
	loaded, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return config.Config{}, fmt.Errorf("configure AWS: %w", err)
	}
	input := &cloudformation.DescribeStacksInput{StackName: &stack}
	out, err := cloudformation.NewFromConfig(loaded).DescribeStacks(ctx, input)
	if err != nil {
		return config.Config{}, fmt.Errorf("describe stack %s: %w", stack, err)
	}
	values := make(map[string]string)
	for _, s := range out.Stacks {
		for _, o := range s.Outputs {
			values[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
		}
		for _, p := range s.Parameters {
			values[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
		}
	}
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
