package gate

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
)

// rehashPatience bounds how long a check waits for the write of a rehash, which it does not need.
const rehashPatience = 250 * time.Millisecond

// rehash replaces the hash of a token that was just used: a plain imported hash, or one under an
// older pepper. A failure never refuses the request. It is tried again after the next read of the
// key.
func (g *Gate) rehash(ctx context.Context, h pepper.Hasher, f *finding, t apikey.Token) {
	to := *f.subject.key
	to.Secrets = slices.Clone(to.Secrets)
	to.Secrets[f.secret] = h.Hash(t)
	to.Secrets[f.secret].NotAfter = f.subject.key.Secrets[f.secret].NotAfter
	ctx, cancel := context.WithTimeout(ctx, rehashPatience)
	defer cancel()
	err := h.Reseal(g.table, f.subject.key, &to)
	if err == nil {
		err = g.table.Rehash(ctx, f.subject.key, &to, f.secret)
	}
	if err != nil {
		to = *f.subject.key
	}
	g.memory.keys.put(to.ID, f.subject.rekeyed(&to), f.subject.keyRead)
}
