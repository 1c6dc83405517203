package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/environment"
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
			e, err := openTable(ctx, state(stateDir), stack)
			if err != nil {
				return err
			}
			token, err := e.Format.New(apikey.Live, rand.Reader)
			if err != nil {
				return err
			}
			if err := apikey.CheckUserID(user); err != nil {
				return usageError{err}
			}
			if err := makeAdmin(ctx, e, token, user, name); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "The admin key, which is never shown again:")
			fmt.Fprintln(c.OutOrStdout(), token.Reveal())
			return nil
		},
	}
	c.Flags().StringVar(&stateDir, "state", defaultState, "folder of the running local stack")
	c.Flags().StringVar(&stack, "stack", "", "name of a deployed CloudFormation stack")
	c.Flags().StringVar(&user, "user", "admin", "user who owns the key")
	c.Flags().StringVar(&name, "name", "admin", "name of the key")
	c.MarkFlagsMutuallyExclusive("state", "stack")
	return c
}

// openTable is an environment before a deployed table, or before the running
// local one.
func openTable(ctx context.Context, s state, stack string) (*environment.Environment, error) {
	if stack == "" {
		endpoint, err := read(s.endpoint())
		if err != nil {
			return nil, fmt.Errorf("no local stack runs on %s: start one with latchkey dev", string(s))
		}
		c, err := s.config(endpoint, config.Process())
		if err != nil {
			return nil, err
		}
		return environment.New(ctx, c, time.Now, slog.New(slog.DiscardHandler))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	out, err := cloudformation.NewFromConfig(loaded).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	if err != nil {
		return nil, fmt.Errorf("describe stack %s: %w", stack, err)
	}
	variables := config.Process()
	for _, s := range out.Stacks {
		for _, o := range s.Outputs {
			switch aws.ToString(o.OutputKey) {
			case "TableName":
				variables["TABLE_NAME"] = aws.ToString(o.OutputValue)
			case "SecretArn":
				variables["SECRET_ARN"] = aws.ToString(o.OutputValue)
			}
		}
		for _, p := range s.Parameters {
			if aws.ToString(p.ParameterKey) == "KeyPrefix" {
				variables["KEY_PREFIX"] = aws.ToString(p.ParameterValue)
			}
		}
	}
	delete(variables, "LATCHKEY_SECRET")
	if variables["TABLE_NAME"] == "" || variables["SECRET_ARN"] == "" {
		return nil, errors.New("the stack has no outputs TableName and SecretArn: is it latchkey's?")
	}
	c, err := config.Load(variables)
	if err != nil {
		return nil, err
	}
	return environment.New(ctx, c, time.Now, slog.New(slog.DiscardHandler))
}
