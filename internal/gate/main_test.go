package gate_test

import (
	"testing"

	"latchkey/internal/apikey/apikeytest"
	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// bench is a deployment, with what the tests of this package do with it.
type bench struct{ *apikeytest.Deployment }

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchBefore(t, dynamotest.NewTable(t))
}

func newBenchBefore(t testing.TB, table *dynamo.Table) *bench {
	t.Helper()
	return &bench{apikeytest.New(t, table)}
}
