package ratelimit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Memory is a [Store] in the memory of this process. Other processes do not see what it counts, and
// it is lost with the process. It is for keys that are checked while no table can be reached.
type Memory struct {
	mu     sync.Mutex
	meters *simplelru.LRU[string, *Meter]
}

// NewMemory returns a store of the size meters that were used last. size must be positive.
func NewMemory(size int) *Memory {
	meters, err := simplelru.NewLRU[string, *Meter](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	return &Memory{meters: meters}
}

// Spend applies s; see [Store].
func (s *Memory) Spend(_ context.Context, id string, spend Spend) (Meter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.meters.Get(id)
	if !ok {
		m = &Meter{}
		s.meters.Add(id, m)
	}
	err := m.Apply(spend)
	return m.clone(), err
}

// Meter returns the meter of an id; see [Store].
func (s *Memory) Meter(_ context.Context, id string) (Meter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.meters.Get(id); ok {
		return m.clone(), nil
	}
	return Meter{}, nil
}

// Record does nothing, because no one could read the usage.
func (s *Memory) RecordUsage(context.Context, string, []DayUsage) error { return nil }

// Touch does nothing, because no one could read the time.
func (s *Memory) Touch(context.Context, string, time.Time) error { return nil }

func (m *Meter) clone() Meter {
	c := *m
	c.Marks, c.Past, c.Earlier = slices.Clone(m.Marks), slices.Clone(m.Past), slices.Clone(m.Earlier)
	return c
}
