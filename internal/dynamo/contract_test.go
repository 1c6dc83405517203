package dynamo_test

import (
	"testing"

	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry/registrytest"
)

func TestTheTableKeepsTheContractsOfItsStores(t *testing.T) {
	registrytest.Test(t, func(t testing.TB) registrytest.Store { return dynamotest.NewTable(t) })
}
