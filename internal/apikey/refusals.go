package apikey

import "latchkey/internal/ratelimit"

// Refusals counts refused requests by the day and the code of the verdict.
type Refusals map[ratelimit.Date]map[Code]int64

// Add adds n refusals on a day.
func (r Refusals) Add(day ratelimit.Date, code Code, n int64) {
	if r[day] == nil {
		r[day] = make(map[Code]int64)
	}
	r[day][code] += n
}

// AddAll adds all refusals of other.
func (r Refusals) AddAll(other Refusals) {
	for day, codes := range other {
		for code, n := range codes {
			r.Add(day, code, n)
		}
	}
}
