// Package oidc says who a user is who comes with a JSON Web Token instead of a
// key: it verifies tokens of the OpenID Connect issuers that are configured. Make
// a [Verifier], and ask it for the [Verdict] on each token.
//
// Nothing is fetched before the first token comes. An issuer's keys are then kept
// for fifteen minutes, and asked for anew when a token was signed by none of
// them, at most once in thirty seconds. What a token says is looked up by its
// exact names: encoding/json alone would take "SUB" for "sub".
package oidc
