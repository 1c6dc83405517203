package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"latchkey/internal/config"
	"latchkey/internal/dynamo"
	"latchkey/internal/local/sam"
)

// checkTableSettings checks what the template sets for a table. A table that was restored lacks some
// of it.
func (r *report) checkTableSettings(ctx context.Context, t *dynamo.Table, table string) {
	at := "aws dynamodb describe-table --table-name " + table
	set, err := t.Settings(ctx)
	if err != nil {
		r.failOrSkip("settings of the table", err, at)
		return
	}
	if set.Status != active {
		r.fail("settings of the table", "it is "+set.Status, at)
		return
	}
	r.checkIndexes(set.Indexes, at)
	r.hold("deletion protection", set.Protected, doctorWarn, "the table is protected",
		"anybody who may delete the table can do so by mistake",
		"aws dynamodb update-table --deletion-protection-enabled --table-name "+table)
	r.hold("billing", set.OnDemand, doctorWarn, "the table is paid by the request, and grows by itself",
		"the table has a fixed capacity, above which callers get 503",
		"aws dynamodb update-table --billing-mode PAY_PER_REQUEST --table-name "+table)
	expires, err := t.Expires(ctx)
	if err != nil {
		r.failOrSkip("expiry", err, "")
	} else {
		r.hold("expiry", expires, doctorFail, "the table deletes items by the attribute ttl",
			"the table deletes nothing by the attribute ttl, so it grows for ever; a restored table has no TTL",
			"aws dynamodb update-time-to-live --time-to-live-specification Enabled=true,AttributeName=ttl --table-name "+table)
	}
	recoverable, err := t.Recoverable(ctx)
	if err != nil {
		r.failOrSkip("backups", err, "")
		return
	}
	r.hold("backups", recoverable, doctorFail, "the table can be restored to a point in time",
		"the table cannot be restored to a point in time; a restored table has this off",
		"aws dynamodb update-continuous-backups --point-in-time-recovery-specification "+
			"PointInTimeRecoveryEnabled=true --table-name "+table)
}

// active is the status of a table or an index that works.
const active = "ACTIVE"

// hold adds ok if a condition holds, and otherwise the verdict with the next command.
func (r *report) hold(check string, holds bool, verdict, good, bad, next string) {
	if holds {
		r.ok(check, good)
		return
	}
	r.add(check, verdict, bad, next)
}

// checkIndexes compares the indexes with the template's.
func (r *report) checkIndexes(have map[string]dynamo.IndexState, next string) {
	template, err := sam.Own(nil)
	if err != nil {
		r.skip("index", err.Error())
		return
	}
	for _, want := range template.Table.GlobalSecondaryIndexes {
		index, found := have[want.IndexName]
		missing := slices.DeleteFunc(slices.Clone(want.Projection.NonKeyAttributes), func(a string) bool {
			return slices.Contains(index.Attributes, a)
		})
		switch {
		case !found:
			r.fail("index", "the table has no index "+want.IndexName+": users' keys cannot be listed", next)
		case index.Status != active && index.Status != "":
			r.warn("index", want.IndexName+" is "+index.Status, next)
		case len(missing) > 0:
			r.fail("index", want.IndexName+" lacks "+strings.Join(missing, ", ")+": lists show less", next)
		default:
			r.ok("index", want.IndexName+" has all attributes that lists show")
		}
	}
}

// checkSecretState checks whether the secret will be deleted, and counts its peppers.
func (r *report) checkSecretState(ctx context.Context, in account, c config.Config) {
	arn := c.SecretARN
	loaded, err := in.load(ctx)
	if err != nil {
		r.skip("deletion of the secret", err.Error())
		return
	}
	client := secretsmanager.NewFromConfig(loaded)
	out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn})
	switch {
	case err != nil:
		r.failOrSkip("deletion of the secret", err, "")
	case out.DeletedDate != nil:
		r.fail("deletion of the secret", "the secret is deleted for good on "+out.DeletedDate.Format("2006-01-02")+
			", and then no key can be checked", "aws secretsmanager restore-secret --secret-id "+arn)
	default:
		r.ok("deletion of the secret", "no date is set")
	}
	held, err := readDeployed(ctx, c, client)
	if err != nil {
		return // the line before has told of it
	}
	if _, hasher, err := held.parse(held.text); err == nil {
		names := hasher.PepperNames()
		r.ok("peppers", fmt.Sprintf("%s, the newest is %s", plural(len(names), "pepper", "peppers"), names[0]))
	}
}
