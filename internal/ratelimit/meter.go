package ratelimit

import "time"

// Meter is the stored count of what an id spent. The zero Meter is one that nothing was spent from.
type Meter struct {
	Window   time.Duration // the window that Newest and Marks belong to
	Rev      int64         // the revision of the terms that the window is of
	Used     int64         // the odometer: all tokens ever handed out; only a [Return] lowers it
	Newest   int64         // the newest slice that was spent in; it only grows while Window stays
	Marks    []Mark        // by slice, oldest first
	LastUsed time.Time     // in whole milliseconds

	// Net is Used without the tokens that were given back unused. It counts leased tokens, and
	// those of instances that died, as used. It only grows too, because tokens are given back by
	// asking for fewer new ones.
	Net int64
	// Day is the newest day that was spent on, and Month is its month, as [Date.Month] returns it.
	// DayNet and MonthNet are where Net stood just before them.
	Day      Date
	DayNet   int64
	Month    int64
	MonthNet int64
	// Earlier are a few moments before the last change of the window, oldest first. They give the
	// spend in a window that reaches back to before the change.
	Earlier []Point
	// Past are the days before Day whose marks are still stored, oldest first. Their usage may not
	// be recorded yet.
	Past []DayMark
	// Returns is how often tokens were given back by a [Return]. It only grows.
	Returns int64
	// Fence only grows. A spend with a lower [Part.Fence] is refused. Zero is no fence.
	Fence int64
}

// Mark says where the odometer stood just before the first token of a slice. It is written once and
// never changes.
type Mark struct {
	Slice int64
	Used  int64
}

// DayMark says where Net stood just before the first token of a day.
type DayMark struct {
	Day Date
	Net int64
}

// Point says where the odometer stood at a moment, in whole milliseconds: every token up to Used
// was handed out before At.
type Point struct {
	At   time.Time
	Used int64
}
