package gate_test

import (
	crand "crypto/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
)

func sortTimes(all []time.Time) { slices.SortFunc(all, time.Time.Compare) }

// create stores a new key for a token. Its life begins at a time by the clock of the writer.
func (h *fenceHistory) create(token int, at time.Time) {
	k := &apikey.Key{
		ID: h.tokens[token].ID(), UserID: "u1", Environment: apikey.Live, Limit: h.limit, Enabled: true,
		CreatedAt: at.Truncate(time.Millisecond), Secrets: []apikey.Secret{h.hasher.Hash(h.tokens[token])},
	}
	h.locked(func() {
		if h.key == nil {
			h.put(k)
		}
	})
}

// write changes the key now and then until end, by a clock that is off.
func (h *fenceHistory) write(t *testing.T, end time.Time, n time.Duration) {
	for {
		time.Sleep(h.below(3 * time.Second))
		if !time.Now().Before(end) {
			return
		}
		h.change(t, n*40*time.Millisecond)
	}
}

// change makes one change, or begins one. The writer may die after its fence, and may not learn
// whether the change was made.
func (h *fenceHistory) change(t *testing.T, late time.Duration) {
	if h.float() < 0.2 {
		h.changeUser()
		return
	}
	now := time.Now().Add(-late)
	var from *apikey.Key
	h.locked(func() { from = h.key })
	if from == nil {
		token := len(h.tokens) - 1
		if h.float() < 0.5 {
			token = h.next(t)
		}
		h.create(token, now)
		return
	}
	to, kind := h.edit(t, from)
	var c changeRules
	if h.mutant.change != nil {
		h.mutant.change(&c)
	}
	next := *from
	next.Rev++
	fence := func() error {
		if c.unfenced == kind {
			return nil
		}
		return h.raise(next.Fence(), c)
	}
	if !c.fencesAfter {
		if err := fence(); err != nil {
			return
		}
	}
	if h.float() < 0.05 {
		return
	}
	time.Sleep(h.below(10 * time.Millisecond))
	applied := false // a transaction is applied once, however often it arrives
	_ = h.send(func(bool) {
		if applied || h.key == nil || h.key.Fence() != from.Fence() {
			return
		}
		applied = true
		if to != nil {
			to.Rev++
		}
		h.put(to)
		if to == nil && c.deletesMeter {
			h.meter, h.expires = ratelimit.Meter{}, time.Time{}
		}
	}, func() {})
	if c.fencesAfter {
		_ = fence()
	}
}

// changeUser suspends the user, or resumes it.
func (h *fenceHistory) changeUser() {
	h.locked(func() {
		to := apikey.User{ID: "u1", Suspended: true, Since: time.Now()}
		if h.user != nil {
			to = *h.user
			to.Rev++
			to.Suspended = !to.Suspended
		}
		h.user = &to
		h.users = append(h.users, userState{time.Now(), to.Suspended})
	})
}

// edit returns the key as a change makes it, or nil, and the kind of the change.
func (h *fenceHistory) edit(t *testing.T, from *apikey.Key) (to *apikey.Key, kind string) {
	c := *from
	to = &c
	draw := h.float()
	switch {
	case !from.RevokedAt.IsZero() || draw < 0.15:
		return nil, "delete"
	case draw < 0.3:
		to.RevokedAt = time.Now()
		return to, "revoke"
	case !from.Enabled || draw < 0.5:
		to.Enabled = !from.Enabled
		return to, "disable"
	case draw < 0.75:
		to.Secrets = []apikey.Secret{h.hasher.Hash(h.tokens[h.next(t)])}
		return to, "rotate"
	}
	to.Description += "x"
	return to, "patch"
}

