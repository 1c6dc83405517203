// Command calls makes the same calls as the authorizer's first verdict and decides nothing. It is the
// least that a function with the AWS SDK can be.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

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
	table, secret := aws.String(variables["TABLE_NAME"]), aws.String(variables["SECRET_ARN"])
	db, secrets := dynamodb.NewFromConfig(account), secretsmanager.NewFromConfig(account)
	pk := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "calls"}, "sk": &types.AttributeValueMemberS{Value: "calls"},
	}
	find := func(ctx context.Context) error {
		_, err := db.Query(ctx, &dynamodb.QueryInput{
			TableName: table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": pk["pk"]},
		})
		return err
	}
	var warming sync.WaitGroup
	warming.Go(func() {
		_, _ = secrets.GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: secret})
	})
	warming.Go(func() { _ = find(context.Background()) })
	warming.Wait()
	lambda.Start(func(ctx context.Context, _ json.RawMessage) (string, error) {
		for range 2 {
			if err := find(ctx); err != nil {
				return "", err
			}
		}
		_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: table, Key: pk, UpdateExpression: aws.String("ADD spent :n"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: "1"}},
		})
		return "called", err
	})
}
