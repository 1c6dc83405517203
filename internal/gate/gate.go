package gate

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/pepper"
	"latchkey/internal/ratelimit"
	"latchkey/internal/tally"
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
	// Tally is told each verdict on a key of the table. It may be nil.
	Tally *tally.Tally
	// Freshness is how long a read may be trusted. It is the published bound on how long a revoked
	// key still works: a request that begins this long after a change was acknowledged, or later, is
	// judged by the change. Zero reads the key for every request. Any other value must be at least
	// [MinFreshness].
	Freshness time.Duration
	// Patience bounds how long one check waits for the secret and the table together. An upstream
	// may take more time.
	Patience     time.Duration
	Environments []apikey.Environment // accepted here
	// Life bounds keys whose plan does not. Only its IdleDays count here.
	Life apikey.Life
	// TrustFences says that a spend may take the place of a read of the key, see proof.go. It must not
	// be set while a writer that does not fence may change keys.
	TrustFences bool
	// Clock is read once for each attempt to decide. It measures the age of a read.
	Clock Clock
	// Corrected returns the limiter's time when the wall clock shows wall. Keys are judged by that time
	// too, so that both are right or wrong together. If nil, it is what the wall clock shows.
	Corrected func(wall time.Time) time.Time
	Remember  int // bounds how many keys are remembered
}

// Gate judges the requests of one instance. It is safe for concurrent use.
type Gate struct {
	options Options
	table   Finder
	limiter *ratelimit.Limiter
	memory  *memory
	rules   rules
}

// New returns a gate before table.
func New(table Finder, limiter *ratelimit.Limiter, options Options) *Gate {
	return &Gate{
		options: options, table: table, limiter: limiter, memory: newMemory(options.Remember), rules: standard(),
	}
}

// MismatchAge is the largest age of a remembered read by which a token is refused. Guessing tokens
// of one key therefore costs at most one read in this time. A new secret may be missing in a read
// of this age, so it must not be handed out sooner; see
// [latchkey/internal/registry.Registry.Rotate].
const MismatchAge = 100 * time.Millisecond

// MinFreshness is the least freshness other than zero. It is longer than a read and a write of a
// healthy table take, so a check seldom needs a second read.
const MinFreshness = 250 * time.Millisecond

// looks bounds how often one check reads a key again. The key may have changed, or no write may have
// proven it.
const looks = 3

// Check judges a request. A refusal consumes nothing. An error means that Check could not decide.
// It is never evidence against the caller, and tokens may then have been spent. Check never waits
// for the secret and the table together for longer than [Options.Patience]. The writes of a tally may
// take 0.3 seconds more.
func (g *Gate) Check(ctx context.Context, r Request) (v apikey.Verdict, err error) {
	if g.options.Observe == nil {
		err = g.checkAndTally(ctx, &r, &v)
		return v, err
	}
	begun := g.options.Clock().Mono
	err = g.checkAndTally(ctx, &r, &v)
	g.options.Observe(v, err, g.options.Clock().Mono-begun)
	return v, err
}

// checkAndTally is check, and then writes what the tally has to write.
func (g *Gate) checkAndTally(ctx context.Context, r *Request, v *apikey.Verdict) error {
	err := g.check(ctx, r, v)
	if err == nil && g.options.Tally != nil {
		g.options.Tally.WriteDue(ctx)
	}
	return err
}

// check is Check without the tally's writes, and sets the verdict in v. v is zero if it could not
// decide. It is not returned, because each copy costs a hundredth of a check.
func (g *Gate) check(ctx context.Context, r *Request, v *apikey.Verdict) error {
	err := g.decide(ctx, r, v)
	if err != nil {
		*v = apikey.Verdict{}
	}
	return err
}

// decide judges a request by the credential that it has.
func (g *Gate) decide(ctx context.Context, r *Request, v *apikey.Verdict) error {
	c := &r.Credential
	if c.Missing() {
		v.Code = apikey.CodeMissing
		return nil
	}
	if c.Ambiguous() {
		return g.checkTwo(ctx, *r, v)
	}
	if k := g.options.Static.Find(c); k != nil {
		return g.checkStatic(ctx, k, r, v)
	}
	table := g.memory.patience(ctx, g.options.Patience) // it bounds the read of the secret too
	defer g.memory.end(table)
	keyring, err := g.options.Keyring(table)
	if err != nil {
		return fmt.Errorf("load the secret: %w", err)
	}
	if k := keyring.Static.Find(c); k != nil {
		return g.checkStatic(ctx, k, r, v)
	}
	if c.Code() != "" {
		v.Code = c.Code()
		return nil
	}
	return g.checkStored(table, keyring.Hasher, r, v)
}

