package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// ErrAnotherTable says that a table of that name exists, and that its keys or its indexes are not
// latchkey's.
var ErrAnotherTable = errors.New("a table of this name exists, and it is not latchkey's")

// provisionTime bounds the wait for a new table. DynamoDB needs some seconds.
const provisionTime = 5 * time.Minute

// Provision makes the table in an AWS account, with its time to live, its point-in-time recovery and its
// protection against deletion. If the table exists, Provision adds those of them that it lacks, so a
// call that was cut off can be repeated. It returns whether it made the table, and the names of the
// protections that the engine does not know, which are those of engines on this machine.
func (t *Table) Provision(ctx context.Context, s Schema) (made bool, without []string, err error) {
	want := s.table(t.name)
	_, err = t.client.CreateTable(ctx, want)
	if exists := new(types.ResourceInUseException); err != nil && !errors.As(err, &exists) {
		return false, nil, fmt.Errorf("create the table: %w", err)
	}
	made = err == nil
	wait := dynamodb.NewTableExistsWaiter(t.client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Second, 5*time.Second
	})
	out, err := wait.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: &t.name}, provisionTime)
	if err != nil {
		return made, nil, fmt.Errorf("wait for the table: %w", err)
	}
	is := out.Table
	if !sameKeys(want, is) {
		return made, nil, ErrAnotherTable
	}
	expiry, err := t.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &t.name})
	if err != nil {
		return made, nil, fmt.Errorf("read the table's time to live: %w", err)
	}
	if d := expiry.TimeToLiveDescription; d == nil || !strings.HasPrefix(string(d.TimeToLiveStatus), "ENABL") {
		if err := t.enableExpiry(ctx, s); err != nil {
			return made, nil, err
		}
	}
	if s.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled {
		_, err := t.client.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName: &t.name,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
				PointInTimeRecoveryEnabled: aws.Bool(true),
			},
		})
		if unknown(err) {
			without = append(without, "point-in-time recovery")
		} else if err != nil {
			return made, without, fmt.Errorf("enable point-in-time recovery: %w", err)
		}
	}
	// The last step, so that a table that is not complete can be deleted.
	if s.DeletionProtectionEnabled && !aws.ToBool(is.DeletionProtectionEnabled) {
		out, err := t.client.UpdateTable(ctx, &dynamodb.UpdateTableInput{
			TableName: &t.name, DeletionProtectionEnabled: aws.Bool(true),
		})
		if unknown(err) || err == nil && !aws.ToBool(out.TableDescription.DeletionProtectionEnabled) {
			without = append(without, "protection against deletion")
		} else if err != nil {
			return made, without, fmt.Errorf("protect the table against deletion: %w", err)
		}
	}
	return made, without, nil
}

// unknown reports whether the engine does not know the operation.
func unknown(err error) bool {
	var failed smithy.APIError
	return errors.As(err, &failed) && strings.HasPrefix(failed.ErrorCode(), "UnknownOperation")
}

// sameKeys reports whether a table has the keys and the indexes of a definition. It may have more
// indexes.
func sameKeys(want *dynamodb.CreateTableInput, is *types.TableDescription) bool {
	for _, w := range want.GlobalSecondaryIndexes {
		i := slices.IndexFunc(is.GlobalSecondaryIndexes, func(d types.GlobalSecondaryIndexDescription) bool {
			return aws.ToString(d.IndexName) == aws.ToString(w.IndexName)
		})
		if i < 0 {
			return false
		}
		d := is.GlobalSecondaryIndexes[i]
		if !sameElements(w.KeySchema, d.KeySchema) || d.Projection == nil ||
			w.Projection.ProjectionType != d.Projection.ProjectionType ||
			!slices.Equal(sorted(w.Projection.NonKeyAttributes), sorted(d.Projection.NonKeyAttributes)) {
			return false
		}
	}
	types := make(map[string]types.ScalarAttributeType)
	for _, a := range is.AttributeDefinitions {
		types[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	for _, a := range want.AttributeDefinitions {
		if types[aws.ToString(a.AttributeName)] != a.AttributeType {
			return false
		}
	}
	return sameElements(want.KeySchema, is.KeySchema)
}

func sameElements(a, b []types.KeySchemaElement) bool {
	return slices.EqualFunc(a, b, func(a, b types.KeySchemaElement) bool {
		return aws.ToString(a.AttributeName) == aws.ToString(b.AttributeName) && a.KeyType == b.KeyType
	})
}

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }
