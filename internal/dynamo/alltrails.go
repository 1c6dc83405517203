package dynamo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// AllTrails reads the places of all entries from the index. An entry of a key that got another user is
// there twice.
func (t *Table) AllTrails(ctx context.Context, most int) ([]registry.TrailPlace, error) {
	in := &dynamodb.ScanInput{
		TableName: &t.name, IndexName: aws.String("by-user"),
		ProjectionExpression:      aws.String("#pk, #sk, #created"),
		FilterExpression:          aws.String("begins_with(#sk, :trail) OR begins_with(#sk, :left)"),
		ExpressionAttributeNames:  map[string]string{"#pk": "pk", "#sk": "sk", "#created": "createdKey"},
		ExpressionAttributeValues: item{":trail": text(trailSort), ":left": text(leftSort)},
	}
	var places []registry.TrailPlace
	met := make(map[registry.TrailPlace]bool)
	for scanned := 0; ; {
		out, err := t.client.Scan(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("scan all trails: %w", err)
		}
		for _, i := range out.Items {
			p, err := trailPlaceOf(i)
			if err != nil {
				return nil, err
			}
			if !met[p] {
				places, met[p] = append(places, p), true
			}
		}
		if scanned += int(out.ScannedCount); len(places) > most || scanned > scannedForEach*most {
			return nil, registry.ErrTooMany
		}
		if len(out.LastEvaluatedKey) == 0 {
			return places, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// trailPlaceOf returns the place of the entry that an item of the index lists. An item that the service
// cannot have written is an [audit.Break].
func trailPlaceOf(i item) (registry.TrailPlace, error) {
	var pk, sk, order string
	for name, to := range map[string]*string{"pk": &pk, "sk": &sk, "createdKey": &order} {
		if value, ok := i[name].(*types.AttributeValueMemberS); ok {
			*to = value.Value
		}
	}
	_, at, _ := strings.Cut(sk, "#")
	place, err := audit.ParsePlace(at)
	if err != nil {
		return registry.TrailPlace{}, &audit.Break{Subject: subjectOf(pk), Place: at, Problem: "was never written so"}
	}
	return registry.TrailPlace{Position: order, Subject: subjectOf(pk), Place: place}, nil
}

// Entries reads entries at places.
func (t *Table) Entries(ctx context.Context, places []registry.TrailPlace) ([]audit.Sealed, error) {
	keys := make([]item, len(places))
	for n, p := range places {
		keys[n] = primaryKey(subjectPartition(p.Subject), trailSort+p.Place.String())
	}
	items, err := t.batch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("get entries: %w", err)
	}
	return decodeEntries(items)
}
