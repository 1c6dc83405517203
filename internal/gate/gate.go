package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// Request is one request to be judged.
type Request struct {
	Credential apikey.Credential
	Scope      string     // empty: none is asked for
	Source     netip.Addr // of the caller; zero: not known
	// Cost is how many tokens to spend. Zero looks without spending, and is never
	// refused for a limit.
	Cost int64
	// Time is when the request arrived by the gateway's clock, if known: the
	// present is never before it.
	Time time.Time
}

// Finder is the part of the table that judging needs. It is safe for concurrent
// use, reads strongly consistently, and may be asked again after any error.
type Finder interface {
	// Find returns a key with its meter as they were in one read, or ErrNotFound.
	Find(ctx context.Context, id string) (apikey.Record, error)
	// Resolve returns the id of the key that an alias stands for, or ErrNotFound.
	Resolve(ctx context.Context, alias string) (id string, err error)
	// Meter returns what is counted under an id that need not be a key's; the zero
	// Meter where there is none.
	Meter(ctx context.Context, id string) (ratelimit.Meter, error)
	// Rehash replaces secret n of from by secret n of to, another hash of the same token. It also
	// replaces the seal. It changes nothing if the key has changed meanwhile.
	Rehash(ctx context.Context, from, to *apikey.Key, n int) error
	// Text returns the stored text of a key at a revision, without the seal, which is computed over
	// this text. It does no I/O.
	Text(k *apikey.Key, rev int64) ([]byte, error)
}

// Limiter is the part of the rate limiter that judging needs; see
// [ratelimit.Limiter].
type Limiter interface {
	Take(ctx context.Context, id string, terms ratelimit.Terms, n int64, floor time.Time) (ratelimit.Decision, error)
	Peek(id string, terms ratelimit.Terms, floor time.Time) ratelimit.Status
	Observe(id string, m ratelimit.Meter)
	Touch(ctx context.Context, id string, floor time.Time) error
}

// Upstream is another key service, which is asked for tokens that nobody here
// knows. It is safe for concurrent use.
type Upstream interface {
	// Ask returns the key behind a token, with CodeValid, or why there is none. A
	// refusal has a key if and only if a limit or a quota there has refused. It may
	// answer from memory, unless the answer must be fresh.
	Ask(ctx context.Context, token apikey.Token, public string, fresh bool) (apikey.Verdict, error)
}

// Keyring is what the deployment's secret holds.
type Keyring struct {
	Hasher pepper.Hasher
	Static apikey.Static // also those that are known without it
}

// GateOptions say how a gate judges. All are required but where noted.
type Options struct {
	// Keyring returns the deployment's secret as it is now: it may be rotated.
	Keyring func(context.Context) (Keyring, error)
	// Reread returns the hasher of the secret as it is this second, for a key that
	// cannot be judged with what is at hand.
	Reread func(context.Context) (pepper.Hasher, error)
	// Static are the static keys that are known without the secret. May be zero.
	Static apikey.Static
	// Upstream may be nil.
	Upstream Upstream
	// Local limits static keys while the table does not answer.
	Local Limiter
	// Logger is told when that begins.
	Logger *slog.Logger
	// Freshness is how long a read may be trusted: the published bound on how
	// long a revoked key goes on working. A request that begins this long after a
	// change was acknowledged, or later, is judged by the change. Zero reads every
	// time; any other value must be at least [MinFreshness].
	Freshness time.Duration
	// Patience bounds one check: then it could not decide.
	Patience     time.Duration
	Environments []apikey.Environment // accepted here
	// Clock measures the age of a read. Now is the time by which keys are judged, which is the
	// limiter's own, so that both are right or wrong together.
	Clock    Clock
	Now      func() time.Time
	Remember int // how many keys are remembered
}

// Gate judges the requests of one environment. It is safe for concurrent use.
type Gate struct {
	options Options
	table   Finder
	limiter Limiter
	memory  *memory
}

// NewGate returns a gate before table.
func New(table Finder, limiter Limiter, options Options) *Gate {
	return &Gate{options: options, table: table, limiter: limiter, memory: newMemory(options.Remember)}
}

// mismatchAge is how old a read may be on which a token is refused: guessing then
// costs at most a read in this time. A secret that was just rotated in may be
// unknown to a read as old as this, and is therefore not handed out any sooner; see
// [registry.Registry.Rotate].
const MismatchAge = 100 * time.Millisecond

// MinFreshness is the least freshness but zero. It is longer than a read and a write
// of a healthy table take, so that a check seldom needs a second read.
const MinFreshness = 250 * time.Millisecond

// chore is how long a check waits for a write that it does not need.
const chore = 250 * time.Millisecond

// looks bounds how often one check goes back to the table because others have seen
// newer terms.
const looks = 3

