package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
)

const planSort = "plan"

func planPartition(name string) string { return "plan#" + name }

// plansUser is the partition of the index by-user that has all plans. No list of keys shows them,
// because no user's id begins with a space.
const plansUser = " plans"

// storedPlan is a plan as it is stored. Times are in milliseconds.
type storedPlan struct {
	PK          string        `dynamodbav:"pk"`
	SK          string        `dynamodbav:"sk"`
	User        string        `dynamodbav:"userId"`
	Order       string        `dynamodbav:"createdKey"`
	Scopes      []string      `dynamodbav:"scopes,omitempty"`
	OfKey       *storedBounds `dynamodbav:"ofKey,omitempty"`
	OfUser      *storedBounds `dynamodbav:"ofUser,omitempty"`
	MaxDays     int           `dynamodbav:"maxDays,omitempty"`
	DefaultDays int           `dynamodbav:"defaultDays,omitempty"`
	IdleDays    int           `dynamodbav:"idleDays,omitempty"`
	Rev         int64         `dynamodbav:"rev"`
	Seq         int64         `dynamodbav:"seq"`
	Since       int64         `dynamodbav:"since"`
	Trail       *head         `dynamodbav:"trail,omitempty"`
}

func encodePlan(p *apikey.Plan) (item, error) {
	encoded, err := attributevalue.MarshalMap(storedPlan{
		PK: planPartition(p.Name), SK: planSort, User: plansUser, Order: p.Name,
		Scopes: p.Scopes, OfKey: encodeBounds(p.Key), OfUser: encodeBounds(p.User),
		MaxDays: p.Life.MaxDays, DefaultDays: p.Life.DefaultDays, IdleDays: p.Life.IdleDays,
		Rev: p.Rev, Seq: p.Seq, Since: millis(p.Since), Trail: encodeHead(p.Trail),
	})
	if err != nil {
		return nil, fmt.Errorf("encode plan %s: %w", p.Name, err)
	}
	return encoded, nil
}

func decodePlan(i item) (*apikey.Plan, error) {
	var p storedPlan
	if err := attributevalue.UnmarshalMap(i, &p); err != nil {
		return nil, fmt.Errorf("decode a plan: %w", err)
	}
	return &apikey.Plan{
		Name: strings.TrimPrefix(p.PK, planPartition("")), Scopes: p.Scopes,
		Key: decodeBounds(p.OfKey), User: decodeBounds(p.OfUser),
		Life: apikey.Life{MaxDays: p.MaxDays, DefaultDays: p.DefaultDays, IdleDays: p.IdleDays},
		Rev:  p.Rev, Seq: p.Seq, Since: moment(p.Since), Trail: decodeHead(p.Trail),
	}, nil
}

// Plan reads a plan.
func (t *Table) Plan(ctx context.Context, name string) (*apikey.Plan, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), Key: primaryKey(planPartition(name), planSort),
	})
	if err != nil {
		return nil, fmt.Errorf("get plan %s: %w", name, err)
	}
	if out.Item == nil {
		return nil, apikey.ErrNotFound
	}
	return decodePlan(out.Item)
}

// Plans reads the names of all plans from the index, and then the plans.
func (t *Table) Plans(ctx context.Context) ([]*apikey.Plan, error) {
	listed, err := t.newest(ctx, &dynamodb.QueryInput{
		IndexName:                 aws.String("by-user"),
		KeyConditionExpression:    aws.String("#user = :user"),
		ExpressionAttributeNames:  map[string]string{"#user": "userId"},
		ExpressionAttributeValues: item{":user": text(plansUser)},
	}, 0)
	if err != nil {
		return nil, fmt.Errorf("query plans: %w", err)
	}
	keys := make([]item, 0, len(listed))
	for _, i := range listed {
		if name, ok := i["createdKey"].(*types.AttributeValueMemberS); ok {
			keys = append(keys, primaryKey(planPartition(name.Value), planSort))
		}
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get plans: %w", err)
	}
	plans := make([]*apikey.Plan, 0, len(items))
	for _, i := range items {
		p, err := decodePlan(i)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	slices.SortFunc(plans, func(a, b *apikey.Plan) int { return cmp.Compare(a.Name, b.Name) })
	return plans, nil
}
