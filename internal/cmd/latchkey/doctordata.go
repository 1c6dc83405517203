package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"latchkey/internal/config"
	"latchkey/internal/local/sam"
)

// checkTableSettings checks what the template sets for a table. A table that was restored lacks some
// of it.
func (r *report) checkTableSettings(ctx context.Context, client *dynamodb.Client, table string) {
	at := "aws dynamodb describe-table --table-name " + table
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		r.failOrSkip("settings of the table", err, at)
		return
	}
	d := out.Table
	if d.TableStatus != types.TableStatusActive {
		r.fail("settings of the table", "it is "+string(d.TableStatus), at)
		return
	}
	r.checkIndex(d, at)
	if !aws.ToBool(d.DeletionProtectionEnabled) {
		r.warn("deletion protection", "anybody who may delete the table can do so by mistake",
			"aws dynamodb update-table --deletion-protection-enabled --table-name "+table)
	} else {
		r.ok("deletion protection", "the table is protected")
	}
	if billing := d.BillingModeSummary; billing == nil || billing.BillingMode != types.BillingModePayPerRequest {
		r.warn("billing", "the table has a fixed capacity, above which callers get 503",
			"aws dynamodb update-table --billing-mode PAY_PER_REQUEST --table-name "+table)
	} else {
		r.ok("billing", "the table is paid by the request, and grows by itself")
	}
	r.checkTTL(ctx, client, table)
	r.checkBackups(ctx, client, table)
}

// checkIndex compares the index with the template's.
func (r *report) checkIndex(d *types.TableDescription, next string) {
	template, err := sam.Own(nil)
	if err != nil {
		r.skip("index", err.Error())
		return
	}
	for _, want := range template.Table.GlobalSecondaryIndexes {
		i := slices.IndexFunc(d.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool {
			return aws.ToString(g.IndexName) == want.IndexName
		})
		if i < 0 {
			r.fail("index", "the table has no index "+want.IndexName+": users' keys cannot be listed", next)
			continue
		}
		index := d.GlobalSecondaryIndexes[i]
		if index.IndexStatus != types.IndexStatusActive && index.IndexStatus != "" {
			r.warn("index", want.IndexName+" is "+string(index.IndexStatus), next)
			continue
		}
		var have []string
		if index.Projection != nil {
			have = index.Projection.NonKeyAttributes
		}
		missing := slices.DeleteFunc(slices.Clone(want.Projection.NonKeyAttributes), func(a string) bool {
			return slices.Contains(have, a)
		})
		if len(missing) > 0 {
			r.fail("index", want.IndexName+" lacks "+strings.Join(missing, ", ")+": lists show less", next)
			continue
		}
		r.ok("index", want.IndexName+" has all attributes that lists show")
	}
}

func (r *report) checkTTL(ctx context.Context, client *dynamodb.Client, table string) {
	out, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		r.failOrSkip("expiry", err, "")
		return
	}
	d := out.TimeToLiveDescription
	if d == nil || d.TimeToLiveStatus != types.TimeToLiveStatusEnabled || aws.ToString(d.AttributeName) != "ttl" {
		r.fail("expiry", "the table deletes nothing by the attribute ttl, so it grows for ever; a restored table has no TTL",
			"aws dynamodb update-time-to-live --time-to-live-specification Enabled=true,AttributeName=ttl --table-name "+table)
		return
	}
	r.ok("expiry", "the table deletes items by the attribute ttl")
}

func (r *report) checkBackups(ctx context.Context, client *dynamodb.Client, table string) {
	out, err := client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
	if err != nil {
		r.failOrSkip("backups", err, "")
		return
	}
	d := out.ContinuousBackupsDescription
	if d == nil || d.PointInTimeRecoveryDescription == nil ||
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled {
		r.fail("backups", "the table cannot be restored to a point in time; a restored table has this off",
			"aws dynamodb update-continuous-backups --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true "+
				"--table-name "+table)
		return
	}
	r.ok("backups", "the table can be restored to a point in time")
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
