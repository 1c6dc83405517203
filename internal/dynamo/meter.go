package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/ratelimit"
)

var _ ratelimit.Store = (*Table)(nil)

// The attributes of a meter: w the window in milliseconds, u the odometer, h the
// newest slice, v the tokens used, at the last use in milliseconds, and for each
// slice m<slice in base 36>.
const (
	spendFresh = "SET #w = :w, #h = :k, #u = :n, #v = :n, #m = :base, #at = :at, #ttl = :ttl"
	spendSame  = "SET #h = :k, #m = if_not_exists(#m, #u), #at = :at, #ttl = :ttl ADD #u :n, #v :n"
	spendNew   = "SET #w = :w, #h = :k, #m = :base, #at = :at, #ttl = :ttl ADD #u :n, #v :n"

	ifFresh = "attribute_not_exists(#u)"
	ifSeen  = "#w = :seen AND #h <= :newest AND #u BETWEEN :min AND :max"
)

// Spend is one conditional UpdateItem, whether it succeeds or not: the reply
// brings the meter either way.
func (t *Table) Spend(ctx context.Context, id string, s ratelimit.Spend) (ratelimit.Meter, error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: primaryKey(keyPartition(id), meterSort),
		ExpressionAttributeNames: map[string]string{
			"#u": "u", "#v": "v", "#h": "h", "#w": "w", "#at": "at", "#ttl": "ttl", "#m": mark(s.Slice),
		},
		ExpressionAttributeValues: item{
			":k": number(s.Slice), ":n": number(s.Tokens), ":at": number(s.At.UnixMilli()), ":ttl": number(s.Expires.Unix()),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	update := spendSame
	switch {
	case s.Fresh:
		update, in.ConditionExpression = spendFresh, aws.String(ifFresh)
	case s.Restart:
		update, in.ConditionExpression = spendNew, aws.String(ifSeen)
	default:
		in.ConditionExpression = aws.String(ifSeen)
	}
	if s.Fresh || s.Restart {
		in.ExpressionAttributeValues[":w"] = number(s.Window.Milliseconds())
		in.ExpressionAttributeValues[":base"] = number(s.Base)
	}
	if !s.Fresh {
		in.ExpressionAttributeValues[":seen"] = number(s.SeenWindow.Milliseconds())
		in.ExpressionAttributeValues[":newest"] = number(s.MaxNewest)
		in.ExpressionAttributeValues[":min"] = number(s.MinUsed)
		in.ExpressionAttributeValues[":max"] = number(s.MaxUsed)
	}
	var forget []string
	for i, slice := range s.Forget {
		name := "#f" + strconv.Itoa(i)
		forget = append(forget, name)
		in.ExpressionAttributeNames[name] = mark(slice)
	}
	if len(forget) > 0 {
		update += " REMOVE " + strings.Join(forget, ", ")
	}
	in.UpdateExpression = &update

	out, err := t.client.UpdateItem(ctx, in)
	var stale *types.ConditionalCheckFailedException
	if errors.As(err, &stale) {
		m, err := decodeMeter(stale.Item)
		if err != nil {
			return ratelimit.Meter{}, fmt.Errorf("key %s: %w", id, err)
		}
		return m, ratelimit.ErrStale
	}
	if err != nil {
		return ratelimit.Meter{}, fmt.Errorf("update meter of key %s: %w", id, err)
	}
	m, err := decodeMeter(out.Attributes)
	if err != nil {
		return ratelimit.Meter{}, fmt.Errorf("key %s: %w", id, err)
	}
	return m, nil
}

// Touch notes a use. The note outlives a long silence, unlike a meter.
func (t *Table) Touch(ctx context.Context, id string, at time.Time) error {
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: primaryKey(keyPartition(id), meterSort),
		UpdateExpression:          aws.String("SET #at = :at, #ttl = :ttl"),
		ExpressionAttributeNames:  map[string]string{"#at": "at", "#ttl": "ttl"},
		ExpressionAttributeValues: item{":at": number(at.UnixMilli()), ":ttl": number(at.Add(retention).Unix())},
	})
	if err != nil {
		return fmt.Errorf("touch key %s: %w", id, err)
	}
	return nil
}

// decodeMeter reads a meter; no item is the zero Meter.
func decodeMeter(i item) (ratelimit.Meter, error) {
	var m ratelimit.Meter
	for name, value := range i {
		digits, isMark := strings.CutPrefix(name, "m")
		if !isMark && !slices.Contains([]string{"w", "u", "h", "at"}, name) {
			continue
		}
		n, err := integer(value)
		if err != nil {
			return ratelimit.Meter{}, fmt.Errorf("decode meter: %s: %w", name, err)
		}
		switch name {
		case "w":
			m.Window = time.Duration(n) * time.Millisecond
		case "u":
			m.Used = n
		case "h":
			m.Newest = n
		case "at":
			m.LastUsed = moment(n)
		default:
			slice, err := strconv.ParseInt(digits, 36, 64)
			if err != nil {
				return ratelimit.Meter{}, fmt.Errorf("decode meter: %s: %w", name, err)
			}
			m.Marks = append(m.Marks, ratelimit.Mark{Slice: slice, Used: n})
		}
	}
	slices.SortFunc(m.Marks, func(a, b ratelimit.Mark) int { return cmp.Compare(a.Slice, b.Slice) })
	return m, nil
}

func mark(slice int64) string { return "m" + strconv.FormatInt(slice, 36) }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func integer(value types.AttributeValue) (int64, error) {
	n, ok := value.(*types.AttributeValueMemberN)
	if !ok {
		return 0, errors.New("is no number")
	}
	return strconv.ParseInt(n.Value, 10, 64)
}
