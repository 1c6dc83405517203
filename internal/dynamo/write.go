package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// step is one item of a transaction. failed is the error if the condition of the item does not
// hold. If failed is nil, the transaction is then repeated without the item.
type step struct {
	write  types.TransactWriteItem
	failed error
}

// Write makes changes in one transaction, after it has fenced the keys that it changes. It writes the
// keys, their aliases, the audit entries, the witnesses, the users' counts, and the replies to
// idempotent requests. A new imported key takes at most five of the hundred writes of a transaction.
func (t *Table) Write(ctx context.Context, changes ...registry.Write) error {
	var steps []step
	for _, w := range changes {
		if w.User == nil && w.Plan == nil && w.Delete != (w.To == nil) {
			return errors.New("a write has neither a key to store nor a deletion, or it has both")
		}
		if w.Caller != nil && (w.From == nil || w.From.ID != w.Caller.ID) {
			steps = append(steps, t.checkCaller(w.Caller))
		}
		for _, u := range w.Users {
			steps = append(steps, t.checkUser(u))
		}
		if w.Reply != nil {
			reply, err := t.writeReply(w.Reply)
			if err != nil {
				return err
			}
			steps = append(steps, reply)
		}
		for _, p := range w.Plans {
			steps = append(steps, t.checkPlan(p))
		}
		subject, err := t.writeSubject(w)
		if err != nil {
			return err
		}
		steps = append(steps, subject...)
		if w.Former != nil {
			steps = append(steps, t.writeFormer(w.From.ID, *w.Former))
		}
		if w.Entry != nil {
			entry, err := t.writeEntry(w.Entry)
			if err != nil {
				return err
			}
			steps = append(steps, entry)
			if user := w.FormerOwner(); user != "" {
				steps = append(steps, t.writeLeft(w.Entry, user))
			}
		}
		if w.Witness != nil {
			witness, err := t.writeWitness(w)
			if err != nil {
				return err
			}
			steps = append(steps, witness)
		}
	}
	if err := t.fence(ctx, changes); err != nil {
		return err
	}
	for _, w := range changes {
		if err := until(ctx, w.After); err != nil {
			return err
		}
	}
	t.tidyPlaces(ctx, changes)
	if err := t.commit(ctx, described(changes), append(steps, t.writePlaces(changes)...)); err != nil {
		return err
	}
	for _, w := range changes {
		if w.From != nil && w.To != nil {
			w.To.Rev = w.From.Rev + 1
		}
	}
	return nil
}

// commit makes the steps of a change in one transaction, which is repeated without those whose condition
// need not hold. It returns the error of the first other step whose condition does not hold.
func (t *Table) commit(ctx context.Context, of string, steps []step) error {
	for again := true; again; {
		writes := make([]types.TransactWriteItem, len(steps))
		for i, s := range steps {
			writes[i] = s.write
		}
		failed, err := t.transact(ctx, writes)
		if err != nil {
			return fmt.Errorf("write %s: %w", of, err)
		}
		for _, i := range failed {
			if err := steps[i].failed; err != nil {
				return err // the error of the first write comes first
			}
		}
		for _, i := range slices.Backward(failed) {
			steps = slices.Delete(steps, i, i+1)
		}
		again = len(failed) > 0
	}
	return nil
}

// until waits until a channel is closed, unless it is nil.
func until(ctx context.Context, closed <-chan struct{}) error {
	if closed == nil {
		return nil
	}
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeSubject stores the key, the user's record or the plan of a change.
func (t *Table) writeSubject(w registry.Write) ([]step, error) {
	var one step
	var err error
	switch {
	case w.User != nil:
		one, err = t.writeUser(w.User)
	case w.Plan != nil:
		one, err = t.writePlan(w.Plan)
	default:
		one, err = t.writeKey(w)
	}
	if err != nil {
		return nil, err
	}
	return append([]step{one}, t.writeAliases(w)...), nil
}

// described names the changed keys in an error.
func described(changes []registry.Write) string {
	switch {
	case len(changes) != 1:
		return fmt.Sprintf("%d keys", len(changes))
	case changes[0].User != nil:
		return "the record of a user"
	case changes[0].Plan != nil:
		return "plan " + changes[0].Plan.To.Name
	case changes[0].Delete:
		return "key " + changes[0].From.ID
	}
	return "key " + changes[0].To.ID
}

// unchanged returns the condition that a stored key has the revision of k and is not another key,
// which was created with the same id after k was deleted.
func unchanged(k *apikey.Key) (condition string, names map[string]string, values item) {
	condition, names, values = "#rev = :rev", map[string]string{"#rev": "rev"}, item{":rev": number(k.Rev)}
	if !k.CreatedAt.IsZero() { // otherwise the record was altered, and must still be revocable
		condition += " AND #created = :created"
		names["#created"], values[":created"] = "createdAt", number(millis(k.CreatedAt))
	}
	return condition, names, values
}

// notRevoked returns the condition of unchanged, and that the key is not revoked.
func notRevoked(k *apikey.Key) (condition string, names map[string]string, values item) {
	condition, names, values = unchanged(k)
	names["#revoked"] = "revokedAt"
	return condition + " AND attribute_not_exists(#revoked)", names, values
}

// checkCaller requires that the caller's key is as it was read. It comes first: a caller whose key
// has changed must be judged again before any other error is returned.
func (t *Table) checkCaller(k *apikey.Key) step {
	condition, names, values := notRevoked(k)
	return step{types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &t.name, Key: primaryKey(keyPartition(k.ID), keySort),
		ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}, apikey.ErrCallerChanged}
}

