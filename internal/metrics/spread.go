package metrics

import (
	"math/bits"
	"time"
)

// spread counts durations by size, from a microsecond to more than any invocation may take. Each
// step is an eighth of a power of two.
type spread [8 * 30]int64

// add counts a duration.
func (s *spread) add(d time.Duration) {
	us := uint64(max(d.Microseconds(), 1))
	step := int(us)
	if shift := bits.Len64(us) - 4; shift > 0 {
		step = shift*8 + int(us>>shift)
	}
	s[min(step, len(s)-1)]++
}

// middle returns the middle of a step, in milliseconds.
func middle(step int) float64 {
	if step < 16 {
		return float64(step) / 1000
	}
	shift := step/8 - 1
	return float64((16+2*(step%8)+1)<<shift) / 2 / 1000
}

// maxValues is how many values the format allows for a metric.
const maxValues = 100

// sample returns all durations in milliseconds, smallest first. If there are too many, it returns
// those that divide them into equal parts.
func (s *spread) sample() (values []float64) {
	var total int64
	for _, n := range s {
		total += n
	}
	size := min(total, maxValues)
	var passed int64
	for step, n := range s {
		passed += n
		for i := int64(len(values)); i < size && (2*i+1)*total/(2*size) < passed; i++ {
			values = append(values, middle(step))
		}
	}
	return values
}
