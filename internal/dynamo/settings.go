package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Settings are what an operator has set for a table, without TTL and recovery.
type Settings struct {
	Status    string // such as ACTIVE
	Protected bool   // against deletion
	OnDemand  bool   // paid by the request
	Indexes   map[string]IndexState
}

// IndexState is the state of an index.
type IndexState struct {
	Status     string   // such as ACTIVE; empty if the engine has none
	Attributes []string // beside the keys
}

// Settings reads the settings of the table.
func (t *Table) Settings(ctx context.Context) (Settings, error) {
	out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	if err != nil {
		return Settings{}, fmt.Errorf("describe the table: %w", err)
	}
	d := out.Table
	s := Settings{
		Status: string(d.TableStatus), Protected: aws.ToBool(d.DeletionProtectionEnabled),
		Indexes:  make(map[string]IndexState),
		OnDemand: d.BillingModeSummary != nil && d.BillingModeSummary.BillingMode == types.BillingModePayPerRequest,
	}
	for _, i := range d.GlobalSecondaryIndexes {
		state := IndexState{Status: string(i.IndexStatus)}
		if i.Projection != nil {
			state.Attributes = i.Projection.NonKeyAttributes
		}
		s.Indexes[aws.ToString(i.IndexName)] = state
	}
	return s, nil
}

// Expires reports whether the table deletes items by their attribute ttl.
func (t *Table) Expires(ctx context.Context) (bool, error) {
	out, err := t.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &t.name})
	if err != nil {
		return false, fmt.Errorf("describe the table's TTL: %w", err)
	}
	d := out.TimeToLiveDescription
	return d != nil && d.TimeToLiveStatus == types.TimeToLiveStatusEnabled && aws.ToString(d.AttributeName) == "ttl", nil
}

// Recoverable reports whether the table can be restored to a point in time.
func (t *Table) Recoverable(ctx context.Context) (bool, error) {
	out, err := t.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &t.name})
	if err != nil {
		return false, fmt.Errorf("describe the table's backups: %w", err)
	}
	d := out.ContinuousBackupsDescription
	return d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, nil
}
