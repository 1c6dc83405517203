package scale_test

import (
	"fmt"
	"time"

	"latchkey/internal/ratelimit"
)

// row is a scenario in a table of the manual.
type row struct {
	scenario
	cells []string // that name the scenario
	// quick says that it is simulated in each test, and not only by make scale.
	quick bool
}

const (
	warm = 3 * time.Second
	// A scenario with one key lasts for mostRequests at its rate, but from leastTime to mostTime.
	mostRequests = 30_000
	leastTime    = 5 * time.Second
	mostTime     = 30 * time.Second
)

// hotKeys are scenarios with one key, from limits that one item serves to those that are too much for it.
func hotKeys() (rows []row) {
	add := func(requests int64, window time.Duration, instances int, load float64, edit func(*row)) *row {
		r := row{scenario: scenario{
			seed: uint64(len(rows)) + 1, keys: 1, limit: ratelimit.Limit{Requests: requests, Window: window},
			instances: instances, perSecond: load * float64(requests) / window.Seconds(), warm: warm,
		}}
		lasts := time.Duration(mostRequests / r.perSecond * float64(time.Second))
		r.lasts = max(leastTime, min(mostTime, lasts)).Truncate(time.Second)
		what := fmt.Sprintf("%s in %g s", grouped(int(requests)), window.Seconds())
		r.cells = []string{what, grouped(instances), fmt.Sprintf("%g", load)}
		if edit != nil {
			edit(&r)
		}
		rows = append(rows, r)
		return &rows[len(rows)-1]
	}
	also := func(what string, set func(*row)) func(*row) {
		return func(r *row) {
			r.cells[0] += ", " + what
			set(r)
		}
	}
	quick := func(r *row) { r.quick = true }
	const minute = time.Minute
	add(15_000, minute, 100, 0.95, quick)
	add(15_000, minute, 1000, 0.95, quick)
	add(15_000, minute, 100, 10, nil)
	add(100_000, minute, 100, 0.95, nil)
	add(100_000, minute, 1000, 0.95, nil)
	add(100_000, minute, 3000, 0.95, nil)
	add(100_000, minute, 1000, 2, nil)
	add(100_000, minute, 1000, 10, nil)
	add(100_000, minute, 1000, 0.95, also("uneven", func(r *row) { r.uneven = 1 }))
	add(100_000, minute, 1000, 0.95, also("all begin anew", func(r *row) { r.restarts = true }))
	add(100_000, minute, 1000, 0.95, also("slow partition", func(r *row) { r.slow = true }))
	add(1_000_000, minute, 1000, 0.95, nil)
	add(1_000_000, minute, 3000, 0.95, nil)
	add(1_000_000, time.Hour, 3000, 0.95, nil)
	add(10_000, 10*time.Second, 1000, 0.95, nil)
	add(100_000, 10*time.Second, 1000, 0.95, nil)
	add(250, time.Second, 100, 0.95, quick)
	add(250, time.Second, 100, 10, quick)
	add(1000, time.Second, 100, 0.95, nil)
	add(1000, time.Second, 1000, 0.95, nil)
	add(10_000, time.Second, 1000, 0.95, nil)
	return rows
}

// deployments are scenarios with many keys behind one Lambda function, whose concurrency is a tenth of the
// requests a second.
func deployments() (rows []row) {
	add := func(perSecond int, what string, lasts time.Duration, edit func(*row)) {
		r := row{scenario: scenario{
			seed: uint64(len(rows)) + 101, perSecond: float64(perSecond), keys: 1000, popularity: 1,
			instances: perSecond / 10, lambda: true, ready: true, warm: time.Second, lasts: lasts,
		}, cells: []string{grouped(perSecond), what}}
		if edit != nil {
			edit(&r)
		}
		rows = append(rows, r)
	}
	idle := func(r *row) { r.ready, r.warm = false, 0 }
	flat := func(r *row) { r.popularity = 0 }
	add(10_000, "steady", 5*time.Second, nil)
	add(10_000, "from nothing", 5*time.Second, idle)
	add(10_000, "a new version", 6*time.Second, func(r *row) { r.restarts = true })
	add(10_000, "the busiest key's partition is slow", 6*time.Second, func(r *row) { r.slow = true })
	add(10_000, "all keys alike", 5*time.Second, flat)
	add(100_000, "steady", time.Second, nil)
	add(100_000, "from nothing", time.Second, idle)
	add(100_000, "all keys alike", 500*time.Millisecond, flat)
	add(1_000_000, "all keys alike", 200*time.Millisecond, func(r *row) {
		r.keys, r.popularity, r.warm = 10_000, 0, 400*time.Millisecond
	})
	return rows
}

// grouped writes a number with commas between groups of three digits.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