// checkStored judges a token by the table: it identifies the key, judges it and spends from its
// limits. Three rules bound the age of a read, of a key and of its user and plan alike:
//
//   - A request is admitted on reads that were younger than Freshness when they were looked up, or
//     that began within this check. A write of this check may prove an older read of the key, as
//     proof.go says.
//   - A request is refused as [Gate.identify] says.
//   - If a read is older than Freshness after a write, one more read decides, however long that
//     takes. With a Freshness of zero, one more read follows every write.
func (g *Gate) checkStored(table *patience, h pepper.Hasher, r *Request, v *apikey.Verdict) error {
	var f finding
	err := g.judgeStored(table, h, r, &f, v)
	if err == nil && v.Key != nil && !f.spent && g.options.Tally != nil {
		g.options.Tally.Note(table, v)
	}
	return err
}

// judgeStored is checkStored without the tally, and fills f.
func (g *Gate) judgeStored(table *patience, h pepper.Hasher, r *Request, f *finding, v *apikey.Verdict) error {
	trusted := ages{key: g.options.Freshness, bounds: g.options.Freshness, provable: true}
	if err := g.identify(table, &h, r, trusted, f, v); err != nil || f.decided(v) {
		return err
	}
	var learned retry
	asked, err := g.spend(table, f, f.subject, r, v)
	for n := 0; err != nil && n < looks && learned.from(err); n++ {
		f.reset(v)
		if err := g.identify(table, &h, r, ages{}, f, v); err != nil || f.decided(v) {
			return err
		}
		asked, err = g.spend(table, f, learned.apply(f.subject), r, v)
	}
	if err != nil || !v.Valid() {
		return err
	}
	if r.Cost > 0 {
		f.subject.note()
	}
	if !f.subject.rehashed && !h.Current(&f.subject.key.Secrets[f.secret]) {
		g.rehash(table, h, f, r.Credential.Token())
		asked = true
	}
	if !f.unproven && !g.mayHaveChanged(f, asked, r) {
		return nil
	}
	return g.judgeAgain(table, h, r, f, v)
}

// judgeAgain judges a request that was spent for by f, because spending took long enough for the key
// to be revoked meanwhile.
func (g *Gate) judgeAgain(table *patience, h pepper.Hasher, r *Request, f *finding, v *apikey.Verdict) error {
	var again finding
	var second apikey.Verdict
	err := g.identify(table, &h, r, ages{}, &again, &second)
	switch {
	case err != nil && !f.unproven && !f.remembered && g.options.Freshness > 0 && table.over():
		return nil // the table is too slow for a second opinion
	case err != nil:
		return err
	case !again.decided(&second):
		second.Status, second.Parts, second.Statuses = v.Status, v.Parts, v.Statuses
	}
	*v = second
	return nil
}

// mayHaveChanged reports whether the key, its user or its plan may have changed while the store was
// asked.
func (g *Gate) mayHaveChanged(f *finding, asked bool, r *Request) bool {
	if !asked {
		return false
	}
	if g.options.TrustFences && f.subject.proof == nil && f.remembered && g.rules.readsPending {
		return true
	}
	now := g.instant(r.Time)
	return g.rules.looksAfter && f.subject.age(&now) >= g.options.Freshness
}

// time returns the limiter's time, by which keys are judged.
func (g *Gate) time(floor time.Time) time.Time {
	_, now := g.present(floor)
	return now
}

// instant returns the present moment, for ages. It is never set forward, because a read with a
// future time would look younger than it is.
func (g *Gate) instant(arrival time.Time) moment {
	at, _ := g.present(arrival)
	return at
}

// present returns what instant and time return, by one look at the clock.
func (g *Gate) present(arrival time.Time) (moment, time.Time) {
	now := g.options.Clock()
	at := moment{wall: now.Wall.UnixNano(), mono: now.Mono}
	if !arrival.IsZero() {
		at.gateway = arrival.UnixMilli()
	}
	wall := now.Wall.Round(0)
	if g.options.Corrected != nil {
		wall = g.options.Corrected(wall)
	}
	return at, ratelimit.NotBefore(wall, arrival)
}
