package dynamo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// An entry is stored in the partition of its subject, as audit#<life>#<seq>. The index by-user has it
// in a partition of its own, " audit <user>". No list of keys shows it there, because no user's id
// begins with a space.
const trailSort = "audit#"

func trailUser(user string) string { return " audit " + user }

// storedEntry is an entry as it is stored. at is in milliseconds, ttl in seconds.
type storedEntry struct {
	PK    string `dynamodbav:"pk"`
	SK    string `dynamodbav:"sk"`
	User  string `dynamodbav:"userId"`
	Order string `dynamodbav:"createdKey"`
	Text  string `dynamodbav:"entry"`
	Sum   []byte `dynamodbav:"sum"`
	At    int64  `dynamodbav:"at"`
	TTL   int64  `dynamodbav:"ttl"`
}

func encodeEntry(s *audit.Sealed) (item, error) {
	return attributevalue.MarshalMap(storedEntry{
		PK: subjectPartition(s.Subject), SK: trailSort + s.Place.String(),
		User: trailUser(s.Owner), Order: registry.TrailPosition(*s),
		Text: s.Text, Sum: s.Sum, At: millis(s.At), TTL: s.Until.Unix(),
	})
}

// decodeEntry decodes an entry, which may have been altered since it was written. An item that the
// service cannot have written is an [audit.Break].
func decodeEntry(i item) (audit.Sealed, error) {
	var e storedEntry
	err := attributevalue.UnmarshalMap(i, &e)
	place, misplaced := audit.ParsePlace(strings.TrimPrefix(e.SK, trailSort))
	if err != nil || misplaced != nil {
		return audit.Sealed{}, &audit.Break{
			Subject: subjectOf(e.PK), Place: strings.TrimPrefix(e.SK, trailSort),
			Problem: "was never written so",
		}
	}
	owner, _ := strings.CutPrefix(e.User, trailUser(""))
	s := audit.Sealed{
		Place: place, Subject: subjectOf(e.PK), Owner: owner,
		At: moment(e.At), Until: time.Unix(e.TTL, 0).UTC(), Text: e.Text, Sum: e.Sum,
	}
	if e.User != trailUser(owner) || e.Order != registry.TrailPosition(s) {
		s.Owner = "" // the user's trail would have it elsewhere, or not at all
	}
	return s, nil
}

// decodeEntries decodes all entries, or returns the first error of decodeEntry.
func decodeEntries(items []item) (entries []audit.Sealed, err error) {
	for _, i := range items {
		s, err := decodeEntry(i)
		if err != nil {
			return nil, err
		}
		entries = append(entries, s)
	}
	return entries, nil
}

// writeEntry stores an entry. It needs no condition: the same transaction requires the revision of
// the key for which the entry was written, and then the place of the entry is free.
func (t *Table) writeEntry(s *audit.Sealed) (step, error) {
	encoded, err := encodeEntry(s)
	if err != nil {
		return step{}, fmt.Errorf("encode an entry: %w", err)
	}
	return step{types.TransactWriteItem{Put: &types.Put{
		TableName: &t.name, Item: encoded,
	}}, nil}, nil
}

// subjectPartition returns the partition of an audit subject: of a key if it is a key's id.
func subjectPartition(subject string) string {
	if strings.Contains(subject, "#") { // no id of a key has this character
		return subject
	}
	return keyPartition(subject)
}

// subjectOf returns the audit subject to which a partition belongs, also if no service wrote it.
func subjectOf(pk string) string {
	if id, ok := strings.CutPrefix(pk, keyPartition("")); ok && subjectPartition(id) == pk {
		return id
	}
	return pk
}

// leftSort begins the sort keys of the items that list, in the trail of the user who had a key before,
// the entry of the change by which it got another user. Such an item has no text: it stands for the
// entry, whose sort key begins with trailSort instead.
const leftSort = "left#"

// writeLeft lists an entry in the trail of a user who had the key before.
func (t *Table) writeLeft(s *audit.Sealed, user string) step {
	i := primaryKey(subjectPartition(s.Subject), leftSort+s.Place.String())
	i["userId"], i["createdKey"] = text(trailUser(user)), text(registry.TrailPosition(*s))
	i["ttl"] = number(s.Until.Unix())
	return step{types.TransactWriteItem{Put: &types.Put{TableName: &t.name, Item: i}}, nil}
}

