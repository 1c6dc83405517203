package scale_test

import "time"

// The most that DynamoDB promises for one partition, in units a second. One item is in one partition.
// Unused capacity of a tenth of a second may be used later. AWS does not say how it measures a second, so
// a longer time may be too good.
const (
	partitionReads  = 3000
	partitionWrites = 1000
	burst           = 100 * time.Millisecond
)

// partition stores the items of one partition key. The world's lock guards it.
type partition struct {
	reads, writes bucket
	written       map[int64]int // how many writes were made in each second
}

func newPartition(capacity float64) *partition {
	return &partition{
		reads: newBucket(capacity * partitionReads), writes: newBucket(capacity * partitionWrites), written: make(map[int64]int),
	}
}

// bucket is capacity that comes at a steady rate.
type bucket struct {
	rate, most float64 // units a second, and units that it holds
	left       float64
	at         time.Time
}

func newBucket(rate float64) bucket {
	most := rate * burst.Seconds()
	return bucket{rate: rate, most: max(most, 1), left: max(most, 1)}
}

func (b *bucket) take(now time.Time) bool {
	if b.at.IsZero() {
		b.at = now
	}
	b.left = min(b.most, b.left+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
