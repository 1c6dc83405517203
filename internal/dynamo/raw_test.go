package dynamo_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"latchkey/internal/dynamo"
)

// client looks at a table from outside.
func client(o dynamo.Options) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(o.Endpoint), Region: "us-east-1", HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

func primaryKey(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk},
	}
}

func forget(t *testing.T, o dynamo.Options, pk, sk string) {
	t.Helper()
	if _, err := client(o).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &o.Name, Key: primaryKey(pk, sk)}); err != nil {
		t.Fatal(err)
	}
}

func raw(t testing.TB, o dynamo.Options, pk, sk string) map[string]types.AttributeValue {
	t.Helper()
	out, err := client(o).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &o.Name, ConsistentRead: aws.Bool(true), Key: primaryKey(pk, sk),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func ttl(t *testing.T, o dynamo.Options, id string) (int64, bool) {
	t.Helper()
	return ttlOf(t, o, "key#"+id, "key")
}

func ttlOf(t *testing.T, o dynamo.Options, pk, sk string) (int64, bool) {
	t.Helper()
	value, ok := raw(t, o, pk, sk)["ttl"].(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(value.Value, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n, true
}
