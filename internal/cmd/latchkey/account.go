package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"
)

// account names an AWS account and a region. Its zero value leaves both to the SDK, which reads the
// variables and the files of the AWS CLI.
type account struct{ region, profile string }

// addFlags adds the flags --region and --aws-profile. The name --profile belongs to the profiles of
// latchkey login, which have a service's URL and a key.
func (a *account) addFlags(c *cobra.Command) {
	textFlag(c.Flags(), &a.region, "region", "", "AWS `REGION` of the stack", checkRegion)
	c.Flags().StringVar(&a.profile, "aws-profile", "",
		"`NAME` of a profile of the AWS CLI, for its credentials and region")
}

// check returns an error if the flags are given without a stack.
func (a account) check(stack string) error {
	if stack == "" && a != (account{}) {
		return usageError{errors.New("--region and --aws-profile need --stack: the local stack has neither")}
	}
	return nil
}

var errNoRegion = errors.New("no AWS region is set: say --region, such as --region eu-west-1")

// load returns the SDK's configuration. It is errNoRegion if nothing names a region.
func (a account) load(ctx context.Context, more ...func(*awsconfig.LoadOptions) error) (aws.Config, error) {
	if a.region != "" {
		more = append(more, awsconfig.WithRegion(a.region))
	}
	if a.profile != "" {
		more = append(more, awsconfig.WithSharedConfigProfile(a.profile))
	}
	c, err := awsconfig.LoadDefaultConfig(ctx, more...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("configure AWS: %w", err)
	}
	if c.Region == "" {
		return aws.Config{}, errNoRegion
	}
	return c, nil
}