// Check judges a request. A refusal consumes nothing. An error means that it
// could not decide, and is never evidence against the caller; tokens may then
// have been spent.
func (g *Gate) Check(ctx context.Context, r Request) (apikey.Verdict, error) {
	c := r.Credential
	if c.Missing() {
		return apikey.Verdict{Code: apikey.CodeMissing}, nil
	}
	if c.Ambiguous() {
		return g.checkTwo(ctx, r)
	}
	if k := g.options.Static.Find(c); k != nil {
		return g.checkStatic(ctx, k, r)
	}
	io := patience{parent: ctx, limit: g.options.Patience}
	defer io.end()
	keyring, err := g.options.Keyring(&io)
	if err != nil {
		return apikey.Verdict{}, fmt.Errorf("load the secret: %w", err)
	}
	if k := keyring.Static.Find(c); k != nil {
		return g.checkStatic(ctx, k, r)
	}
	if c.Code() != "" {
		return apikey.Verdict{Code: c.Code()}, nil
	}
	return g.checkTable(ctx, &io, keyring.Hasher, r)
}

// checkTable judges a token by the table. Three rules bound the age of a read:
//
//   - A request is admitted on a read that was younger than Freshness when it was looked up, or
//     that was begun within this check.
//   - A request is refused on a read that is younger than mismatchAge, or that was begun within
//     this check. An older read never refuses a token that was just created, moved or restored.
//     A revocation of a native token is final, so Freshness bounds that read instead.
//   - If the read is older than Freshness after a write, one more read decides, however long that
//     takes. With a Freshness of zero, one more read follows every write.
func (g *Gate) checkTable(ctx context.Context, io *patience, hasher pepper.Hasher, r Request) (apikey.Verdict, error) {
	var p progress
	l := look{maxAge: g.options.Freshness}
	for {
		if err := g.judged(io, &hasher, &r, &l); err != nil {
			if p.admitted != nil && io.over() {
				return *p.admitted, nil // the table is too slow for a second opinion
			}
			return apikey.Verdict{}, err
		}
		if l.verdict.Code == apikey.CodeUnknown && l.key == nil && g.options.Upstream != nil {
			if p.elsewhere == nil {
				v, err := g.checkUpstream(ctx, r)
				if err != nil || v.Key != nil {
					return v, err
				}
				p.elsewhere = &v
			}
			l.verdict = *p.elsewhere
		}
		switch {
		case !l.verdict.Valid() && !l.again && !l.sure && !l.final(r.Credential.Token()) && l.age(g.instant(r.Time)) >= MismatchAge:
			l = look{again: true, maxAge: min(l.maxAge, MismatchAge)}
			continue
		case !l.verdict.Valid():
			return l.verdict, nil
		case p.spent != nil:
			l.verdict.Status = p.spent.Status
			return l.verdict, nil
		}
		asked := io.asked.Load()
		decision, err := g.spend(io, l.key, &r)
		if errors.Is(err, ratelimit.ErrOldTerms) && io.looked < looks {
			l = look{} // another instance has read newer ones
			continue
		}
		if err != nil {
			return apikey.Verdict{}, err
		}
		if l.verdict.Spent(&decision); !l.verdict.Valid() {
			return l.verdict, nil
		}
		if !l.rehashed && !hasher.Current(l.key.Secrets[l.opened]) {
			g.rehash(io, hasher, l.found, l.opened, hasher.Hash(r.Credential.Token()))
		}
		if io.asked.Load() == asked || g.options.Freshness > 0 && g.instant(r.Time).since(l.read) < g.options.Freshness {
			return l.verdict, nil
		}
		// Spending took a write, and long enough for the key to be revoked meanwhile.
		v := l.verdict
		if p.spent = &v; l.own && g.options.Freshness > 0 {
			p.admitted = &v
		}
		l = look{}
	}
}

// progress is the state of a check that takes more than one look.
type progress struct {
	spent     *apikey.Verdict // after the spending
	admitted  *apikey.Verdict // the same, on a read of this check, if that is good enough
	elsewhere *apikey.Verdict // the upstream's verdict
}

// look is one look at the table, in a read that is younger than maxAge. If again is set,
// so is where the token leads.
type look struct {
	maxAge time.Duration
	again  bool
	found
	verdict apikey.Verdict
}

// final reports whether no later read can admit the token: a key that was revoked, and a secret
// that has ended, stay so, and the id of a native token is never another key's.
func (l *look) final(t apikey.Token) bool { return l.verdict.Code == apikey.CodeRevoked && t.Native() }

