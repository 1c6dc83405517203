package registry_test

import (
	"fmt"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// A report of 1,000 tokens whose keys work. A transaction fences up to 33 keys, and the next revokes them,
// each with its audit entry and its witness.
func BenchmarkLeakedKeys(b *testing.B) {
	for _, users := range []int{200, 1} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			all := newBench(b)
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				var leaks []registry.Leak
				for n := range 1000 {
					token := all.Token(b)
					all.Issue(b, token, func(k *apikey.Key) { k.UserID = fmt.Sprintf("u%d", n%users) })
					leaks = append(leaks, registry.Leak{Credential: all.Format.Credential(token.Reveal()), Source: found})
				}
				b.StartTimer()
				results, err := all.Registry.RevokeLeaked(b.Context(), registry.Origin{SourceIP: "192.0.2.1"}, "github", leaks)
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range results {
					if !r.Revoked {
						b.Fatal("a key was not revoked")
					}
				}
			}
		})
	}
}
