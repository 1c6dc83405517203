//go:build race

package authorizer_test

// The race detector makes pools forget what they hold, on purpose.
func init() { poolsForget = true }
