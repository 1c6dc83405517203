// Package registrytest states the contracts of the stores of a registry, a gate and a limiter as
// tests. An implementation passes if [Test] passes:
//
//	func TestContracts(t *testing.T) {
//		registrytest.Test(t, func(t testing.TB) registrytest.Store { return open(t) })
//	}
package registrytest
