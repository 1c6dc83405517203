// Package tally counts what one instance refuses, in its memory, and writes the counts down now and
// then. It also writes when a token was last used that a rotation has replaced. A gate tells a
// [Tally] its verdicts on the keys of the table by [Tally.Note], and calls [Tally.WriteDue] with every
// request.
//
// The counts are a lower bound. A count is added to the table at the first request that comes at least
// a minute after it began. Counts are lost with an instance that ends before, if a write fails, and
// beyond the 1,000 keys that an instance remembers. No request ever counts twice.
package tally
