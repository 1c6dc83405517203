package registry_test

import (
	"testing"

	"latchkey/internal/dynamo"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/registry"
)

// everyFault runs try with each of the faults at each of the first requests that
// it makes: inject begins that, and called again ends it.
func everyFault(t *testing.T, try func(t *testing.T, b *bench, root registry.Caller, inject func())) {
	t.Helper()
	options, faults := dynamotest.Faulty(t)
	for _, fault := range append(dynamotest.Before(), dynamotest.After()...) {
		for at := range 6 {
			b := newBenchBefore(t, dynamo.Open(options))
			root := b.caller(t, "root", admin)
			begun := false
			try(t, b, root, func() {
				faults.Clear()
				if begun = !begun; begun {
					// All attempts of one call, after at requests that pass.
					faults.Next(append(make([]dynamotest.Fault, at), fault, fault, fault)...)
				}
			})
		}
	}
}
