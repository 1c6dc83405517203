package ratelimit

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// This file handles changes of the window. Slices of two windows do not fit each other, so the
// meter is then read by moments. The spend in the new window is the move of the odometer since the
// newest moment before that window.

const (
	// longest is for how long a moment before a change may matter: the longest
	// window, a day, with its guard and one slice.
	longest = 25 * time.Hour
	// mostPoints is how many moments are stored. Leaving one out can only make the
	// past look fuller than it was.
	mostPoints = 4
)

// points calls yield with each moment at which the odometer is known. The last one
// is the last use, after which nothing was handed out.
func (m *Meter) points(old frame, now time.Time, yield func(Point)) {
	if n := len(m.Earlier); n > 0 && now.Sub(m.Earlier[n-1].At) < longest {
		for _, p := range m.Earlier {
			yield(p)
		}
	}
	for _, mark := range m.Marks {
		yield(Point{old.start(mark.Slice), mark.Used})
	}
	yield(Point{m.LastUsed, m.Used})
}

// spentSince is how many tokens were handed out after a moment, as far as the
// meter remembers.
func (m *Meter) spentSince(from time.Time, old frame, now time.Time) int64 {
	known, first := int64(-1), int64(math.MaxInt64)
	m.points(old, now, func(p Point) {
		first = min(first, p.Used)
		if !p.At.After(from) {
			known = max(known, p.Used)
		}
	})
	if known < 0 {
		known = first
	}
	return m.Used - known
}

// freeAfter is when a window of length span holds so little that n tokens fit.
func (m *Meter) freeAfter(span time.Duration, old frame, now time.Time, limit, n int64) time.Time {
	needed := m.Used + n - limit // where the odometer must stand before the window
	at := m.LastUsed.Add(span)
	m.points(old, now, func(p Point) {
		if end := p.At.Add(span); p.Used >= needed && end.Before(at) {
			at = end
		}
	})
	return at
}

// earlier are the moments to store when the window is changed now.
func (m *Meter) earlier(old frame, now time.Time) []Point {
	var all []Point
	m.points(old, now, func(p Point) { all = append(all, p.rounded()) })
	slices.SortStableFunc(all, func(a, b Point) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Used, b.Used))
	})
	var kept []Point
	for _, p := range all {
		last := len(kept) - 1
		if last >= 0 && !p.At.After(kept[last].At) {
			p.At = kept[last].At.Add(time.Millisecond) // each is stored under its moment
		}
		switch {
		case last >= 0 && p.Used <= kept[last].Used: // it adds no information
		case last == 0 && now.Sub(p.At) >= longest:
			kept[0] = p // one moment before the longest window is enough
		default:
			kept = append(kept, p)
		}
	}
	// The last one is the change itself: from then on they all grow old.
	if last := kept[len(kept)-1]; last.At.Before(now) {
		kept = append(kept, Point{now, last.Used}.rounded())
	}
	for len(kept) > mostPoints {
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

// rounded is p in whole milliseconds. A moment that is taken to be later makes the
// past look fuller.
func (p Point) rounded() Point {
	p.At = time.UnixMilli(p.At.Add(time.Millisecond - 1).UnixMilli())
	return p
}
