package dynamo

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// collisions bounds how often a transaction is tried again. DynamoDB refuses one that meets another
// on the same item, or a throttled partition. The SDK retries neither, because it does not read the
// reasons.
const collisions = 6

// transact makes all writes or none. failed are the indexes of writes whose condition did not hold.
// If there are any, nothing was written.
func (t *Table) transact(ctx context.Context, writes []types.TransactWriteItem) (failed []int, err error) {
	// All attempts share a request token, also those of the SDK. If the reply of one was lost, or
	// one that was given up arrives late, the conditions of the next do not fail because of it.
	in := &dynamodb.TransactWriteItemsInput{TransactItems: writes, ClientRequestToken: aws.String(crand.Text())}
	for attempt := 1; ; attempt++ {
		_, err = t.client.TransactWriteItems(ctx, in)
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
			case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
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
