package metrics

import (
	"math/bits"
	"time"
)

// spread counts durations by size, in steps of an eighth: from a microsecond to
// more than any invocation may take.
type spread [8 * 30]int64

func (s *spread) add(d time.Duration) {
	us := uint64(max(d.Microseconds(), 1))
	step := int(us)
	if shift := bits.Len64(us) - 4; shift > 0 {
		step = shift*8 + int(us>>shift)
	}
	s[min(step, len(s)-1)]++
}

// middle of a step, in milliseconds.
func middle(step int) float64 {
	if step < 16 {
		return float64(step) / 1000
	}
	shift := step/8 - 1
	return float64((16+2*(step%8)+1)<<shift) / 2 / 1000
}

// most is how many values the format allows for a metric.
const most = 100

// sample returns all durations in milliseconds, smallest first, or if there are
// too many, those that split them evenly.
func (s *spread) sample() (values []float64) {
	var total int64
	for _, n := range s {
		total += n
	}
	size := min(total, most)
	var passed int64
	for step, n := range s {
		passed += n
		for i := int64(len(values)); i < size && (2*i+1)*total/(2*size) < passed; i++ {
			values = append(values, middle(step))
		}
	}
	return values
}
