package dynamo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// The attributes of a user's count item are:
//
//   - n: how many places are taken
//   - at: when the newest key was created, or when a key came or left, in milliseconds
//   - c: how often the item was changed
//   - e<second in base 36>: how many of the n places become free at that second
//
// Items of earlier versions have neither c nor e.
const placeEnds = "e"

// delta is a change of one count item.
type delta struct {
	update *types.Update
	n      int64
	ends   map[string]int64
}

// writePlaces counts the keys that users get. A revoked or deleted key counts until its place is
// free. A key that was revoked earlier is not counted again.
func (t *Table) writePlaces(changes []registry.Write) (steps []step) {
	byUser := make(map[string]*delta)
	for _, w := range changes {
		for _, taken := range w.Takes() {
			d := byUser[taken.UserID]
			if d == nil {
				d = &delta{ends: make(map[string]int64), update: &types.Update{
					TableName: &t.name, Key: primaryKey(userPartition(taken.UserID), countSort),
					ExpressionAttributeNames:  map[string]string{"#n": "n", "#c": "c"},
					ExpressionAttributeValues: item{":once": number(1)},
				}}
				byUser[taken.UserID] = d
				steps = append(steps, step{types.TransactWriteItem{Update: d.update}, apikey.ErrTooManyKeys})
			}
			d.take(taken, w.Most)
		}
	}
	for _, d := range byUser {
		d.express()
	}
	return steps
}

// take adds one change of places. A user who gets a key may then take at most most places, or any
// number if most is 0.
func (d *delta) take(taken registry.Taken, most int) {
	if taken.Until.IsZero() {
		d.n += taken.By
	} else {
		d.ends[placeEnd(taken.Until)]++
	}
	if !taken.At.IsZero() {
		d.update.ExpressionAttributeNames["#at"] = "at"
		d.update.ExpressionAttributeValues[":at"] = number(taken.At.UnixMilli())
	}
	if most > 0 && taken.By > 0 {
		d.update.ConditionExpression = aws.String("attribute_not_exists(#n) OR #n < :most")
		d.update.ExpressionAttributeValues[":most"] = number(int64(most))
	}
}

// express writes the update's expression.
func (d *delta) express() {
	expression := "ADD #n :by, #c :once"
	for i, end := range slices.Sorted(maps.Keys(d.ends)) {
		expression += fmt.Sprintf(", #e%[1]d :e%[1]d", i)
		d.update.ExpressionAttributeNames["#e"+strconv.Itoa(i)] = end
		d.update.ExpressionAttributeValues[":e"+strconv.Itoa(i)] = number(d.ends[end])
	}
	if d.update.ExpressionAttributeValues[":at"] != nil {
		expression = "SET #at = :at " + expression
	}
	d.update.UpdateExpression, d.update.ExpressionAttributeValues[":by"] = &expression, number(d.n)
}

func placeEnd(at time.Time) string {
	return placeEnds + strconv.FormatInt(at.Add(time.Second-1).Unix(), 36)
}

// places is a count item.
type places struct {
	n, at, changes int64
	over           []string // attributes of ends that have come
	free           int64    // how many places these free
	left           []registry.PlaceEnd
	pending        int64 // how many places are in left
}

// Places reads a user's count item. Places whose end has come are free.
func (t *Table) Places(ctx context.Context, userID string, now time.Time) (registry.Places, error) {
	p, err := t.readPlaces(ctx, primaryKey(userPartition(userID), countSort), now)
	return registry.Places{Taken: int(p.n - p.free), Ends: p.left}, err
}

// readPlaces reads a user's count item. If there is none, no place is taken.
func (t *Table) readPlaces(ctx context.Context, key item, now time.Time) (p places, err error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, ConsistentRead: aws.Bool(true), Key: key})
	if err != nil {
		return p, fmt.Errorf("get key count: %w", err)
	}
	for name, value := range out.Item {
		second, isEnd := strings.CutPrefix(name, placeEnds)
		field := map[string]*int64{"n": &p.n, "at": &p.at, "c": &p.changes}[name]
		if field == nil && !isEnd {
			continue
		}
		n, err := integer(value)
		if err != nil {
			return p, fmt.Errorf("key count: %s: %w", name, err)
		}
		if field != nil {
			*field = n
			continue
		}
		end, err := strconv.ParseInt(second, 36, 64)
		if err != nil {
			return p, fmt.Errorf("key count: %s: %w", name, err)
		}
		if at := time.Unix(end, 0); now.Before(at) {
			p.left = append(p.left, registry.PlaceEnd{At: at, Count: int(n)})
			p.pending += n
		} else {
			p.over = append(p.over, name)
			p.free += n
		}
	}
	return p, nil
}

