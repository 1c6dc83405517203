// Package gate judges requests. Call [Gate.Check]: it finds the key behind a credential with its user
// and its plan, judges it by the rules in policy.go, spends from its limits and those of its user, and
// returns an [apikey.Verdict].
// [Gate.Explain] runs the same rules for one request and says what each of them found.
//
// A refusal is a Verdict that is not valid. An error means that the gate could not decide. It must
// fail closed, and is never evidence that a key is bad.
//
// What is remembered of a key is a subject: the key, its user, its plan, and the meters that a request
// spends from. It is as old as the oldest of its reads, so one age bounds all of them.
//
// Package gate reads the table through [Finder]. It cannot manage keys, because it does not import
// package registry.
package gate
