package apikey

// revisionBits is how many bits of a generation a revision has. A key that is changed more often
// still has a higher fence with each change.
const revisionBits = 20

// Fence returns a number that names one revision of one life of a key. It grows with each
// change. A key that is created later with the same id begins with a higher one, unless its CreatedAt
// is older. It is never negative.
func (k *Key) Fence() int64 {
	if k.CreatedAt.Unix() <= 0 { // the record was altered
		return k.Rev
	}
	return k.CreatedAt.UnixMilli()<<revisionBits + k.Rev
}
