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
//
// The fences of several keys that end are raised in one transaction: one request instead of one a key,
// for two write units a key instead of one. A spend that meets it fails, but its caller is about to be
// refused anyway. A key that lives on, or that is so busy that it has shards, is fenced alone.
func (t *Table) fence(ctx context.Context, changes []registry.Write) error {
	var ending, alone []raised
	for i := range changes {
		w := &changes[i]
		if w.From == nil {
			continue // a new key, or the record of a user, or a plan
		}
		next := *w.From
		next.Rev++
		if r := (raised{&next, w.At}); w.Ends() && !next.Shards.Several() {
			ending = append(ending, r)
		} else {
			alone = append(alone, r)
		}
	}
	together, err := t.raiseTogether(ctx, ending)
	if err != nil {
		return fmt.Errorf("fence %d keys: %w", len(ending), err)
	}
	if !together {
		alone = append(alone, ending...)
	}
	for _, r := range alone {
		if err := t.raiseAll(ctx, r.next, r.at); err != nil {
			return fmt.Errorf("fence key %s: %w", r.next.ID, err)
		}
	}
	return nil
}

// raised is a key as a change will leave it, for its fence, and the time of the change.
type raised struct {
	next *apikey.Key
	at   time.Time
}

// raiseTogether raises the fences of several keys without shards in one transaction. It reports false if
// it raised none: there is one key at most, a fence is higher already, or a spend came in between.
func (t *Table) raiseTogether(ctx context.Context, all []raised) (done bool, err error) {
	if len(all) < 2 {
		return false, nil
	}
	in := &dynamodb.TransactWriteItemsInput{}
	for _, r := range all {
		in.TransactItems = append(in.TransactItems, types.TransactWriteItem{Update: &types.Update{
			TableName: &t.name, Key: meterKey(r.next.ID),
			UpdateExpression: aws.String(setFence), ConditionExpression: aws.String(ifLower),
			ExpressionAttributeNames: fenceNames(), ExpressionAttributeValues: fenceValues(r.next.Fence(), r.at),
		}})
	}
	_, err = t.client.TransactWriteItems(ctx, in)
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		return false, nil
	}
	return err == nil, err
}

func fenceNames() map[string]string { return map[string]string{"#g": "g", "#ttl": "ttl"} }

func fenceValues(g int64, now time.Time) item {
	return item{":g": number(g), ":ttl": number(now.Add(fenceRetention).Unix())}
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
		ExpressionAttributeNames: fenceNames(), ExpressionAttributeValues: fenceValues(next, now),
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
