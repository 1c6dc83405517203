package migrate

import (
	"strings"
	"time"
)

// ParseTime reads the forms of ISO 8601 that are in use, between the years 1970 and 9999. The time is
// in UTC if text names no zone. A date alone is its first moment. Fractions of a millisecond are cut
// off. It reports false if text is no such time.
func ParseTime(text string) (time.Time, bool) {
	if len(text) < len(time.DateOnly) || text[4] != '-' {
		return time.Time{}, false // most texts are no times, and a failure to parse is slow
	}
	date, clock := text, ""
	if len(text) > len(time.DateOnly) {
		date, clock = text[:len(time.DateOnly)], strings.ToUpper(text[len(time.DateOnly):])
		if clock[0] == ' ' {
			clock = "T" + clock[1:]
		}
	}
	for _, layout := range []string{
		"", "T15:04:05", "T15:04:05Z07:00", "T15:04:05Z0700", "T15:04:05Z07", "T15:04", "T15:04Z07:00",
	} {
		at, err := time.Parse(time.DateOnly+layout, date+clock)
		if err == nil && at.UTC().Year() >= 1970 && at.UTC().Year() <= 9999 {
			return at.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}
