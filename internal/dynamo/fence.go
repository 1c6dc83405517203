package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// A fence is the attribute g of a key's first meter, and of its further shards. Before a stored key is
// changed, g is raised to the number that [apikey.Key.Fence] gives for the next revision. A spend that
// asks for the number of a remembered key, and finds no higher g, therefore proves that the key has not
// changed since it was read.
//
// Three rules make this proof hold:
//
//   - g only grows. A failed change leaves it raised, and gates then read the key as if there were no
//     fence, until the next change.
//   - The fence is written before the change is sent. If it is not known whether it was written, the
//     key must not be changed.
//   - The meter is not deleted before every gate has forgotten the key as it was. A deleted key keeps
//     its meter.
const (
	setFence  = "SET #g = :g, #ttl = :ttl"
	ifLower   = "attribute_not_exists(#g) OR #g <= :g"
	keepFence = "SET #ttl = :ttl"
	ifHigher  = "#g > :g"
)

// fenceRetention is how long a meter outlives a change of its key. No spend gives a meter more time,
// so a change never shortens the retention of usage.
const fenceRetention = 432 * 24 * time.Hour

// fenceAttempts bounds how often a fence is written again because DynamoDB has deleted the meter
// between two requests.
const fenceAttempts = 3

// fence raises the fence of each key that the changes replace or delete. After an error, the changes
// must not be made.
func (t *Table) fence(ctx context.Context, changes []registry.Write) error {
	for i := range changes {
		w := &changes[i]
		if w.From == nil {
			continue // a new key, or the record of a user, or a plan
		}
		next := *w.From
		next.Rev++
		if err := t.raiseAll(ctx, &next, w.At); err != nil {
			return fmt.Errorf("fence key %s: %w", w.From.ID, err)
		}
	}
	return nil
}

// raiseAll sets the fences of all meters of a key that count its rateLimit, at the same time. A gate
// proves the key by any one of them.
func (t *Table) raiseAll(ctx context.Context, next *apikey.Key, now time.Time) error {
	others := next.Shards.Others(next.ID)
	if len(others) == 0 {
		return t.raise(ctx, next.ID, next.Fence(), now)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, id := range append(others, next.ID) {
		group.Go(func() (err error) {
			defer func() {
				if cause := recover(); cause != nil { // it would end the process
					err = fmt.Errorf("meter %s: panic: %T", id, cause)
				}
			}()
			return t.raise(ctx, id, next.Fence(), now)
		})
	}
	return group.Wait()
}

// raise sets the fence of a meter to next, unless it is higher already.
func (t *Table) raise(ctx context.Context, id string, next int64, now time.Time) error {
	in := dynamodb.UpdateItemInput{
		TableName: &t.name, Key: meterKey(id),
		ExpressionAttributeNames: map[string]string{"#g": "g", "#ttl": "ttl"},
		ExpressionAttributeValues: item{
			":g": number(next), ":ttl": number(now.Add(fenceRetention).Unix()),
		},
	}
	for attempt := 1; ; attempt++ {
		in.UpdateExpression, in.ConditionExpression = aws.String(setFence), aws.String(ifLower)
		applied, err := t.update(ctx, in)
		if !applied && err == nil {
			in.UpdateExpression, in.ConditionExpression = aws.String(keepFence), aws.String(ifHigher)
			applied, err = t.update(ctx, in)
		}
		switch {
		case applied || err != nil:
			return err
		case attempt == fenceAttempts:
			return errors.New("the meter is deleted again and again")
		}
	}
}

// update reports whether the condition of an update held.
func (t *Table) update(ctx context.Context, in dynamodb.UpdateItemInput) (applied bool, err error) {
	_, err = t.client.UpdateItem(ctx, &in)
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return false, nil
	}
	return err == nil, err
}