// rewritePlaces stores the number of taken places and removes the ends that have come, unless the
// item was changed since p was read.
func (t *Table) rewritePlaces(ctx context.Context, key item, p places, taken int64) error {
	names := map[string]string{"#n": "n", "#c": "c"}
	values := item{":taken": number(taken), ":n": number(p.n), ":once": number(1)}
	update, condition := "SET #n = :taken ADD #c :once", "#n = :n AND attribute_not_exists(#c)"
	if p.changes != 0 {
		condition, values[":c"] = "#n = :n AND #c = :c", number(p.changes)
	}
	if p.at != 0 { // an instance of an earlier version counts without c
		names["#at"], values[":at"] = "at", number(p.at)
		condition += " AND #at = :at"
	}
	for i, end := range p.over {
		name := "#e" + strconv.Itoa(i)
		names[name] = end
		update += map[bool]string{true: " REMOVE ", false: ", "}[i == 0] + name
	}
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: key, UpdateExpression: &update, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	return err
}

// manyEnds is how many ends that have come may wait in a count item for a create that needs the
// room.
const manyEnds = 16

// tidyPlaces keeps the count items small of users who end keys without creating new ones. A failure
// is ignored, because the next change tries again.
func (t *Table) tidyPlaces(ctx context.Context, changes []registry.Write) {
	done := make(map[string]bool)
	for _, w := range changes {
		for _, taken := range w.Takes() {
			if taken.Until.IsZero() || !w.Tidy || done[taken.UserID] {
				continue
			}
			done[taken.UserID] = true
			key := primaryKey(userPartition(taken.UserID), countSort)
			if p, err := t.readPlaces(ctx, key, w.At); err == nil && len(p.over) >= manyEnds {
				_ = t.rewritePlaces(ctx, key, p, p.n-p.free)
			}
		}
	}
}

// settled is how long after a user got or lost a key the index is trusted to have all keys. It lags
// by moments.
const settled = time.Minute

// recounts bounds how often a recount starts over because another one runs at the same time.
const recounts = 5

// Recount frees the places whose end has come, and those of keys that DynamoDB has deleted by their
// ttl.
func (t *Table) Recount(ctx context.Context, userID string, now time.Time) (registry.Places, error) {
	key := primaryKey(userPartition(userID), countSort)
	for try := 1; ; try++ {
		p, err := t.readPlaces(ctx, key, now)
		if err != nil {
			return registry.Places{}, err
		}
		taken := p.n - p.free
		if now.Sub(time.UnixMilli(p.at)) >= settled {
			live, err := t.live(ctx, userID, now)
			if err != nil {
				return registry.Places{}, err
			}
			taken = live + p.pending
		}
		if taken == p.n && len(p.over) == 0 {
			return registry.Places{Taken: int(taken), Ends: p.left}, nil
		}
		err = t.rewritePlaces(ctx, key, p, taken)
		var changed *types.ConditionalCheckFailedException
		switch {
		case errors.As(err, &changed) && try < recounts:
			continue // another instance is counting
		case errors.As(err, &changed):
			return registry.Places{Taken: int(p.n), Ends: p.left}, nil
		case err != nil:
			return registry.Places{}, fmt.Errorf("recount keys: %w", err)
		}
		return registry.Places{Taken: int(taken), Ends: p.left}, nil
	}
}

// live counts a user's keys that are not revoked, in the index.
func (t *Table) live(ctx context.Context, userID string, now time.Time) (int64, error) {
	const page = 1000
	live := int64(0)
	for after := (registry.Position{}); ; {
		keys, err := t.List(ctx, userID, after, page)
		if err != nil {
			return 0, err
		}
		for _, k := range keys {
			if k.RevokedAt.IsZero() && !k.Gone(now) {
				live++
			}
			after = position(k)
		}
		if len(keys) < page {
			return live, nil
		}
	}
}
