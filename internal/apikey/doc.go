// Package apikey has the nouns of latchkey, and the rules that need no table: [Token], [Credential],
// [Key], [Secret], [Scopes], [Change] and [Verdict]. [Format] parses and makes tokens.
//
// Package gate judges requests, and package registry manages keys. Both use the words of this
// package.
//
// There are three kinds of "no". A refusal is a [Verdict] that is not valid. A caller's mistake is
// one of the sentinels in errors.go. Any other error means "could not decide": it must fail closed,
// and is never evidence that a key is bad.
package apikey