// judged finds the key of a token and judges it. It leaves the hasher that it used in h.
func (g *Gate) judged(io *patience, h *pepper.Hasher, r *Request, l *look) error {
	c := &r.Credential
	err := g.find(io, *h, c.Token(), l, r.Time)
	if err != nil {
		return err
	}
	l.opened, err = g.opens(io, &l.found, h, c)
	switch {
	case err != nil:
		return err
	case l.opened < 0 && l.key != nil && !h.Names(l.key, c.Public()):
		l.verdict.Code = apikey.CodeMalformed
		return nil
	case l.opened < 0:
		l.verdict.Code = apikey.CodeUnknown
		return nil
	}
	s := &l.key.Secrets[l.opened]
	l.verdict.Key, l.verdict.Scope = l.key, r.Scope
	if s.Over(l.now) {
		l.verdict.Code, l.verdict.Ended = apikey.CodeRevoked, s.NotAfter
	} else {
		l.verdict.Code, l.verdict.Replaced = g.judge(l.key, r, l.now), !s.NotAfter.IsZero()
	}
	if !l.verdict.Valid() {
		l.verdict.Status = g.look(l.key, r.Time)
	}
	return nil
}

// opens tells what found does, and leaves in h what it could tell by.
func (g *Gate) opens(io *patience, f *found, h *pepper.Hasher, c *apikey.Credential) (opened int, err error) {
	if f.key == nil {
		return -1, nil
	}
	err = pepper.Judging(io, *h, g.options.Reread, func(with pepper.Hasher) (err error) {
		*h = with
		opened, err = with.Match(f.key, c, f.now)
		return err
	})
	return opened, err
}

// rehash updates the hash of a token that was just used: a plain imported hash, or one under an
// older pepper. A failure never refuses the request, and the request waits only briefly. The next
// read tries again.
func (g *Gate) rehash(io *patience, hasher pepper.Hasher, f found, n int, s apikey.Secret) {
	s.NotAfter = f.key.Secrets[n].NotAfter
	rehashed := *f.key
	rehashed.Secrets = slices.Clone(rehashed.Secrets)
	rehashed.Secrets[n] = s
	ctx, cancel := context.WithTimeout(io, chore)
	defer cancel()
	err := hasher.Reseal(g.table, f.key, &rehashed)
	if err == nil {
		err = g.table.Rehash(ctx, f.key, &rehashed, n)
	}
	if err != nil {
		rehashed = *f.key
	}
	f.key, f.rehashed = &rehashed, true
	g.memory.replace(f)
}

func (g *Gate) spend(io *patience, k *apikey.Key, r *Request) (ratelimit.Decision, error) {
	if r.Cost == 0 {
		return ratelimit.Decision{Admitted: true, Status: g.look(k, r.Time)}, nil
	}
	if k.Unlimited {
		// Only a note of when it was last used: not worth refusing a request for.
		_ = g.limiter.Touch(io, k.ID, r.Time)
		return ratelimit.Decision{Admitted: true}, nil
	}
	if err := k.Affords(r.Cost); err != nil {
		return ratelimit.Decision{}, err
	}
	return g.limiter.Take(io, k.ID, k.Terms(), r.Cost, r.Time)
}

func (g *Gate) look(k *apikey.Key, floor time.Time) ratelimit.Status {
	if k.Unlimited {
		return ratelimit.Status{}
	}
	return g.limiter.Peek(k.ID, k.Terms(), floor)
}

// time returns the limiter's time, by which keys are judged.
func (g *Gate) time(floor time.Time) time.Time {
	return ratelimit.NotBefore(g.options.Now().Round(0), floor)
}

// instant is the present moment, for ages. It is never set forward: a read that was
// stamped with a time to come would look younger than it is.
func (g *Gate) instant(arrival time.Time) Instant {
	now := g.options.Clock()
	if !arrival.IsZero() {
		now.gateway = arrival.UnixMilli()
	}
	return now
}

// patience is a context that ends after a while. Its timer starts with the first request to the table: most checks
// make none. Goroutines of the HTTP client use it as well, so it is safe for concurrent use, except for looked.
type patience struct {
	parent context.Context
	limit  time.Duration
	begun  atomic.Pointer[deadline]
	asked  atomic.Int64 // how often the context was used: if it was not, nothing was waited for
	looked int
}

type deadline struct {
	context.Context
	cancel context.CancelFunc
}

func (p *patience) context() context.Context {
	p.asked.Add(1)
	if d := p.begun.Load(); d != nil {
		return d
	}
	ctx, cancel := context.WithTimeout(p.parent, p.limit)
	if !p.begun.CompareAndSwap(nil, &deadline{ctx, cancel}) {
		cancel()
	}
	return p.begun.Load()
}

// over reports whether the patience itself has ended.
func (p *patience) over() bool {
	d := p.begun.Load()
	return d != nil && d.Err() != nil && p.parent.Err() == nil
}

func (p *patience) end() {
	if d := p.begun.Load(); d != nil {
		d.cancel()
	}
}

// Deadline and the others are context.Context's.
func (p *patience) Deadline() (time.Time, bool) { return p.context().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.context().Done() }
func (p *patience) Err() error                  { return p.context().Err() }
func (p *patience) Value(key any) any           { return p.context().Value(key) }
