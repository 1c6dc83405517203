package dynamo_test

import (
	"testing"

	"latchkey/internal/dynamo/dynamotest"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }
