package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
)

// Request is a request to judge.
type Request struct {
	Credential apikey.Credential
	Scope      string     // needed for the request; empty if none is
	Source     netip.Addr // of the caller; zero if it is not known
	// Cost is how many requests to spend from the limit. A cost of zero spends nothing, and is never
	// refused for a limit.
	Cost int64
	// RouteCost says that Cost is set for the route, and not by the caller. A cost above a limit is
	// then a verdict, and never an error of the caller.
	RouteCost bool
	// Time is when the request arrived by the gateway's clock, or zero if that is not known. The
	// gate takes no earlier time for the present.
	Time time.Time
}

// Keyring is the content of the deployment's secret.
type Keyring struct {
	Hasher pepper.Hasher
	Static apikey.Static // includes the static keys that are known without the secret
}

// Options say how a gate judges. All are required unless noted.
type Options struct {
	// Keyring returns the present content of the deployment's secret, which may be rotated.
	Keyring func(context.Context) (Keyring, error)
	// Reread reads the deployment's secret again and returns its hasher. The gate calls it if a
	// pepper is missing.
	Reread func(context.Context) (pepper.Hasher, error)
	// Static are the static keys that are known without the secret. It may be zero.
	Static apikey.Static
	// Upstream may be nil.
	Upstream Upstream
	// Local limits static keys while the table does not answer.
	Local *ratelimit.Limiter
	// Logger gets a warning when that begins.
	Logger *slog.Logger
	// Observe is called after each check with its result and duration. It may be nil.
	Observe func(v apikey.Verdict, err error, took time.Duration)
	// Freshness is how long a read may be trusted. It is the published bound on how long a revoked
	// key still works: a request that begins this long after a change was acknowledged, or later, is
	// judged by the change. Zero reads the key for every request. Any other value must be at least
	// [MinFreshness].
	Freshness time.Duration
	// Patience bounds how long one check waits for the secret and the table together. An upstream
	// may take more time.
	Patience     time.Duration
	Environments []apikey.Environment // accepted here
	// Clock measures the age of a read. Now is the limiter's time, by which keys are judged too, so
	// that both are right or wrong together.
	Clock    Clock
	Now      func() time.Time
	Remember int // bounds how many keys are remembered
}

// Gate judges the requests of one instance. It is safe for concurrent use.
type Gate struct {
	options Options
	table   Finder
	limiter *ratelimit.Limiter
	memory  *memory
}

// New returns a gate before table.
func New(table Finder, limiter *ratelimit.Limiter, options Options) *Gate {
	return &Gate{options: options, table: table, limiter: limiter, memory: newMemory(options.Remember)}
}

// MismatchAge is the largest age of a remembered read by which a token is refused. Guessing tokens
// of one key therefore costs at most one read in this time. A new secret may be missing in a read
// of this age, so it must not be handed out sooner; see
// [latchkey/internal/registry.Registry.Rotate].
const MismatchAge = 100 * time.Millisecond

// MinFreshness is the least freshness other than zero. It is longer than a read and a write of a
// healthy table take, so a check seldom needs a second read.
const MinFreshness = 250 * time.Millisecond

// looks bounds how often one check reads a key again because another instance has changed its
// limit.
const looks = 3

// Check judges a request. A refusal consumes nothing. An error means that Check could not decide.
// It is never evidence against the caller, and tokens may then have been spent. Check never waits
// for the secret and the table together for longer than [Options.Patience].
func (g *Gate) Check(ctx context.Context, r Request) (apikey.Verdict, error) {
	if g.options.Observe == nil {
		return g.check(ctx, &r)
	}
	begun := g.options.Clock().Mono
	v, err := g.check(ctx, &r)
	g.options.Observe(v, err, g.options.Clock().Mono-begun)
	return v, err
}

func (g *Gate) check(ctx context.Context, r *Request) (apikey.Verdict, error) {
	c := &r.Credential
	if c.Missing() {
		return apikey.Verdict{Code: apikey.CodeMissing}, nil
	}
	if c.Ambiguous() {
		return g.checkTwo(ctx, *r)
	}
	if k := g.options.Static.Find(*c); k != nil {
		return g.checkStatic(ctx, k, *r)
	}
	table := patience{parent: ctx, limit: g.options.Patience} // it bounds the read of the secret too
	defer table.end()
	keyring, err := g.options.Keyring(&table)
	if err != nil {
		return apikey.Verdict{}, fmt.Errorf("load the secret: %w", err)
	}
	if k := keyring.Static.Find(*c); k != nil {
		return g.checkStatic(ctx, k, *r)
	}
	if c.Code() != "" {
		return apikey.Verdict{Code: c.Code()}, nil
	}
	return g.checkStored(&table, keyring.Hasher, r)
}

