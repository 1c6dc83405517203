package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/audit"
)

// Changes by the API and by the command line have audit entries. A deleted entry is found.
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
	if code, out, talk := cli(t, "customer-7:f83Kd02mQz7Lw1xKc0TyVb9d\n", nil, "import", "-", "--state", s.state); code != 0 {
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
		if gotCode != code || gotOut != out || code != 0 && talk == "" || code == 0 && talk != unseen(false) {
			t.Errorf("audit verify %v: exit code %d\n%s%s", args, gotCode, gotOut, talk)
		}
	}
	verify(0, "8 entries of 4 keys, all as written\n") // the root key's is one, and the imported key's
	verify(0, "3 entries of 1 key, all as written\n", "--key", id)
	verify(0, "3 entries of 1 key, all as written\n", "--user", "u2")
	verify(0, "0 entries of 0 keys, all as written\n", "--user", "nobody")
	verify(1, "", "--key", "0000000000000000")

	table := s.table(t)
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

// A run that finds nothing names every deed that it cannot find, and what an attacker gains. With a
// checkpoint there are fewer of them.
func TestARunPrintsTheDeedsThatItCannotFind(t *testing.T) {
	for _, compared := range []bool{false, true} {
		text := unseen(compared)
		for _, f := range audit.Findings() {
			want := f.Found == audit.FoundNever || f.Found == audit.FoundCheckpoint && !compared
			if got := strings.Contains(text, f.Deed) && strings.Contains(text, f.Gain); got != want {
				t.Errorf("compared %v, %s: named %v, want %v", compared, f.Deed, got, want)
			}
		}
	}
}

// A checkpoint finds deeds that the table cannot show. It is not replaced while something is wrong.
func TestACheckpointIsCompared(t *testing.T) {
	s := start(t, t.TempDir())
	id, _ := s.create(t, `{"userId":"u1"}`)
	file := filepath.Join(t.TempDir(), "trails.json")
	verify := func(code int, out, talk string, args ...string) {
		t.Helper()
		gotCode, gotOut, gotTalk := cli(t, "", nil, append([]string{"audit", "verify", "--state", s.state}, args...)...)
		if gotCode != code || gotOut != out || !strings.Contains(gotTalk, talk) {
			t.Errorf("audit verify %v: exit code %d\n%s%s", args, gotCode, gotOut, gotTalk)
		}
	}
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	verify(0, "2 entries of 2 keys, all as written\n", file+" is not there yet: nothing to compare with", "--checkpoint", file)
	first := read()
	if a := s.send(t, "PATCH", "/api/v1/api-keys/"+id, `{"name":"x"}`, s.admin()); a.status != 200 {
		t.Fatal(a.text)
	}
	verify(0, "3 entries of 2 keys, all as written\n", unseen(true), "--checkpoint", file, "--strict")
	second := read()
	if second == first {
		t.Error("the present list is not written")
	}

	table := s.table(t)
	for _, pk := range []string{"key#" + id, "head#" + id} {
		found, err := table.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String(localTable), KeyConditionExpression: aws.String("pk = :pk"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: pk}},
		})
		if err != nil || len(found.Items) == 0 {
			t.Fatalf("%d items, %v", len(found.Items), err)
		}
		for _, i := range found.Items {
			if _, err := table.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
				TableName: aws.String(localTable), Key: map[string]types.AttributeValue{"pk": i["pk"], "sk": i["sk"]},
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	verify(0, "1 entry of 1 key, all as written\n", unseen(false))
	code, out, _ := cli(t, "", nil, "audit", "verify", "--state", s.state, "--checkpoint", file)
	if code != 1 || !strings.HasPrefix(out, id+": entry ") || !strings.HasSuffix(out, "#000000001 was there at the checkpoint, and nothing of its subject is left\n") {
		t.Errorf("exit code %d, %s", code, out)
	}
	if read() != second {
		t.Error("the list was replaced although something is wrong")
	}
	if err := os.WriteFile(file, []byte(strings.Replace(second, id, "0000000000000000", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	verify(1, "", file+" is no checkpoint of this deployment, or was altered", "--checkpoint", file)
	verify(2, "", "exclude each other", "--checkpoint", file, "--key", id)
}

// Keys of a version without trails are reported, and are errors with --strict.
func TestKeysWithoutATrailAreReported(t *testing.T) {
	s := start(t, t.TempDir())
	id, _ := s.create(t, `{"userId":"u1"}`)
	table := s.table(t)
	key := func(pk, sk string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}}
	}
	found, err := table.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(localTable), Key: key("key#"+id, "key")})
	if err != nil {
		t.Fatal(err)
	}
	const old = "0000000000000000"
	found.Item["pk"], found.Item["id"] = &types.AttributeValueMemberS{Value: "key#" + old}, &types.AttributeValueMemberS{Value: old}
	delete(found.Item, "trail")
	if _, err := table.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(localTable), Item: found.Item}); err != nil {
		t.Fatal(err)
	}
	line := old + ": has no trail, as keys of an earlier version: it is not authenticated before the next change\n"
	code, out, talk := cli(t, "", nil, "audit", "verify", "--state", s.state)
	if code != 0 || out != line+"2 entries of 3 keys, all as written; 1 key is not authenticated yet\n" {
		t.Errorf("exit code %d\n%s%s", code, out, talk)
	}
	code, out, talk = cli(t, "", nil, "audit", "verify", "--state", s.state, "--strict")
	if code != 1 || out != line || !strings.Contains(talk, "1 key is not authenticated, of 3") {
		t.Errorf("exit code %d\n%s%s", code, out, talk)
	}
}

