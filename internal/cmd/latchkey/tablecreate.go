package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"latchkey/internal/amazon"
	"latchkey/internal/config"
	"latchkey/internal/dynamo"
	"latchkey/internal/local/sam"
)

func tableCreateCommand() *cobra.Command {
	var in account
	c := &cobra.Command{
		Use:   "create",
		Short: "Make the table in an AWS account, without a stack",
		Long: `Makes the DynamoDB table that the variable TABLE_NAME names, with your own
rights. A stack of latchkey makes its own table: this one is for latchkey serve
without a stack.

It is the table of the template: on demand, encrypted with DynamoDB's own key,
with point-in-time recovery and with protection against deletion. If the table
exists, what it lacks of these is added. A table with other keys or without
latchkey's index is left as it is.`,
		Example: `  TABLE_NAME=keys latchkey table create
  TABLE_NAME=keys latchkey table create --region us-east-1`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			variables := config.Process()
			name := variables["TABLE_NAME"]
			if name == "" {
				return usageError{errors.New("the variable TABLE_NAME must name the table")}
			}
			if strings.Contains(name, ":") {
				return usageError{errors.New("TABLE_NAME must be a name, not an ARN: the table does not exist yet")}
			}
			template, err := sam.Own(nil)
			if err != nil {
				return err
			}
			loaded, err := in.load(c.Context())
			if err != nil {
				return err
			}
			table := dynamo.Open(dynamo.Options{
				Name: name, AWS: amazon.Patient(loaded), Endpoint: variables["AWS_ENDPOINT_URL_DYNAMODB"],
			})
			made, without, err := table.Provision(c.Context(), template.Table)
			if made && err != nil {
				return fmt.Errorf("the table %s is made, but not complete: run the same command again: %w", name, err)
			}
			if err != nil {
				return err
			}
			says := "Made the table %s in %s.\n"
			if !made {
				says = "The table %s in %s exists, and it is complete.\n"
			}
			fmt.Fprintf(c.ErrOrStderr(), says, name, loaded.Region)
			for _, w := range without {
				fmt.Fprintf(c.ErrOrStderr(), "This engine has no %s.\n", w)
			}
			return nil
		},
	}
	in.addFlags(c)
	return c
}
