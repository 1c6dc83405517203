// Package gate judges requests. Call [Gate.Check]: it finds the key behind a credential, judges it
// by the rules in policy.go, spends from its limit, and returns an [apikey.Verdict].
// [Gate.Explain] runs the same rules for one request and says what each of them found.
//
// A refusal is a Verdict that is not valid. An error means that the gate could not decide. It must
// fail closed, and is never evidence that a key is bad.
//
// Package gate reads the table through [Finder]. It cannot manage keys, because it does not import
// package registry.
package gate
