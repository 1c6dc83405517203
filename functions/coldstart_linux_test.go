package functions_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/dynamo/dynamotest"
)

// The time from the start of a process until it posts its first verdict, and two moments on the way: its
// first connection, before which it has loaded and configured itself, and its first call for an event,
// before which it has read the secret and opened its connections. There are two floors: a function that
// says hello, and one that makes the calls of the authorizer and decides nothing. The functions take
// turns, so that a busy moment of the machine affects all alike.
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
		times                 map[string][]float64 // by the end of the metric's name
	}{
		{"hello", build(b, "HelloFunction"), `"hello"`, []byte("{}"), nil},
		{"calls", build(b, "CallsFunction", ca.embed(b)), `"called"`, []byte("{}"), nil},
		{"authorizer", build(b, "AuthorizerFunction", ca.embed(b)), `"Effect":"Allow"`, event(b, "authorizer-allow.json", token), nil},
		{"validate", build(b, "ValidateFunction", ca.embed(b)), `\"valid\":true`, event(b, "keys-validate.json", token), nil},
		{"keys", build(b, "KeysFunction", ca.embed(b)), `\"userId\"`, event(b, "keys-whoami.json", token), nil},
	}
	b.Run("starts", func(b *testing.B) {
		for n := range competitors {
			competitors[n].times = make(map[string][]float64)
		}
		for b.Loop() {
			for n := range competitors {
				c := &competitors[n]
				ca.connected.Store(nil)
				i := start(b, c.bootstrap, variables...)
				a := i.invoke(b, c.event)
				if a.failed || !strings.Contains(a.text, c.want) {
					b.Fatalf("%s: %+v\n%s", c.name, a, i.log(b))
				}
				note := func(name string, at time.Time) { c.times[name] = append(c.times[name], float64(at.Sub(i.started))) }
				note("-ns", a.at)
				note("-ready-ns", <-i.ready)
				if at := ca.connected.Load(); at != nil {
					note("-connects-ns", *at)
				}
				i.end()
			}
		}
		for _, c := range competitors {
			for name, times := range c.times {
				slices.Sort(times)
				b.ReportMetric(times[len(times)/2], c.name+name)
			}
		}
	})
}
