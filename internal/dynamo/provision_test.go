package dynamo_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/amazon"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/local/sam"
)

// A table is made with all of its protections. A call that was cut off after any of its steps is
// completed by the next, and a table of another kind is not changed.
func TestProvisionMakesOrCompletesATable(t *testing.T) {
	const name = "provisioned"
	template, err := sam.Own(nil)
	if err != nil {
		t.Fatal(err)
	}
	schema := template.Table
	if !schema.DeletionProtectionEnabled || !schema.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled {
		t.Fatal("the template does not protect its table")
	}
	endpoint, giveBack := dynamotest.Lend(t, name)
	client := dynamodb.NewFromConfig(amazon.Local(), func(o *dynamodb.Options) {
		o.BaseEndpoint = aws.String(endpoint)
		o.DisableValidateResponseChecksum = true // DynamoDB Local's checksums of error answers are wrong
	})
	protect := func(on bool) {
		t.Helper()
		in := &dynamodb.UpdateTableInput{TableName: aws.String(name), DeletionProtectionEnabled: &on}
		if _, err := client.UpdateTable(t.Context(), in); err != nil {
			t.Error(err)
		}
	}
	remove := func() {
		t.Helper()
		if _, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Error(err)
		}
	}
	defer giveBack()
	table := dynamo.Open(dynamo.Options{Name: name, AWS: amazon.Local(), Endpoint: endpoint, Local: true})
	bare := func() { // what a call leaves that was cut off after its first step
		t.Helper()
		without := schema
		without.TimeToLiveSpecification.Enabled = false
		if err := table.CreateTable(t.Context(), without); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		before func()
		made   bool
	}{
		{"no table", func() {}, true},
		{"a complete one", func() {}, false},
		{"cut off before the protection", func() { protect(false) }, false},
		{"cut off before the time to live", func() { protect(false); remove(); bare() }, false},
	} {
		c.before()
		made, without, err := table.Provision(t.Context(), schema)
		if err != nil || made != c.made {
			t.Fatalf("%s: made %v, %v", c.name, made, err)
		}
		if len(slices.DeleteFunc(without, func(w string) bool { return w == "point-in-time recovery" })) > 0 {
			t.Errorf("%s: without %q", c.name, without)
		}
		is, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)})
		if err != nil || !aws.ToBool(is.Table.DeletionProtectionEnabled) {
			t.Errorf("%s: protected: %v", c.name, err)
		}
		expiry, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(name)})
		if err != nil || expiry.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled ||
			aws.ToString(expiry.TimeToLiveDescription.AttributeName) != "ttl" {
			t.Errorf("%s: time to live %+v, %v", c.name, expiry, err)
		}
	}
	protect(false)
	remove()

	others := map[string]func(*dynamo.Schema){
		"another key": func(s *dynamo.Schema) {
			s.KeySchema = slices.Clone(s.KeySchema)
			s.KeySchema[1].AttributeName = "createdKey"
			s.GlobalSecondaryIndexes = nil
			s.AttributeDefinitions = slices.Clone(s.AttributeDefinitions)
			s.AttributeDefinitions = slices.DeleteFunc(s.AttributeDefinitions, func(a struct {
				AttributeName string `yaml:"AttributeName"`
				AttributeType string `yaml:"AttributeType"`
			}) bool {
				return a.AttributeName == "sk" || a.AttributeName == "userId"
			})
		},
		"a key of another type": func(s *dynamo.Schema) {
			s.AttributeDefinitions = slices.Clone(s.AttributeDefinitions)
			for i := range s.AttributeDefinitions {
				if s.AttributeDefinitions[i].AttributeName == "createdKey" {
					s.AttributeDefinitions[i].AttributeType = "N"
				}
			}
		},
		"another index": func(s *dynamo.Schema) {
			s.GlobalSecondaryIndexes = slices.Clone(s.GlobalSecondaryIndexes)
			s.GlobalSecondaryIndexes[0].IndexName = "by-users"
		},
		"an index with all attributes": func(s *dynamo.Schema) {
			s.GlobalSecondaryIndexes = slices.Clone(s.GlobalSecondaryIndexes)
			s.GlobalSecondaryIndexes[0].Projection.ProjectionType = "ALL"
			s.GlobalSecondaryIndexes[0].Projection.NonKeyAttributes = nil
		},
		"an index with other attributes": func(s *dynamo.Schema) {
			s.GlobalSecondaryIndexes = slices.Clone(s.GlobalSecondaryIndexes)
			s.GlobalSecondaryIndexes[0].Projection.NonKeyAttributes = s.GlobalSecondaryIndexes[0].Projection.NonKeyAttributes[1:]
		},
	}
	for what, change := range others {
		other := schema
		change(&other)
		if err := table.CreateTable(t.Context(), other); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if made, _, err := table.Provision(t.Context(), schema); made || !errors.Is(err, dynamo.ErrAnotherTable) {
			t.Errorf("%s: made %v, %v", what, made, err)
		}
		remove() // nothing protects it
	}
}
