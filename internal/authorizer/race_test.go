//go:build race

package authorizer_test

// The race detector makes a sync.Pool lose items on purpose.
func init() { poolsForget = true }