// entryKey returns the primary key of the entry that an item of the index lists.
func entryKey(i item) item {
	if sk, ok := i["sk"].(*types.AttributeValueMemberS); ok {
		if place, left := strings.CutPrefix(sk.Value, leftSort); left {
			return item{"pk": i["pk"], "sk": text(trailSort + place)}
		}
	}
	return item{"pk": i["pk"], "sk": i["sk"]}
}

// Trail reads the entries of a subject, newest first.
func (t *Table) Trail(ctx context.Context, id string, since time.Time, from string, limit int) (
	[]audit.Sealed, string, error,
) {
	low, high := trailSort, trailSort+"~"
	if !since.IsZero() {
		low += audit.Place{Life: since}.String()
	}
	if from != "" {
		high = trailSort + from
	}
	if low > high {
		return nil, "", nil
	}
	items, err := t.newest(ctx, &dynamodb.QueryInput{
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("#pk = :pk AND #sk BETWEEN :low AND :high"),
		ExpressionAttributeNames:  map[string]string{"#pk": "pk", "#sk": "sk"},
		ExpressionAttributeValues: item{":pk": text(subjectPartition(id)), ":low": text(low), ":high": text(high)},
	}, limit)
	if err != nil {
		return nil, "", fmt.Errorf("query the trail of %s: %w", id, err)
	}
	entries, err := decodeEntries(items)
	if err != nil {
		return nil, "", err
	}
	if limit > 0 && len(entries) > limit {
		return entries[:limit], entries[limit].Place.String(), nil
	}
	return entries, "", nil
}

// UserTrail reads the places of the entries from the index, and then the entries.
func (t *Table) UserTrail(ctx context.Context, userID, from string, limit int) ([]audit.Sealed, string, error) {
	in := &dynamodb.QueryInput{
		IndexName:                 aws.String("by-user"),
		KeyConditionExpression:    aws.String("#user = :user"),
		ExpressionAttributeNames:  map[string]string{"#user": "userId"},
		ExpressionAttributeValues: item{":user": text(trailUser(userID))},
	}
	if from != "" {
		in.KeyConditionExpression = aws.String("#user = :user AND #created <= :from")
		in.ExpressionAttributeNames["#created"] = "createdKey"
		in.ExpressionAttributeValues[":from"] = text(from)
	}
	listed, err := t.newest(ctx, in, limit)
	if err != nil {
		return nil, "", fmt.Errorf("query a user's trail: %w", err)
	}
	next := ""
	if limit > 0 && len(listed) > limit {
		order, _ := listed[limit]["createdKey"].(*types.AttributeValueMemberS)
		listed, next = listed[:limit], order.Value
	}
	keys := make([]item, len(listed))
	for n, i := range listed {
		keys[n] = entryKey(i)
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, "", fmt.Errorf("get a user's trail: %w", err)
	}
	entries, err := decodeEntries(items)
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(entries, func(a, b audit.Sealed) int {
		return strings.Compare(registry.TrailPosition(b), registry.TrailPosition(a))
	})
	return entries, next, nil
}

// newest returns up to limit+1 items of a query, from its end, or all if limit is 0.
func (t *Table) newest(ctx context.Context, in *dynamodb.QueryInput, limit int) (items []item, err error) {
	in.TableName, in.ScanIndexForward = &t.name, aws.Bool(false)
	for {
		if limit > 0 {
			in.Limit = aws.Int32(int32(limit + 1 - len(items)))
		}
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return nil, err
		}
		items = append(items, out.Items...)
		if limit > 0 && len(items) > limit || len(out.LastEvaluatedKey) == 0 {
			return items, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Trails returns the audit subjects of all keys, users' records and plans, and of those that are
// gone and whose trail or witness is stored, sorted. It reads the whole table.
func (t *Table) Trails(ctx context.Context) ([]string, error) {
	ids := make(map[string]bool)
	in := &dynamodb.ScanInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#pk"),
		FilterExpression:         aws.String("#sk IN (:key, :user, :plan, :head) OR begins_with(#sk, :trail)"),
		ExpressionAttributeNames: map[string]string{"#pk": "pk", "#sk": "sk"},
		ExpressionAttributeValues: item{
			":key": text(keySort), ":user": text(userSort), ":plan": text(planSort), ":head": text(witnessSort),
			":trail": text(trailSort),
		},
	}
	for {
		out, err := t.client.Scan(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("scan for trails: %w", err)
		}
		for _, i := range out.Items {
			if pk, ok := i["pk"].(*types.AttributeValueMemberS); ok {
				ids[witnessSubject(subjectOf(pk.Value))] = true
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return slices.Sorted(maps.Keys(ids)), nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
