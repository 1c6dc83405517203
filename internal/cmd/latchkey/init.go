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
		Short: "Make an admin key, by writing it to the table itself",
		Long: `Makes an unlimited key with keys:admin and prints it, alone, on standard output.
It is an ordinary key, written with your own rights to the table: those of your
AWS credentials, or of whoever may read the local stack's folder.`,
		Example: `  latchkey init                       # of the stack that latchkey dev runs
  latchkey init --stack latchkey      # of a deployed stack, by its outputs`,
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
			fmt.Fprintln(c.ErrOrStderr(), "The admin key, which is never shown again:")
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

// configOf is how a deployed stack's functions are configured, or the running
// local one's.
func configOf(ctx context.Context, s state, stack string) (config.Config, error) {
	if stack != "" {
		return configOfStack(ctx, stack, config.Process())
	}
	endpoint, err := read(s.endpoint())
	if err != nil || s.runner() == "" { // a stack that was killed leaves its endpoint behind
		return config.Config{}, fmt.Errorf("no local stack runs on %s: start one with latchkey dev", string(s))
	}
	return s.config(endpoint, config.Process())
}

// fromStack are the outputs and parameters of a stack that decide where a key is
// written and what it must be like, and the variables that tell functions of them.
var fromStack = map[string]string{
	"TableName": "TABLE_NAME", "SecretArn": "SECRET_ARN", "KeyPrefix": "KEY_PREFIX", "AcceptEnvironments": "ACCEPT_ENVIRONMENTS",
}

// configOfStack takes nothing but the endpoints from this process. What else it
// has of a function's variables may be another stack's: to say something else
// than the stack is an error.
func configOfStack(ctx context.Context, stack string, process map[string]string) (config.Config, error) {
	loaded, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return config.Config{}, fmt.Errorf("configure AWS: %w", err)
	}
	out, err := cloudformation.NewFromConfig(loaded).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		return config.Config{}, fmt.Errorf("describe stack %s: %w", stack, err)
	}
	said := make(map[string]string)
	for _, s := range out.Stacks {
		for _, o := range s.Outputs {
			said[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
		}
		for _, p := range s.Parameters {
			said[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
		}
	}
	variables := map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": process["AWS_ENDPOINT_URL_DYNAMODB"]}
	for _, name := range slices.Sorted(maps.Keys(fromStack)) {
		variable, value := fromStack[name], said[name]
		if value == "" {
			return config.Config{}, fmt.Errorf("stack %s has no %s: is it latchkey's, and is it complete?", stack, name)
		}
		if here := process[variable]; here != "" && here != value {
			return config.Config{}, usageError{fmt.Errorf("%s is %q here, but stack %s has %q: unset it", variable, here, stack, value)}
		}
		variables[variable] = value
	}
	if days := said["AuditDays"]; days != "" { // a stack that was deployed before that has none
		variables["AUDIT_DAYS"] = days
	}
	return config.Load(variables)
}