// writeKey stores a new key, or replaces or deletes the revision that was read. It never replaces a
// revoked key.
func (t *Table) writeKey(w registry.Write) (step, error) {
	if w.Delete {
		condition, names, values := unchanged(w.From)
		return step{types.TransactWriteItem{Delete: &types.Delete{
			TableName: &t.name, Key: primaryKey(keyPartition(w.From.ID), keySort),
			ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		}}, apikey.ErrConflict}, nil
	}
	put := &types.Put{TableName: &t.name}
	rev := w.To.Rev
	if w.From == nil {
		// A key whose retention is over counts as deleted. DynamoDB deletes it later.
		put.ConditionExpression = aws.String("attribute_not_exists(pk) OR #ttl <= :now")
		put.ExpressionAttributeNames = map[string]string{"#ttl": "ttl"}
		put.ExpressionAttributeValues = item{":now": number(w.At.Unix())}
	} else {
		rev = w.From.Rev + 1
		condition, names, values := notRevoked(w.From)
		put.ConditionExpression, put.ExpressionAttributeNames, put.ExpressionAttributeValues = &condition, names, values
	}
	var err error
	put.Item, err = encodeKey(w.To, rev)
	return step{types.TransactWriteItem{Put: put}, apikey.ErrConflict}, err
}

// writeAliases stores aliases that are new or have another end, and deletes those that To does not
// have. An alias that had ended may belong to another key by now, and then it stays.
func (t *Table) writeAliases(w registry.Write) (steps []step) {
	before, after := make(map[string]time.Time), make(map[string]time.Time)
	if w.From != nil {
		for _, a := range w.From.Aliases() {
			before[a.Name] = a.Until
		}
	}
	if w.To != nil {
		for _, a := range w.To.Aliases() {
			after[a.Name] = a.Until
		}
	}
	for alias, until := range after {
		if was, there := before[alias]; there && was.Equal(until) {
			continue
		}
		i := primaryKey(aliasPartition(alias), aliasSort)
		i["keyId"] = text(w.To.ID)
		if !until.IsZero() {
			i["ttl"] = number(until.Unix())
		}
		steps = append(steps, step{types.TransactWriteItem{Put: &types.Put{
			TableName: &t.name, Item: i,
			ConditionExpression:      aws.String("attribute_not_exists(#pk) OR #id IN (:id, :released) OR #ttl <= :now"),
			ExpressionAttributeNames: map[string]string{"#pk": "pk", "#id": "keyId", "#ttl": "ttl"},
			ExpressionAttributeValues: item{
				":id": text(w.To.ID), ":released": text(cmp.Or(w.Released, w.To.ID)), ":now": number(w.At.Unix()),
			},
		}}, apikey.ErrConflict})
	}
	for alias := range before {
		if _, stays := after[alias]; !stays {
			steps = append(steps, step{types.TransactWriteItem{Delete: &types.Delete{
				TableName: &t.name, Key: primaryKey(aliasPartition(alias), aliasSort),
				ConditionExpression:       aws.String("attribute_not_exists(#pk) OR #id = :id"),
				ExpressionAttributeNames:  map[string]string{"#pk": "pk", "#id": "keyId"},
				ExpressionAttributeValues: item{":id": text(w.From.ID)},
			}}, nil})
		}
	}
	return steps
}
