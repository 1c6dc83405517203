package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/registry"
)

// writeUser stores a new record of a user, or replaces the revision that was read.
func (t *Table) writeUser(r *registry.Replacement[apikey.User]) (step, error) {
	encoded, err := encodeUser(r.To)
	if err != nil {
		return step{}, err
	}
	if r.From == nil {
		return t.writePolicy(encoded, nil), nil
	}
	return t.writePolicy(encoded, &r.From.Rev), nil
}

// writePlan stores a new plan, or replaces the revision that was read.
func (t *Table) writePlan(r *registry.Replacement[apikey.Plan]) (step, error) {
	encoded, err := encodePlan(r.To)
	if err != nil {
		return step{}, err
	}
	if r.From == nil {
		return t.writePolicy(encoded, nil), nil
	}
	return t.writePolicy(encoded, &r.From.Rev), nil
}

// writePolicy stores a record. If rev is nil, none may be stored, or else one of this revision must
// be.
func (t *Table) writePolicy(encoded item, rev *int64) step {
	put := &types.Put{TableName: &t.name, Item: encoded}
	if rev == nil {
		put.ConditionExpression = aws.String("attribute_not_exists(#pk)")
		put.ExpressionAttributeNames = map[string]string{"#pk": "pk"}
	} else {
		put.ConditionExpression = aws.String("#rev = :rev")
		put.ExpressionAttributeNames = map[string]string{"#rev": "rev"}
		put.ExpressionAttributeValues = item{":rev": number(*rev)}
	}
	return step{types.TransactWriteItem{Put: put}, apikey.ErrConflict}
}

// checkPlan requires that a plan is as it was read.
func (t *Table) checkPlan(p *apikey.Plan) step {
	return step{types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &t.name, Key: primaryKey(planPartition(p.Name), planSort),
		ConditionExpression:       aws.String("#rev = :rev"),
		ExpressionAttributeNames:  map[string]string{"#rev": "rev"},
		ExpressionAttributeValues: item{":rev": number(p.Rev)},
	}}, apikey.ErrConflict}
}

// checkUser requires that the record of a user is as it was read, or that there is none if its
// revision is 0.
func (t *Table) checkUser(u *apikey.User) step {
	check := &types.ConditionCheck{
		TableName: &t.name, Key: primaryKey(userPartition(u.ID), userSort),
		ConditionExpression:      aws.String("attribute_not_exists(#rev)"),
		ExpressionAttributeNames: map[string]string{"#rev": "rev"},
	}
	if u.Rev != 0 {
		check.ConditionExpression, check.ExpressionAttributeValues = aws.String("#rev = :rev"), item{":rev": number(u.Rev)}
	}
	return step{types.TransactWriteItem{ConditionCheck: check}, apikey.ErrCallerChanged}
}

// UserText returns the stored text of a user's record.
func (t *Table) UserText(u *apikey.User) ([]byte, error) {
	i, err := encodeUser(u)
	if err != nil {
		return nil, err
	}
	return recordText(i), nil
}

// PlanText returns the stored text of a plan.
func (t *Table) PlanText(p *apikey.Plan) ([]byte, error) {
	i, err := encodePlan(p)
	if err != nil {
		return nil, err
	}
	return recordText(i), nil
}

// StoredPolicy reads the record of a user or of a plan with the text that its seal covers.
func (t *Table) StoredPolicy(ctx context.Context, subject string) (audit.Subject, error) {
	key := primaryKey(subject, userSort)
	_, isPlan := apikey.SubjectPlan(subject)
	if isPlan {
		key = primaryKey(subject, planSort)
	}
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, ConsistentRead: aws.Bool(true), Key: key})
	if err != nil {
		return audit.Subject{}, fmt.Errorf("get %s: %w", subject, err)
	}
	if out.Item == nil {
		return audit.Subject{}, apikey.ErrNotFound
	}
	unreadable := &audit.Break{Subject: subject, Place: "-", Problem: "has a record that cannot be read"}
	if isPlan {
		p, err := decodePlan(out.Item)
		if err != nil {
			return audit.Subject{}, unreadable
		}
		return p.AuditSubject(recordText(out.Item)), nil
	}
	u, err := decodeUser(out.Item)
	if err != nil {
		return audit.Subject{}, unreadable
	}
	return u.AuditSubject(recordText(out.Item)), nil
}
