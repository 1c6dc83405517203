package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
)

// finding is the key that a token leads to. The verdict on it travels beside it: if the finding pointed
// to the verdict, that would need the heap. Before a look, both must be zero.
type finding struct {
	subject *subject // nil if there is no key
	ahead   *ahead   // reads that were made together with that of the key; nil if none was
	secret  int      // the index of the secret that the token matches, or -1
	// remembered says that not all reads of the key, the user and the plan are of this check.
	remembered bool
	// unsure says that the key, or the alias if the token needs one, was read too long before this
	// check for a refusal to rest on it. bounded says that the subject has its user and plan, and
	// boundsSure that a refusal may rest on these.
	unsure, bounded, boundsSure bool
	// unproven says that the key was read longer ago than is trusted, and that the spend must prove it.
	unproven bool
	// late says that the user and the plan were read longer ago than is trusted, and that they must be
	// read while the spend is on its way.
	late bool
	// spent says that the verdict is an upstream's, with everything spent.
	spent bool
	// at and time are what the clock showed when the look began. waited says that the check has
	// waited for something since, so that time has passed.
	at     moment
	time   time.Time
	waited bool
}

// reset makes f and v zero for another look.
func (f *finding) reset(v *apikey.Verdict) { *f, *v = finding{}, apikey.Verdict{} }

// now returns the limiter's time, by which keys are judged. It reads the clock again only if the check
// has waited since the look began.
func (g *Gate) now(f *finding, floor time.Time) time.Time {
	if f.waited {
		return g.time(floor)
	}
	return f.time
}

// decided reports whether the verdict is the last word: a refusal, or that of an upstream.
func (f *finding) decided(v *apikey.Verdict) bool { return f.spent || !v.Valid() }

// unknown reports whether the table has no key for the token.
func (f *finding) unknown(v *apikey.Verdict) bool {
	return f.subject == nil && v.Code == apikey.CodeUnknown
}

// refuses reports whether a refusal may rest on f. If t is native, a revoked key and an ended
// secret stay so, and no other key ever has its id. Any other refusal needs young reads.
func (f *finding) refuses(v *apikey.Verdict, t apikey.Token) bool {
	if v.Code == apikey.CodeRevoked && t.Native() {
		return true
	}
	return !f.unsure && (f.boundsSure || !f.restsOnBounds(v))
}

// restsOnBounds reports whether the refusal rests on the user or the plan of the key.
func (f *finding) restsOnBounds(v *apikey.Verdict) bool {
	switch v.Code {
	case apikey.CodeUserSuspended, apikey.CodeIdle:
		return true
	case apikey.CodeInsufficientScope:
		return f.subject.key.Scopes.Allow(v.Scope)
	}
	return false
}

// ages say how old the reads may be that are trusted. bounds is of the user and the plan, and at least
// key.
type ages struct {
	key, bounds time.Duration
	again       bool // not even an alias may be older than key
	provable    bool // a key that is older than key will do if a spend can prove it
}

// identify finds the key of a token and judges the request by it. It trusts remembered reads that
// are younger than a, or that the spend will probably prove. A refusal rests on a read that is younger
// than [MismatchAge], or that began within this check, so a token that was just created, moved or
// restored is never refused by an older read. The same holds for a user that was just resumed, and for
// a plan. The revocation of a native token is final, so a alone bounds that read.
//
// If the table does not know the token, an upstream decides. Its key has then been spent from.
//
// It fills f and v, which must be zero. They are not copied, because that would cost a tenth of a check.
func (g *Gate) identify(
	table *patience, h *pepper.Hasher, r *Request, a ages, f *finding, v *apikey.Verdict,
) error {
	err := g.look(table, h, r, a, f, v)
	if (f.unproven || f.late) && g.rules.rereads && (err != nil || !v.Valid()) { // no spend will prove it
		a.provable = false
		f.reset(v)
		err = g.look(table, h, r, a, f, v)
	}
	if err != nil {
		return err
	}
	if v.Valid() {
		return nil
	}
	var elsewhere *apikey.Verdict
	if f.unknown(v) && g.options.Upstream != nil {
		theirs, err := g.checkUpstream(table.parent, *r)
		if err != nil {
			return err
		}
		if theirs.Key != nil {
			f.spent, *v = true, theirs
			return nil
		}
		elsewhere = &theirs
	}
	// The second look may find a key that is good, with a user who was not looked at.
	for n := 0; n < 2 && g.rules.rereads && !v.Valid() && !f.refuses(v, r.Credential.Token()); n++ {
		young := min(a.key, MismatchAge)
		second := ages{key: young, bounds: a.bounds, again: true}
		if f.restsOnBounds(v) {
			second.bounds = young
		}
		f.reset(v)
		if err := g.look(table, h, r, second, f, v); err != nil {
			return err
		}
	}
	if f.unknown(v) && elsewhere != nil {
		*v = *elsewhere
	}
	return nil
}

