package upstream

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"latchkey/internal/apikey"
)

// refusalRetention is the longest time for which a refusal is remembered. The service may have
// created the key since, or a limit may have ended.
const refusalRetention = time.Second

// question identifies a token together with the public key that came with it. It is a hash, so that
// no token stays in memory.
type question string

func newQuestion(token apikey.Token, public string) question {
	var room [256]byte // nearly all tokens fit, and then the text is not allocated
	text := append(room[:0], public...)
	text = append(text, 0)
	text = append(text, token.Reveal()...)
	sum := sha256.Sum256(text)
	return question(sum[:])
}

// answer is a remembered verdict.
type answer struct {
	verdict apikey.Verdict
	asked   time.Time
	until   time.Time
}

// memory remembers answers of the service. Valid keys and refusals have a memory each, so that
// refusals never push out keys. It is safe for concurrent use.
//
// The LRUs have strings as keys and pointers as values, as in other packages. The compiler then makes
// their code only once, which keeps functions small.
type memory struct {
	retention time.Duration // of valid keys

	mu       sync.Mutex
	keys     *simplelru.LRU[question, *answer]
	refusals *simplelru.LRU[question, *answer]
}

// newMemory returns a memory for size keys and size refusals.
func newMemory(size int, retention time.Duration) (*memory, error) {
	keys, err := simplelru.NewLRU[question, *answer](size, nil)
	if err != nil {
		return nil, fmt.Errorf("memory of an upstream: %w", err)
	}
	refusals, err := simplelru.NewLRU[question, *answer](size, nil)
	if err != nil {
		return nil, fmt.Errorf("memory of an upstream: %w", err)
	}
	return &memory{retention: retention, keys: keys, refusals: refusals}, nil
}

// recall returns the answer to a question, if there is one that is still remembered at now. An answer
// from the future counts as forgotten, so a clock that is set back does not prolong it.
func (m *memory) recall(q question, now time.Time) (apikey.Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.keys.Get(q)
	if !ok {
		a, ok = m.refusals.Get(q)
	}
	if !ok || now.Before(a.asked) || !now.Before(a.until) {
		return apikey.Verdict{}, false
	}
	return a.verdict, true
}

// remember replaces the answer to a question that was asked at that time.
func (m *memory) remember(q question, v apikey.Verdict, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v.Valid() {
		m.refusals.Remove(q)
		m.keys.Add(q, &answer{v, asked, asked.Add(m.retention)})
		return
	}
	m.keys.Remove(q)
	m.refusals.Add(q, &answer{v, asked, asked.Add(min(m.retention, refusalRetention))})
}