// next adds another token of the key.
func (h *fenceHistory) next(t *testing.T) int {
	token, err := h.format.Next(apikey.Live, h.tokens[0].ID(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return h.addToken(token)
}

// run plays one history, and returns the promise that was broken, or "".
func runFenceHistory(t *testing.T, seed uint64, m *fenceMutant, shared *simShared) (h *fenceHistory, broken string) {
	synctest.Test(t, func(t *testing.T) {
		h = newFenceHistory(t, seed, m, shared)
		h.play(t)
		broken = h.judge()
	})
	return h, broken
}

// Keys are changed, rotated, revoked, deleted and created again while instances check requests with
// them, through a bad network and with clocks that are off. No verdict rests on a key that was
// changed too long before.
func TestASpendProvesTheKey(t *testing.T) {
	shared := newSimShared(t)
	var checks, unsure, admitted, reads, writes, changes int
	for seed := range uint64(*rounds * 1000) {
		h, broken := runFenceHistory(t, seed, &fenceMutant{}, shared)
		if broken != "" {
			t.Errorf("seed %d: %s", seed, broken)
		}
		checks, unsure, admitted = checks+len(h.checks), unsure+h.unsure, admitted+h.admitted
		reads, writes, changes = reads+h.counts.reads, writes+h.counts.writes, changes+h.counts.changes
	}
	t.Logf("%d histories: %d checks, %d admitted, %d not decided, %d reads, %d writes, %d changes",
		*rounds*1000, checks, admitted, unsure, reads, writes, changes)
	if admitted < checks/4 {
		t.Error("too few requests were admitted: nothing was tested")
	}
}

func unfenced(kind string) func(*changeRules) { return func(c *changeRules) { c.unfenced = kind } }

// mostHistories bounds how many histories a mutant is looked for in.
const mostHistories = 20_000

// Each rule of proof.go is needed: without it, some history breaks a promise.
func TestEveryRuleOfProofIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	shared := newSimShared(t)
	for _, m := range []fenceMutant{
		{name: "a spend without a fence", spend: func(s *ratelimit.Spend, _ int64) { s.Fence = 0 }},
		{name: "a first spend without a fence", spend: func(s *ratelimit.Spend, _ int64) {
			if s.Fresh {
				s.Fence = 0
			}
		}},
		{name: "a spend with the fence of the meter", spend: func(s *ratelimit.Spend, seen int64) { s.Fence = max(s.Fence, seen) }},
		{name: "a revocation does not fence", change: unfenced("revoke")},
		{name: "a deletion does not fence", change: unfenced("delete")},
		{name: "a rotation does not fence", change: unfenced("rotate")},
		{name: "disabling does not fence", change: unfenced("disable")},
		{name: "a change of nothing else does not fence", change: unfenced("patch")},
		{name: "a deletion deletes the meter", change: func(c *changeRules) { c.deletesMeter = true }},
		{name: "a change keeps the end of the meter", change: func(c *changeRules) { c.keepsTTL = true }},
		{name: "the fence is raised after the change", change: func(c *changeRules) { c.fencesAfter = true }},
		{name: "the fence is set without a condition", change: func(c *changeRules) { c.lowers = true }},
		{name: "a key is remembered for ever", gate: gate.KeepsForever},
		{name: "a proof is dated by the reply", gate: gate.DatesByReply},
		{name: "a lost write proves", gate: gate.CountsLostWrites, lossy: 0.6},
		{name: "a lease proves", gate: gate.LeasesProve},
		{name: "no look after a slow spend", gate: gate.NeverLooksAfter},
		{name: "a refusal by an old key", gate: gate.RefusesUnread},
		{name: "a pending key is spent by", gate: gate.SpendsWhilePending},
		{name: "a change of the user does not count", gate: gate.IgnoresBounds},
		{name: "ages by the monotonic clock alone", stops: true},
	} {
		t.Run(m.name, func(t *testing.T) {
			for seed := range uint64(mostHistories) {
				if _, broken := runFenceHistory(t, seed, &m, shared); broken != "" {
					t.Logf("history %d: %s", seed+1, broken)
					return
				}
			}
			t.Errorf("no history of %d is broken", mostHistories)
		})
	}
}
