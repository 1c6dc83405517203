package main

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// calls makes the calls of an authorizer.
type calls struct {
	db               *dynamodb.Client
	secrets          *secretsmanager.Client
	table, secretARN *string
}

func newCalls(account aws.Config, variables map[string]string) *calls {
	return &calls{
		db: dynamodb.NewFromConfig(account), secrets: secretsmanager.NewFromConfig(account),
		table: aws.String(variables["TABLE_NAME"]), secretARN: aws.String(variables["SECRET_ARN"]),
	}
}

// warm reads the secret and opens the connection to the table, as an instance does when it starts.
func (c *calls) warm(ctx context.Context) {
	var warming sync.WaitGroup
	warming.Go(func() {
		_, _ = c.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: c.secretARN})
	})
	warming.Go(func() { _ = c.find(ctx) })
	warming.Wait()
}

// check reads a key and its user, and spends.
func (c *calls) check(ctx context.Context) error {
	for range 2 {
		if err := c.find(ctx); err != nil {
			return err
		}
	}
	id := &types.AttributeValueMemberS{Value: "calls"}
	_, err := c.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: c.table, Key: map[string]types.AttributeValue{"pk": id, "sk": id},
		UpdateExpression:          aws.String("ADD spent :n"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: "1"}},
	})
	return err
}

func (c *calls) find(ctx context.Context) error {
	_, err := c.db.Query(ctx, &dynamodb.QueryInput{
		TableName: c.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: "calls"}},
	})
	return err
}
