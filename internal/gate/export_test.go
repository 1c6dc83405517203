package gate

import (
	"math"
	"time"
)

// Mutant changes the rules of a gate, to show that the changed rule is needed.
type Mutant func(*rules)

// The mutants of a gate that trusts fences. Each lacks one rule of proof.go.
func KeepsForever(r *rules)       { r.kept = math.MaxInt64 * time.Nanosecond }
func DatesByReply(r *rules)       { r.sentFirst = false }
func CountsLostWrites(r *rules)   { r.answered = false }
func LeasesProve(r *rules)        { r.asksLeases = false }
func NeverLooksAfter(r *rules)    { r.looksAfter = false }
func RefusesUnread(r *rules)      { r.rereads = false }
func SpendsWhilePending(r *rules) { r.readsPending = false }
func IgnoresBounds(r *rules)      { r.comparesBounds = false }

// Mutate applies m.
func (g *Gate) Mutate(m Mutant) *Gate {
	m(&g.rules)
	return g
}