// look finds the key of a token and judges it once.
func (g *Gate) look(
	ctx context.Context, h *pepper.Hasher, r *Request, a ages, f *finding, v *apikey.Verdict,
) error {
	err := g.find(ctx, h, r, a, f)
	if err != nil {
		return err
	}
	now := g.now(f, r.Time)
	if f.subject != nil && f.subject.key.Gone(now) {
		f.subject = nil
	}
	if f.subject == nil {
		v.Code = apikey.CodeUnknown
		return nil
	}
	c, k := &r.Credential, f.subject.key
	if f.secret, err = h.Match(k, c, now); errors.Is(err, pepper.ErrCannotJudge) {
		f.waited = true
		f.secret, *h, err = h.MatchOrReread(ctx, g.options.Reread, k, c, now)
	}
	switch {
	case err != nil:
		return err
	case f.secret < 0 && !h.Names(k, c.Public()):
		v.Code = apikey.CodeMalformed
		return nil
	case f.secret < 0:
		v.Code = apikey.CodeUnknown
		return nil
	}
	secret := &k.Secrets[f.secret]
	over := secret.Over(now)
	switch {
	case f.bounded, over, !k.RevokedAt.IsZero():
	case f.unproven, a.provable && g.provable(f.subject, r):
		f.bounded, f.late = true, true
	default:
		if err := g.bound(ctx, r.Time, a.bounds, f); err != nil {
			return err
		}
	}
	s := f.subject
	v.Key, v.Plan, v.Parts, v.Scope = s.key, s.plan, s.parts, r.Scope
	if over {
		v.Code, v.Ended = apikey.CodeRevoked, secret.NotAfter
	} else {
		v.Code, v.Replaced = g.judge(s, r, now), !secret.NotAfter.IsZero()
	}
	if !v.Valid() {
		g.peek(s, r.Time, v)
	}
	return nil
}

// find sets in f the key to which a token leads, from memory if the reads are young enough. The
// alias of a foreign token is remembered for longer, unless a.again is set: if it leads to the wrong
// key, the token is refused, and a refusal takes a second look.
func (g *Gate) find(ctx context.Context, h *pepper.Hasher, r *Request, a ages, f *finding) error {
	f.at, f.time = g.present(r.Time)
	now := &f.at
	id := r.Credential.Token().ID()
	if id == "" { // the token is foreign
		var err error
		if id, err = g.resolve(ctx, h.Alias(r.Credential.Token()), now, a, f); err != nil || id == "" {
			return err
		}
	}
	var s *subject
	if e := g.memory.keys.get(id); e != nil {
		s = e.value
		var age time.Duration
		if s != nil {
			age = s.age(now)
		} else {
			age = now.since(&e.read)
		}
		if age < a.key && (s == nil || s.bounded) {
			g.memory.hits.Add(1)
			young := age < MismatchAge
			f.subject, f.remembered, f.bounded = s, true, true
			f.unsure, f.boundsSure = f.unsure || !young, young
			return nil
		}
	}
	if s != nil {
		age := now.since(s.current())
		if f.unproven = age >= a.key && a.provable && g.provable(s, r); age < a.key || f.unproven {
			g.memory.hits.Add(1)
			f.subject, f.remembered, f.unsure = s, !f.unproven, f.unsure || age >= MismatchAge
			return nil
		}
	}
	return g.readKey(ctx, r.Time, id, s, a.bounds, f)
}

// resolve returns the id of the key to which an alias leads, or "" if there is none.
func (g *Gate) resolve(ctx context.Context, alias string, now *moment, a ages, f *finding) (string, error) {
	if e := g.memory.aliases.get(alias); e != nil {
		if age := now.since(&e.read); age < a.key || e.value != "" && !a.again {
			f.unsure = age >= MismatchAge
			return e.value, nil
		}
	}
	f.waited = true
	id, err := g.table.Resolve(ctx, alias)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		id = ""
	case err != nil:
		return "", fmt.Errorf("find alias: %w", err)
	}
	g.memory.aliases.put(alias, id, *now)
	return id, nil
}
