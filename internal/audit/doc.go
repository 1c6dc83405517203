// Package audit is a trail of what was done to subjects, in entries that nobody
// can forge, alter or remove unseen who can merely write to where they are kept.
// It knows nothing of keys and of tables, and does no I/O.
//
// The entries of a subject's life are a chain. Each holds its own text with the
// sum of the one before it, and a sum over that text under a key of the
// deployment. What the subject itself keeps, its [Head], says which entry is the
// last, so that the end of a chain cannot be cut off: an earlier head is not to be
// had from the entries. A life that is over ends with an entry that says so, or
// says from when on the subject may be forgotten.
//
// Entries are forgotten, too, the oldest first. Each says until when the one
// before it must be there, and a head until when its entry must: what is missing
// was forgotten, or it was removed.
//
// What this cannot show: that the table as a whole was put back to what it was at
// an earlier time, and that everything there was of a subject is gone.
package audit
