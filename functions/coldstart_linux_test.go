package functions_test

import (
	"slices"
	"strings"
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

// The time from the start of a process until it posts its first verdict. The floor is a function
// that says hello. The functions take turns, so that a busy moment of the machine affects all
// alike.
func BenchmarkColdStart(b *testing.B) {
	ca := newAuthority(b)
	table := dynamotest.Options(b)
	token := newKey(b, table.Name, table.Endpoint)
	variables := []string{
		"TABLE_NAME=" + table.Name, "SECRET_ARN=" + secretARN,
		"AWS_ENDPOINT_URL_DYNAMODB=" + ca.serve(b, engine(b, table.Endpoint)),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + ca.serve(b, secretsManager(secretText)),
	}
	competitors := []struct {
		name, bootstrap, want string
		event                 []byte
		times                 []float64
	}{
		{"hello", build(b, "HelloFunction"), `"hello"`, []byte("{}"), nil},
		{"authorizer", build(b, "AuthorizerFunction", ca.embed(b)), `"Effect":"Allow"`, event(b, "authorizer-allow.json", token), nil},
		{"validate", build(b, "ValidateFunction", ca.embed(b)), `\"valid\":true`, event(b, "keys-validate.json", token), nil},
		{"keys", build(b, "KeysFunction", ca.embed(b)), `\"userId\"`, event(b, "keys-whoami.json", token), nil},
	}
	b.Run("starts", func(b *testing.B) {
		for n := range competitors {
			competitors[n].times = nil
		}
		for b.Loop() {
			for n := range competitors {
				c := &competitors[n]
				i := start(b, c.bootstrap, variables...)
				a := i.invoke(b, c.event)
				if a.failed || !strings.Contains(a.text, c.want) {
					b.Fatalf("%s: %+v\n%s", c.name, a, i.log(b))
				}
				c.times = append(c.times, float64(a.at.Sub(i.started)))
				i.end()
			}
		}
		for _, c := range competitors {
			slices.Sort(c.times)
			b.ReportMetric(c.times[len(c.times)/2], c.name+"-ns")
		}
	})
}