// checkStored judges a token by the table: it identifies the key, judges it and spends from its
// limit. Three rules bound the age of a read:
//
//   - A request is admitted on a read that was younger than Freshness when it was looked up, or
//     that began within this check.
//   - A request is refused as [Gate.identify] says.
//   - If the read is older than Freshness after a write, one more read decides, however long that
//     takes. With a Freshness of zero, one more read follows every write.
func (g *Gate) checkStored(table *patience, h pepper.Hasher, r *Request) (apikey.Verdict, error) {
	var f finding
	if err := g.identify(table, &h, r, g.options.Freshness, &f); err != nil {
		return apikey.Verdict{}, err
	}
	if f.decided() {
		return f.verdict, nil
	}
	decision, err := g.spend(table, f.key, r)
	for n := 0; errors.Is(err, ratelimit.ErrOldTerms) && n < looks; n++ {
		// Another instance knows newer terms.
		if err := g.identify(table, &h, r, 0, &f); err != nil {
			return apikey.Verdict{}, err
		}
		if f.decided() {
			return f.verdict, nil
		}
		decision, err = g.spend(table, f.key, r)
	}
	if err != nil {
		return apikey.Verdict{}, err
	}
	if f.verdict.Spent(&decision); !f.verdict.Valid() {
		return f.verdict, nil
	}
	waited := decision.Asked
	if !f.rehashed && !h.Current(f.key.Secrets[f.secret]) {
		g.rehash(table, h, &f, r.Credential.Token())
		waited = true
	}
	if !waited || g.instant(r.Time).since(f.read) < g.options.Freshness {
		return f.verdict, nil
	}
	return g.judgeAgain(table, h, r, &f)
}

// judgeAgain judges a request that was spent for by f, because spending took long enough for the key
// to be revoked meanwhile.
func (g *Gate) judgeAgain(table *patience, h pepper.Hasher, r *Request, f *finding) (apikey.Verdict, error) {
	var again finding
	err := g.identify(table, &h, r, 0, &again)
	switch {
	case err != nil && f.own && g.options.Freshness > 0 && table.over():
		return f.verdict, nil // the table is too slow for a second opinion
	case err != nil:
		return apikey.Verdict{}, err
	case !again.decided():
		again.verdict.Status = f.verdict.Status
	}
	return again.verdict, nil
}

// spend takes the cost of a request from the limit of a key.
func (g *Gate) spend(ctx context.Context, k *apikey.Key, r *Request) (ratelimit.Decision, error) {
	if r.Cost == 0 {
		return ratelimit.Decision{Admitted: true, Status: g.peek(k, r.Time)}, nil
	}
	if k.Unlimited {
		// Touch only stores the time of the last use. Its failure refuses no request.
		asked, _ := g.limiter.Touch(ctx, k.ID, r.Time)
		return ratelimit.Decision{Admitted: true, Asked: asked}, nil
	}
	if err := k.Affords(r.Cost); err != nil {
		return ratelimit.Decision{}, err
	}
	return g.limiter.Take(ctx, k.ID, k.Terms(), r.Cost, r.Time)
}

// peek returns the window status of a key without spending.
func (g *Gate) peek(k *apikey.Key, floor time.Time) ratelimit.Status {
	if k.Unlimited {
		return ratelimit.Status{}
	}
	return g.limiter.Peek(k.ID, k.Terms(), floor)
}

// time returns the limiter's time, by which keys are judged.
func (g *Gate) time(floor time.Time) time.Time {
	return ratelimit.NotBefore(g.options.Now().Round(0), floor)
}

// instant returns the present moment, for ages. It is never set forward, because a read with a
// future time would look younger than it is.
func (g *Gate) instant(arrival time.Time) Instant {
	now := g.options.Clock()
	if !arrival.IsZero() {
		now.gateway = arrival.UnixMilli()
	}
	return now
}
