package dynamo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// A witness has a partition of its own, so that putting back the partition of its subject does not
// put back the witness.
const (
	witnessSort   = "head"
	witnessPrefix = "head#"
	// policyWitnessPrefix begins the partitions of witnesses of users and plans. A version without
	// them does not find these, and its audit would miss the records.
	policyWitnessPrefix = "heads#"
)

// witnessPartition returns the partition of the witness of an audit subject.
func witnessPartition(subject string) string {
	if subjectPartition(subject) == subject {
		return policyWitnessPrefix + subject
	}
	return witnessPrefix + subject
}

// witnessSubject is the inverse of witnessPartition.
func witnessSubject(pk string) string {
	if subject, ok := strings.CutPrefix(pk, policyWitnessPrefix); ok {
		return subject
	}
	return strings.TrimPrefix(pk, witnessPrefix)
}

// storedWitness is a witness as it is stored. until, forgotten and ttl are in seconds. Places sort
// in their order.
type storedWitness struct {
	PK        string `dynamodbav:"pk"`
	SK        string `dynamodbav:"sk"`
	Place     string `dynamodbav:"place"`
	Sum       []byte `dynamodbav:"sum"`
	Until     int64  `dynamodbav:"until"`
	Last      bool   `dynamodbav:"last,omitempty"`
	Forgotten int64  `dynamodbav:"forgotten,omitempty"`
	Seal      []byte `dynamodbav:"seal"`
	TTL       int64  `dynamodbav:"ttl,omitempty"`
}

// writeWitness replaces the witness of a change's subject. Unless the change was checked, the stored
// witness must fit what the change replaces, and its Standing.
func (t *Table) writeWitness(w registry.Write) (step, error) {
	s := storedWitness{
		PK: witnessPartition(w.Witness.Subject), SK: witnessSort, Place: w.Witness.Place.String(), Sum: w.Witness.Sum,
		Until: w.Witness.Until.Unix(), Last: w.Witness.Last, Forgotten: seconds(w.Witness.Forgotten), Seal: w.Witness.Seal,
		TTL: seconds(w.Witness.Ends()),
	}
	put := &types.Put{TableName: &t.name}
	var err error
	if put.Item, err = attributevalue.MarshalMap(s); err != nil {
		return step{}, fmt.Errorf("encode a witness: %w", err)
	}
	values := item{":now": number(w.At.Unix())}
	names := map[string]string{"#ttl": "ttl"}
	var condition string
	before, stored := w.Before()
	switch {
	case w.Checked:
		return step{types.TransactWriteItem{Put: put}, nil}, nil
	case !stored:
		condition = "attribute_not_exists(#place) OR #ttl <= :now OR #last = :true"
		names["#last"], values[":true"] = "last", &types.AttributeValueMemberBOOL{Value: true}
	case w.Standing == audit.Authentic:
		condition = "#place = :place OR #ttl <= :now"
	case w.Standing == audit.Unsealed:
		condition = "attribute_not_exists(#place) OR #place <= :place OR #ttl <= :now"
	default:
		condition = "attribute_not_exists(#place) OR #ttl <= :now"
	}
	names["#place"] = "place"
	if strings.Contains(condition, ":place") {
		values[":place"] = text(before.String())
	}
	put.ConditionExpression, put.ExpressionAttributeNames, put.ExpressionAttributeValues = &condition, names, values
	return step{types.TransactWriteItem{Put: put}, apikey.ErrUnwitnessed}, nil
}

// Stored reads a key with the text that its seal covers. It returns an [audit.Break] for a record
// that the service cannot have written.
func (t *Table) Stored(ctx context.Context, id string) (*apikey.Key, []byte, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), Key: primaryKey(subjectPartition(id), keySort),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("get key %s: %w", id, err)
	}
	if out.Item == nil {
		return nil, nil, apikey.ErrNotFound
	}
	k, err := decodeKey(out.Item)
	if err != nil {
		return nil, nil, &audit.Break{Subject: id, Place: "-", Problem: "has a record that cannot be read"}
	}
	return k, recordText(out.Item), nil
}

// Text returns the stored text of k at a revision.
func (t *Table) Text(k *apikey.Key, rev int64) ([]byte, error) {
	i, err := encodeKey(k, rev)
	if err != nil {
		return nil, err
	}
	return recordText(i), nil
}

// Witness reads the witness of a subject, or returns the zero Witness if there is none.
func (t *Table) Witness(ctx context.Context, id string) (audit.Witness, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), Key: primaryKey(witnessPartition(id), witnessSort),
	})
	if err != nil {
		return audit.Witness{}, fmt.Errorf("get the witness of %s: %w", id, err)
	}
	if out.Item == nil {
		return audit.Witness{}, nil
	}
	var s storedWitness
	err = attributevalue.UnmarshalMap(out.Item, &s)
	place, misplaced := audit.ParsePlace(s.Place)
	w := audit.Witness{
		Subject: witnessSubject(s.PK), Place: place, Sum: s.Sum, Until: time.Unix(s.Until, 0).UTC(),
		Last: s.Last, Forgotten: second(s.Forgotten), Seal: s.Seal,
	}
	if err != nil || misplaced != nil || s.TTL != seconds(w.Ends()) {
		w.Seal = []byte{0} // there is a witness, but not one that was written
	}
	return w, nil
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func second(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
