// Command calls makes the same calls as the authorizer's first verdict and decides nothing. It is the
// least that a function with the AWS SDK can be.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/amazon"
)

func main() {
	variables := make(map[string]string)
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		variables[name] = value
	}
	account, err := amazon.Lambda(variables)
	if err != nil {
		panic(err)
	}
	c := newCalls(account, variables)
	c.warm(context.Background())
	lambda.Start(func(ctx context.Context, _ json.RawMessage) (string, error) { return "called", c.check(ctx) })
}
