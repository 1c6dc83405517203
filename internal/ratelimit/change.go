package ratelimit

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// This file handles changes of the window. Slices of two windows do not fit each other, so the
// meter is then read by moments. The spend in the new window is how far the odometer has moved
// since the newest known moment before that window.

const (
	// longest is how long a moment before a change may matter: the longest window, a day, with its
	// guard and one slice.
	longest = 25 * time.Hour
	// maxPoints is how many moments are stored. A moment that is left out can only make the past
	// look fuller than it was.
	maxPoints = 4
)

// points returns each moment at which the odometer is known. The last one is the last use, after
// which nothing was handed out.
func (m *Meter) points(old frame, now time.Time) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		if n := len(m.Earlier); n > 0 && now.Sub(m.Earlier[n-1].At) < longest {
			for _, p := range m.Earlier {
				if !yield(p) {
					return
				}
			}
		}
		for _, mark := range m.Marks {
			if !yield(Point{old.start(mark.Slice), mark.Used}) {
				return
			}
		}
		yield(Point{m.unused(), m.Used})
	}
}

// unused returns the first moment after the last use. LastUsed has lost a part of a millisecond, so
// a slice may have begun after it.
func (m *Meter) unused() time.Time { return m.LastUsed.Add(time.Millisecond) }

// spentSince returns how many tokens were handed out after a moment, as far back as the meter
// remembers.
func (m *Meter) spentSince(from time.Time, old frame, now time.Time) int64 {
	known, first := int64(-1), int64(math.MaxInt64)
	for p := range m.points(old, now) {
		first = min(first, p.Used)
		if !p.At.After(from) {
			known = max(known, p.Used)
		}
	}
	if known < 0 {
		known = first
	}
	return m.Used - known
}

// freeAfter returns when a window of length span will hold so little that n tokens fit.
func (m *Meter) freeAfter(span time.Duration, old frame, now time.Time, limit, n int64) time.Time {
	needed := m.Used + n - limit // where the odometer must have stood before the window
	at := m.unused().Add(span)
	for p := range m.points(old, now) {
		if end := p.At.Add(span); p.Used >= needed && end.Before(at) {
			at = end
		}
	}
	return at
}

// earlier returns the moments to store when the window is changed now. The last one is the change
// itself, because from then on all of them grow old.
func (m *Meter) earlier(old frame, now time.Time) []Point {
	kept := m.informative(old, now)
	if last := kept[len(kept)-1]; last.At.Before(now) {
		kept = append(kept, Point{now, last.Used}.rounded())
	}
	for len(kept) > maxPoints {
		// Leave out the moment whose neighbours are the closest in time.
		least := 1
		for i := 1; i < len(kept)-1; i++ {
			if kept[i+1].At.Sub(kept[i-1].At) < kept[least+1].At.Sub(kept[least-1].At) {
				least = i
			}
		}
		kept = slices.Delete(kept, least, least+1)
	}
	return kept
}

// informative returns the known moments by time, without those that add nothing.
func (m *Meter) informative(old frame, now time.Time) []Point {
	var all []Point
	for p := range m.points(old, now) {
		all = append(all, p.rounded())
	}
	slices.SortStableFunc(all, func(a, b Point) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Used, b.Used))
	})
	var kept []Point
	for _, p := range all {
		last := len(kept) - 1
		if last >= 0 && !p.At.After(kept[last].At) {
			p.At = kept[last].At.Add(time.Millisecond) // a store keeps each under its moment
		}
		switch {
		case last >= 0 && p.Used <= kept[last].Used: // it adds no information
		case last == 0 && now.Sub(p.At) >= longest:
			kept[0] = p // one moment before the longest window is enough
		default:
			kept = append(kept, p)
		}
	}
	return kept
}

// rounded returns p with its moment rounded up to whole milliseconds. A later moment makes the past
// look fuller.
func (p Point) rounded() Point {
	p.At = time.UnixMilli(p.At.Add(time.Millisecond - 1).UnixMilli())
	return p
}
