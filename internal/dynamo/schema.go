package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Schema is the definition of a table, with the names of DynamoDB's API and of CloudFormation.
type Schema struct {
	AttributeDefinitions []struct {
		AttributeName string `yaml:"AttributeName"`
		AttributeType string `yaml:"AttributeType"`
	} `yaml:"AttributeDefinitions"`
	KeySchema               []KeyElement `yaml:"KeySchema"`
	GlobalSecondaryIndexes  []Index      `yaml:"GlobalSecondaryIndexes"`
	TimeToLiveSpecification struct {
		AttributeName string `yaml:"AttributeName"`
		Enabled       bool   `yaml:"Enabled"`
	} `yaml:"TimeToLiveSpecification"`
	DeletionProtectionEnabled        bool `yaml:"DeletionProtectionEnabled"`
	PointInTimeRecoverySpecification struct {
		PointInTimeRecoveryEnabled bool `yaml:"PointInTimeRecoveryEnabled"`
	} `yaml:"PointInTimeRecoverySpecification"`
}

// KeyElement is one part of a key: KeyType is HASH or RANGE.
type KeyElement struct {
	AttributeName string `yaml:"AttributeName"`
	KeyType       string `yaml:"KeyType"`
}

// Index is a global secondary index.
type Index struct {
	IndexName  string       `yaml:"IndexName"`
	KeySchema  []KeyElement `yaml:"KeySchema"`
	Projection struct {
		ProjectionType   string   `yaml:"ProjectionType"`
		NonKeyAttributes []string `yaml:"NonKeyAttributes"`
	} `yaml:"Projection"`
}

// CreateTable creates the table on an engine on this machine, unless it exists. On AWS, the stack
// creates it, or [Table.Provision].
func (t *Table) CreateTable(ctx context.Context, s Schema) error {
	_, err := t.client.CreateTable(ctx, s.table(t.name))
	var exists *types.ResourceInUseException
	if errors.As(err, &exists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create the table: %w", err)
	}
	return t.enableExpiry(ctx, s)
}

func (t *Table) enableExpiry(ctx context.Context, s Schema) error {
	if !s.TimeToLiveSpecification.Enabled {
		return nil
	}
	_, err := t.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &t.name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(s.TimeToLiveSpecification.AttributeName), Enabled: aws.Bool(true),
		},
	})
	if err != nil {
		return fmt.Errorf("enable the table's time to live: %w", err)
	}
	return nil
}

// table returns the definition of a table without its protections.
func (s Schema) table(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema(s.KeySchema),
	}
	for _, a := range s.AttributeDefinitions {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(a.AttributeName), AttributeType: types.ScalarAttributeType(a.AttributeType),
		})
	}
	for _, i := range s.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(i.IndexName), KeySchema: keySchema(i.KeySchema),
			Projection: &types.Projection{
				ProjectionType:   types.ProjectionType(i.Projection.ProjectionType),
				NonKeyAttributes: i.Projection.NonKeyAttributes,
			},
		})
	}
	return in
}

func keySchema(elements []KeyElement) []types.KeySchemaElement {
	var s []types.KeySchemaElement
	for _, e := range elements {
		s = append(s, types.KeySchemaElement{AttributeName: aws.String(e.AttributeName), KeyType: types.KeyType(e.KeyType)})
	}
	return s
}
