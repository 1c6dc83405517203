package ratelimit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Memory is a store of this process alone: what it counts nobody else knows, and
// it is lost with the process. It is for when there is no better one.
type Memory struct {
	mu     sync.Mutex
	meters *simplelru.LRU[string, *Meter]
}

// NewMemory returns a store of the size meters that were used last.
func NewMemory(size int) *Memory {
	meters, err := simplelru.NewLRU[string, *Meter](size, nil)
	if err != nil {
		panic(err) // size is not positive: a caller's bug
	}
	return &Memory{meters: meters}
}

// Spend see [Store].
func (s *Memory) Spend(_ context.Context, id string, spend Spend) (Meter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.meters.Get(id)
	if !ok {
		m = &Meter{}
		s.meters.Add(id, m)
	}
	err := m.Apply(spend)
	copied := *m
	copied.Marks, copied.Past, copied.Earlier = slices.Clone(m.Marks), slices.Clone(m.Past), slices.Clone(m.Earlier)
	return copied, err
}

// Record see [Store]. Nobody would read it.
func (s *Memory) Record(context.Context, string, []DayUse) error { return nil }

// Touch see [Store].
func (s *Memory) Touch(context.Context, string, time.Time) error { return nil }

// Apply does to m what s says, or leaves it as it is and returns [ErrStale].
func (m *Meter) Apply(s Spend) error {
	if s.Fresh && m.Used != 0 || !s.Fresh && (m.Used == 0 ||
		m.Window != s.SeenWindow || m.Newest > s.MaxNewest || m.Used < s.MinUsed || m.Used > s.MaxUsed ||
		m.Net > s.MaxNet || m.Day == s.Day.Next() || s.Restart && m.Rev > s.Rev) {
		return ErrStale
	}
	m.Marks = slices.DeleteFunc(slices.Clone(m.Marks), func(k Mark) bool { return slices.Contains(s.Forget, k.Slice) })
	at := slices.IndexFunc(m.Marks, func(k Mark) bool { return k.Slice == s.Slice })
	switch {
	case at < 0 && s.Restart:
		m.Marks = append(m.Marks, Mark{Slice: s.Slice, Used: s.Base})
	case at < 0:
		m.Marks = append(m.Marks, Mark{Slice: s.Slice, Used: m.Used})
	case s.Restart:
		m.Marks[at].Used = s.Base
	}
	slices.SortFunc(m.Marks, func(a, b Mark) int { return int(a.Slice - b.Slice) })
	m.Past = slices.DeleteFunc(slices.Clone(m.Past), func(d DayMark) bool { return slices.Contains(s.ForgetDays, d.Day) })
	m.Earlier = slices.DeleteFunc(slices.Clone(m.Earlier), func(p Point) bool {
		at := func(t time.Time) bool { return t.Equal(p.At) }
		return slices.ContainsFunc(s.ForgetEarlier, at) || slices.ContainsFunc(s.Earlier, func(q Point) bool { return at(q.At) })
	})
	m.Earlier = append(m.Earlier, s.Earlier...)
	slices.SortFunc(m.Earlier, func(a, b Point) int { return a.At.Compare(b.At) })
	if s.Day > m.Day {
		if m.Day != 0 {
			m.Past = append(m.Past, DayMark{m.Day, m.DayNet})
		}
		m.Day, m.DayNet = s.Day, m.Net
	}
	if s.Day.Month() > m.Month {
		m.Month, m.MonthNet = s.Day.Month(), m.Net
	}
	if s.Fresh || s.Restart {
		m.Rev = s.Rev
	}
	m.Window, m.Newest, m.LastUsed = s.Window, s.Slice, s.At.Truncate(time.Millisecond)
	m.Used, m.Net = m.Used+s.Tokens, m.Net+s.Net
	return nil
}
