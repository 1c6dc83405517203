// Package apikey is what latchkey issues and judges.
//
// A caller presents a [Token]; behind it stands a [Key], the stored record.
// [Gate.Check] judges a token and answers with a [Verdict]; [Registry] manages
// the records. Both stand on a [Store]. Start at Gate.Check: it reads from top
// to bottom in the order in which a request is judged.
//
// There are three kinds of "no". A refusal is a Verdict that is not
// [Verdict.Valid]. A caller's mistake is one of the sentinels in errors.go.
// Any other error means "could not decide" and must fail closed: it is never
// evidence that a key is bad.
package apikey
