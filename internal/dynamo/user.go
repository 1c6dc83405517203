package dynamo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
)

// userSort follows the sort keys of the user's meters, and comes before those of the user's daily
// usage. A query from meterSort to userSort therefore reads the record and the meters alone.
const userSort = "settings"

// storedUser is what an operator has set for a user, as it is stored. Times are in milliseconds. The
// index by-user has the users of a plan in a partition of its own. No list of keys shows them there,
// because no user's id begins with a space.
type storedUser struct {
	PK        string            `dynamodbav:"pk"`
	SK        string            `dynamodbav:"sk"`
	User      string            `dynamodbav:"userId,omitempty"`
	Order     string            `dynamodbav:"createdKey,omitempty"`
	Plan      string            `dynamodbav:"plan,omitempty"`
	Suspended bool              `dynamodbav:"suspended,omitempty"`
	Bounds    *storedBounds     `dynamodbav:"bounds,omitempty"`
	MaxKeys   int               `dynamodbav:"maxKeys,omitempty"`
	Scopes    []string          `dynamodbav:"scopes,omitempty"`
	Metadata  map[string]string `dynamodbav:"metadata,omitempty"`
	Rev       int64             `dynamodbav:"rev"`
	Seq       int64             `dynamodbav:"seq"`
	Since     int64             `dynamodbav:"since"`
	Trail     *head             `dynamodbav:"trail,omitempty"`
}

func planUser(plan string) string { return " plan " + plan }

func encodeUser(u *apikey.User) (item, error) {
	s := storedUser{
		PK: userPartition(u.ID), SK: userSort, Plan: u.Plan, Suspended: u.Suspended, Bounds: encodeBounds(u.Bounds),
		MaxKeys: u.MaxKeys, Scopes: u.Scopes, Metadata: u.Metadata,
		Rev: u.Rev, Seq: u.Seq, Since: millis(u.Since), Trail: encodeHead(u.Trail),
	}
	if u.Plan != "" {
		s.User, s.Order = planUser(u.Plan), u.ID
	}
	encoded, err := attributevalue.MarshalMap(s)
	if err != nil {
		return nil, fmt.Errorf("encode a user: %w", err)
	}
	return encoded, nil
}

func decodeUser(i item) (*apikey.User, error) {
	var u storedUser
	if err := attributevalue.UnmarshalMap(i, &u); err != nil {
		return nil, fmt.Errorf("decode a user: %w", err)
	}
	return &apikey.User{
		ID: strings.TrimPrefix(u.PK, userPartition("")), Plan: u.Plan, Suspended: u.Suspended, Bounds: decodeBounds(u.Bounds),
		MaxKeys: u.MaxKeys, Scopes: u.Scopes, Metadata: u.Metadata,
		Rev: u.Rev, Seq: u.Seq, Since: moment(u.Since), Trail: decodeHead(u.Trail),
	}, nil
}

// User reads a user's record and meters in one query. That is one read unit for up to 4 KB.
func (t *Table) User(ctx context.Context, userID string) (r apikey.UserRecord, err error) {
	items, err := t.between(ctx, userPartition(userID), meterSort, userSort)
	if err != nil {
		return apikey.UserRecord{}, fmt.Errorf("query a user: %w", err)
	}
	for _, i := range items {
		var m apikey.NamedMeter
		if sk, _ := i["sk"].(*types.AttributeValueMemberS); sk.Value == userSort {
			r.User, err = decodeUser(i)
		} else if m, err = decodeNamedMeter(i); err == nil {
			r.Meters = append(r.Meters, m)
		}
		if err != nil {
			return apikey.UserRecord{}, fmt.Errorf("query a user: %w", err)
		}
	}
	return r, nil
}

// Users reads the records of many users in few requests.
func (t *Table) Users(ctx context.Context, userIDs []string) (map[string]*apikey.User, error) {
	keys := make([]item, len(userIDs))
	for n, id := range userIDs {
		keys[n] = primaryKey(userPartition(id), userSort)
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get users: %w", err)
	}
	users := make(map[string]*apikey.User, len(items))
	for _, i := range items {
		u, err := decodeUser(i)
		if err != nil {
			return nil, err
		}
		users[u.ID] = u
	}
	return users, nil
}

// PlanUsers reads the index by-user.
func (t *Table) PlanUsers(ctx context.Context, plan, after string, limit int) (ids []string, err error) {
	in := &dynamodb.QueryInput{
		TableName: &t.name, IndexName: aws.String("by-user"), Limit: aws.Int32(int32(limit)),
		KeyConditionExpression:    aws.String("#user = :user"),
		ExpressionAttributeNames:  map[string]string{"#user": "userId"},
		ExpressionAttributeValues: item{":user": text(planUser(plan))},
	}
	if after != "" {
		in.KeyConditionExpression = aws.String("#user = :user AND #created > :after")
		in.ExpressionAttributeNames["#created"] = "createdKey"
		in.ExpressionAttributeValues[":after"] = text(after)
	}
	out, err := t.client.Query(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("query the users of a plan: %w", err)
	}
	for _, i := range out.Items {
		if id, ok := i["createdKey"].(*types.AttributeValueMemberS); ok {
			ids = append(ids, id.Value)
		}
	}
	return ids, nil
}
