package dynamo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// collisions bounds how often a transaction is tried again because it met
// another one on the same item, which DynamoDB refuses instead of queueing and
// the SDK does not retry.
const collisions = 6

// transact writes all or nothing. failed lists the writes whose condition did
// not hold, by index; then nothing was written.
func (t *Table) transact(ctx context.Context, writes []types.TransactWriteItem) (failed []int, err error) {
	for attempt := 1; ; attempt++ {
		// The SDK names each call with a token that its own attempts share: when a
		// reply was lost, the next attempt does not find its own work in the way.
		_, err = t.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		var canceled *types.TransactionCanceledException
		if !errors.As(err, &canceled) {
			return nil, err
		}
		collided := false
		failed = nil
		for i, reason := range canceled.CancellationReasons {
			switch aws.ToString(reason.Code) {
			case "ConditionalCheckFailed":
				failed = append(failed, i)
			case "TransactionConflict":
				collided = true
			case "None":
			default:
				return nil, err
			}
		}
		if len(failed) > 0 {
			return failed, nil
		}
		if !collided || attempt == collisions {
			return nil, err
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
}

// pause waits a little longer after each attempt.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Duration(attempt) * (10*time.Millisecond + rand.N(20*time.Millisecond)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
