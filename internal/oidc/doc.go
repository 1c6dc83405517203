// Package oidc verifies JSON Web Tokens of the configured OpenID Connect issuers. It is for users
// who come with such a token instead of a key. Make a [Verifier] with [New], and ask
// [Verifier.Verify] for the [Verdict] on each token.
//
// An issuer is asked for nothing before the first token comes. Its keys are then used for fifteen
// minutes. A token that none of these keys has signed makes the verifier fetch the keys again, at
// most once in thirty seconds. Claims are looked up by their exact names. encoding/json alone would
// take "SUB" for "sub".
package oidc
