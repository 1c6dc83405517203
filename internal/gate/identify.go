package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
)

// finding is the key that a token leads to, with the verdict on it.
type finding struct {
	key    *apikey.Key // nil if there is none
	secret int         // the index of the secret that the token matches, or -1
	read   Instant     // when the read of the key began
	alias  Instant     // when the read of its alias began; zero if the token needs none
	// own says that this check has read the key, and sure that it has read the alias too, if the
	// token needs one.
	own, sure bool
	rehashed  bool // or the attempt failed: one attempt a read is enough
	verdict   apikey.Verdict
	// spent says that the verdict is an upstream's, with everything spent.
	spent bool
}

// decided reports whether the verdict is the last word: a refusal, or that of an upstream.
func (f *finding) decided() bool { return f.spent || !f.verdict.Valid() }

// unknown reports whether the table has no key for the token.
func (f *finding) unknown() bool { return f.key == nil && f.verdict.Code == apikey.CodeUnknown }

// refuses reports whether a refusal may rest on f. If t is native, a revoked key and an ended
// secret stay so, and no other key ever has its id. Any other refusal needs a young read.
func (f *finding) refuses(t apikey.Token, now Instant) bool {
	return f.sure || f.verdict.Code == apikey.CodeRevoked && t.Native() || f.age(now) < MismatchAge
}

// age returns the age of the older of the two reads.
func (f *finding) age(now Instant) time.Duration {
	age := now.since(f.read)
	if f.alias != (Instant{}) {
		age = max(age, now.since(f.alias))
	}
	return age
}

// identify finds the key of a token and judges the request by it. It trusts a remembered read that
// is younger than maxAge. A refusal rests on a read that is younger than [MismatchAge], or that
// began within this check, so a token that was just created, moved or restored is never refused by
// an older read. The revocation of a native token is final, so maxAge alone bounds that read.
//
// If the table does not know the token, an upstream decides. Its key has then been spent from.
//
// It fills f, which is not copied because that would cost a fifth of a check.
func (g *Gate) identify(table *patience, h *pepper.Hasher, r *Request, maxAge time.Duration, f *finding) error {
	if err := g.look(table, h, r, maxAge, false, f); err != nil {
		return err
	}
	var elsewhere *apikey.Verdict
	if f.unknown() && g.options.Upstream != nil {
		v, err := g.checkUpstream(table.parent, *r)
		if err != nil {
			return err
		}
		if v.Key != nil {
			*f = finding{verdict: v, spent: true}
			return nil
		}
		elsewhere = &v
	}
	if !f.verdict.Valid() && !f.refuses(r.Credential.Token(), g.instant(r.Time)) {
		if err := g.look(table, h, r, min(maxAge, MismatchAge), true, f); err != nil {
			return err
		}
	}
	if f.unknown() && elsewhere != nil {
		f.verdict = *elsewhere
	}
	return nil
}

// look finds the key of a token and judges it once. If again is set, it does not trust an alias
// that is older than maxAge.
func (g *Gate) look(
	ctx context.Context, h *pepper.Hasher, r *Request, maxAge time.Duration, again bool, f *finding,
) error {
	*f = finding{secret: -1, own: true, sure: true}
	err := g.find(ctx, *h, r, maxAge, again, f)
	if err != nil {
		return err
	}
	now := g.time(r.Time)
	if f.key != nil && f.key.Gone(now) {
		f.key = nil
	}
	c := &r.Credential
	if f.key == nil {
		f.verdict.Code = apikey.CodeUnknown
		return nil
	}
	f.secret, *h, err = h.MatchOrReread(ctx, g.options.Reread, f.key, c, now)
	switch {
	case err != nil:
		return err
	case f.secret < 0 && !h.Names(f.key, c.Public()):
		f.verdict.Code = apikey.CodeMalformed
		return nil
	case f.secret < 0:
		f.verdict.Code = apikey.CodeUnknown
		return nil
	}
	s := &f.key.Secrets[f.secret]
	f.verdict.Key, f.verdict.Scope = f.key, r.Scope
	if s.Over(now) {
		f.verdict.Code, f.verdict.Ended = apikey.CodeRevoked, s.NotAfter
	} else {
		f.verdict.Code, f.verdict.Replaced = g.judge(f.key, r, now), !s.NotAfter.IsZero()
	}
	if !f.verdict.Valid() {
		f.verdict.Status = g.peek(f.key, r.Time)
	}
	return nil
}

// find sets in f the key to which a token leads, from memory if the read is younger than maxAge. The
// alias of a foreign token is remembered for longer, unless again is set: if it leads to the wrong
// key, the token is refused, and a refusal takes a second look.
func (g *Gate) find(
	ctx context.Context, h pepper.Hasher, r *Request, maxAge time.Duration, again bool, f *finding,
) error {
	now := g.instant(r.Time)
	id := r.Credential.Token().ID()
	if !r.Credential.Token().Native() {
		alias := h.Alias(r.Credential.Token())
		known, read, ok := g.memory.aliases.get(alias)
		if fresh := ok && now.since(read) < maxAge; fresh || known != "" && !again {
			id, f.alias, f.sure = known, read, false
		} else {
			var err error
			id, err = g.table.Resolve(ctx, alias)
			switch {
			case errors.Is(err, apikey.ErrNotFound):
				id = ""
			case err != nil:
				return fmt.Errorf("find alias: %w", err)
			}
			f.alias = now
			g.memory.aliases.put(alias, id, now)
		}
		if id == "" {
			f.read, f.own = f.alias, f.sure
			return nil
		}
	}
	if known, read, ok := g.memory.keys.get(id); ok && now.since(read) < maxAge {
		g.memory.hits.Add(1)
		f.key, f.rehashed, f.read, f.own, f.sure = known.key, known.rehashed, read, false, false
		return nil
	}
	f.read = g.instant(r.Time)
	record, err := g.table.Find(ctx, id)
	if err != nil && !errors.Is(err, apikey.ErrNotFound) {
		return fmt.Errorf("find key: %w", err)
	}
	if err == nil {
		f.key = record.Key
		g.limiter.Observe(id, record.Meter)
	}
	g.memory.keys.put(id, remembered{key: f.key}, f.read)
	return nil
}
