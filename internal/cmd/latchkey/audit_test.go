package main

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// What was done through the API and on the command line is there for whoever may
// read it, and what was done to that is found.
func TestTrailsAreVerified(t *testing.T) {
	s := start(t, t.TempDir())
	id, token := s.create(t, `{"userId":"u1"}`)
	other, _ := s.create(t, `{"userId":"u2"}`)
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", "/api/v1/api-keys/" + id, `{"name":"x"}`}, {"POST", "/api/v1/api-keys/" + id + "/rotate", `{}`},
		{"POST", "/api/v1/api-keys/" + other + "/revoke", ""}, {"DELETE", "/api/v1/api-keys/" + other, ""},
	} {
		if a := s.send(t, c.method, c.path, c.body, s.admin()); a.status >= 300 {
			t.Fatalf("%s %s: %d %s", c.method, c.path, a.status, a.text)
		}
	}
	if code, out, talk := cli(t, "customer-7:an-old-key-of-theirs\n", nil, "import", "-", "--state", s.state); code != 0 {
		t.Fatal(out, talk)
	}
	a := s.send(t, "GET", "/api/v1/api-keys/"+id+"/audit", "", s.admin())
	entry, _ := a.json["data"].([]any)[0].(map[string]any)
	if a.status != 200 || entry["action"] != "rotate" || entry["sourceIp"] != "127.0.0.1" || entry["requestId"] == nil || strings.Contains(a.text, token) {
		t.Errorf("GET audit: %d %s", a.status, a.text)
	}
	verify := func(code int, out string, args ...string) {
		t.Helper()
		gotCode, gotOut, talk := cli(t, "", nil, append([]string{"audit", "verify", "--state", s.state}, args...)...)
		if gotCode != code || gotOut != out || (talk == "") != (code == 0) {
			t.Errorf("audit verify %v: exit code %d\n%s%s", args, gotCode, gotOut, talk)
		}
	}
	verify(0, "8 entries of 4 keys, all as written\n") // the root key's is one, and the imported key's
	verify(0, "3 entries of 1 key, all as written\n", "--key", id)
	verify(0, "3 entries of 1 key, all as written\n", "--user", "u2")
	verify(0, "0 entries of 0 keys, all as written\n", "--user", "nobody")
	verify(1, "", "--key", "0000000000000000")

	endpoint, err := os.ReadFile(state(s.state).endpoint())
	if err != nil {
		t.Fatal(err)
	}
	table := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(strings.TrimSpace(string(endpoint))), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	found, err := table.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String(localTable), KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :audit)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": &types.AttributeValueMemberS{Value: "key#" + id}, ":audit": &types.AttributeValueMemberS{Value: "audit#"},
		},
	})
	if err != nil || len(found.Items) != 3 {
		t.Fatalf("%d items, %v", len(found.Items), err)
	}
	middle := map[string]types.AttributeValue{"pk": found.Items[1]["pk"], "sk": found.Items[1]["sk"]}
	if _, err := table.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(localTable), Key: middle}); err != nil {
		t.Fatal(err)
	}
	place := strings.TrimPrefix(middle["sk"].(*types.AttributeValueMemberS).Value, "audit#")
	broken := id + ": entry " + place + " is missing\n"
	verify(1, broken)
	verify(1, broken, "--key", id)
	verify(1, broken, "--user", "u1")
	verify(0, "3 entries of 1 key, all as written\n", "--key", other)
}