// table returns a client of the stack's database engine.
func (s *stack) table(t *testing.T) *dynamodb.Client {
	t.Helper()
	endpoint, err := os.ReadFile(state(s.state).endpoint())
	if err != nil {
		t.Fatal(err)
	}
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(strings.TrimSpace(string(endpoint))), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// A key that was altered in the table can still be changed and revoked. The audit entry of the
// change states the flaw.
func TestTheAuditEntryOfAnAlteredKeyStatesTheFlaw(t *testing.T) {
	s := start(t, t.TempDir())
	id, _ := s.create(t, `{"userId":"u1"}`)
	table := s.table(t)
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "key#" + id}, "sk": &types.AttributeValueMemberS{Value: "key"}}
	if _, err := table.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(localTable), Key: key, UpdateExpression: aws.String("SET scopes = :all"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":all": &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "*"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body string }{{"PATCH", "", `{"name":"x"}`}, {"POST", "/revoke", ""}} {
		if a := s.send(t, c.method, "/api/v1/api-keys/"+id+c.path, c.body, s.admin()); a.status != 200 {
			t.Fatal(a.text)
		}
	}
	const flaw = "does not fit the subject's record, which was altered"
	var flaws []string
	for _, entry := range s.send(t, "GET", "/api/v1/api-keys/"+id+"/audit", "", s.admin()).json["data"].([]any) {
		text, _ := entry.(map[string]any)["flaw"].(string)
		flaws = append(flaws, text)
	}
	if len(flaws) != 3 || flaws[0] != "" || !strings.Contains(flaws[1], "was written although entry ") || !strings.HasSuffix(flaws[1], "#000000000 "+flaw) || flaws[2] != "" {
		t.Errorf("the trail says %q", flaws)
	}
	code, out, talk := cli(t, "", nil, "audit", "verify", "--state", s.state, "--key", id)
	if code != 1 || !strings.Contains(out, "#000000001 was written although entry ") {
		t.Errorf("exit code %d\n%s%s", code, out, talk)
	}
	code, out, talk = cli(t, "", []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + s.root}, "keys", "audit", id)
	if code != 0 || !strings.Contains(out, flaw) {
		t.Errorf("exit code %d\n%s%s", code, out, talk)
	}
}
