package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"latchkey/internal/amazon"
	"latchkey/internal/dynamo/dynamotest"
)

// lendBare returns the variables with which the command line takes an engine without a table for
// DynamoDB.
func lendBare(t *testing.T, table string) []string {
	t.Helper()
	endpoint, giveBack := dynamotest.Lend(t, table)
	client := dynamodb.NewFromConfig(amazon.Local(), func(o *dynamodb.Options) {
		o.BaseEndpoint = aws.String(endpoint)
		o.DisableValidateResponseChecksum = true // DynamoDB Local's checksums of error answers are wrong
	})
	t.Cleanup(func() {
		// The test's own context has ended when this runs.
		_, _ = client.UpdateTable(context.Background(), &dynamodb.UpdateTableInput{ // there may be no table
			TableName: &table, DeletionProtectionEnabled: aws.Bool(false),
		})
		giveBack()
	})
	return []string{
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_DYNAMODB=" + endpoint, "TABLE_NAME=" + table,
	}
}

// Without a stack, a secret in a file and a table are all that a server needs. Other commands find both
// as the server does.
func TestAServerWithoutAStack(t *testing.T) {
	variables := lendBare(t, "plain")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.json")
	variables = append(variables, "LATCHKEY_SECRET_FILE="+secret, "FENCE=trust", "FRESHNESS=0")

	asked{args: "init --from-env", code: 1, talk: "read the secret: "}.run(t, variables...)
	asked{args: "secret new --file " + secret}.run(t)
	first, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	asked{args: "secret new --file " + secret, code: 1, talk: "exists"}.run(t)
	asked{args: "table create", talk: "Made the table plain in eu-west-1"}.run(t, variables...)
	asked{args: "table create", talk: "exists, and it is complete"}.run(t, variables...)
	root := strings.TrimSpace(asked{args: "init --from-env", talk: "The admin key"}.run(t, variables...))

	s := serveAs(t, dir, variables...)
	s.root = root
	_, token := s.create(t, `{"userId":"u1"}`)
	if a := s.whoami(t, token); a.status != 200 {
		t.Fatalf("a key that the admin key made: %d %s", a.status, a.text)
	}
	asked{args: "secret add-pepper --from-env", talk: "Send SIGHUP to each latchkey serve"}.run(t, variables...)
	if now, err := os.ReadFile(secret); err != nil || string(now) == string(first) {
		t.Fatalf("the secret is still %d bytes, %v", len(now), err)
	}
	if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	asked{args: "secret show --from-env", out: "peppers\t"}.run(t, variables...)
	asked{args: "audit verify --from-env", out: "2 entries of 2 keys, all as written"}.run(t, variables...)
	dump := filepath.Join(dir, "dump.jsonl")
	asked{args: "table dump --from-env --file " + dump, talk: "Dumped "}.run(t, variables...)
	asked{args: "table load --from-env --file " + dump, talk: "Loaded "}.run(t, variables...)
	for begun := time.Now(); s.whoami(t, token).status != 200; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("after a new pepper, the key is refused\n%s", s.log)
		}
	}
}

// What the variables lack or contradict is a mistake that says what to do.
func TestTheVariablesOfAServerWithoutAStack(t *testing.T) {
	dir := t.TempDir()
	empty, good := filepath.Join(dir, "empty"), filepath.Join(dir, "good")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked{args: "secret new --file " + good}.run(t)
	account := []string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}
	for _, c := range []struct {
		asked
		variables []string
	}{
		{asked{args: "init --from-env", code: 2, talk: "TABLE_NAME"}, []string{"LATCHKEY_SECRET_FILE=" + good}},
		{asked{args: "init --from-env", code: 2, talk: "one of SECRET_ARN"}, []string{"TABLE_NAME=t"}},
		{asked{args: "init --from-env", code: 1, talk: "is empty: latchkey secret new"}, []string{"TABLE_NAME=t", "LATCHKEY_SECRET_FILE=" + empty}},
		{asked{args: "init --from-env", code: 1, talk: "read the secret: "}, []string{"TABLE_NAME=t", "LATCHKEY_SECRET_FILE=" + dir}},
		{asked{args: "init --from-env", code: 2, talk: "exclude each other"}, []string{"TABLE_NAME=t", "LATCHKEY_SECRET_FILE=" + good, "SECRET_ARN=x"}},
		{asked{args: "serve", code: 2, talk: "exclude each other"}, []string{"TABLE_NAME=t", "PORT=0", "LATCHKEY_SECRET_FILE=" + good, "SECRET_ARN=x"}},
		{asked{args: "serve", code: 2, talk: "exclude each other"}, []string{"STATE=" + dir, "PORT=0", "LATCHKEY_SECRET_FILE=" + good}},
		{asked{args: "init --from-env --stack s", code: 2, talk: "exclude each other"}, nil},
		{asked{args: "init --from-env --state s", code: 2, talk: "exclude each other"}, nil},
		{asked{args: "init --region eu-west-1", code: 2, talk: "need --stack or --from-env"}, nil},
		{asked{args: "secret add-pepper --from-env", code: 2, talk: "keep it in a file"}, []string{"TABLE_NAME=t", `LATCHKEY_SECRET={"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`}},
		{asked{args: "secret new", code: 2, talk: "--file is missing"}, nil},
		{asked{args: "secret new --file " + filepath.Join(dir, "none", "s"), code: 1, talk: "write the secret: "}, nil},
		{asked{args: "table create", code: 2, talk: "TABLE_NAME must name"}, nil},
		{asked{args: "table create", code: 2, talk: "not an ARN"}, []string{"TABLE_NAME=arn:aws:dynamodb:eu-west-1:123456789012:table/t"}},
		{asked{args: "table create", code: 1, talk: "--region"}, []string{"TABLE_NAME=t", "AWS_REGION=", "AWS_DEFAULT_REGION=", "AWS_CONFIG_FILE=" + os.DevNull}},
	} {
		c.run(t, append(account, c.variables...)...)
	}
	info, err := os.Stat(good)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the secret: %v, %v", info.Mode(), err)
	}
}
