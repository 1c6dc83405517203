package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"latchkey/internal/apikey"
)

// Options say whose tokens are accepted.
type Options struct {
	Issuers   []string // URLs, exactly as tokens name them
	Audiences []string // a token must be meant for one of these
	// AdminClaim is what the token of an admin has, as in "groups=latchkey-admins":
	// the text of a claim, one word of it, or one of its list. Empty: nobody is.
	AdminClaim string
	Now        func() time.Time
}

// User is who a token was issued to.
type User struct {
	ID     string // the token's sub
	Name   string // may be empty
	Scopes apikey.Scopes
}

// Verdict is the answer to one token. Refused is empty when it is accepted.
type Verdict struct {
	User    User
	Refused Reason
}

// Reason says in one word why a token was refused. It repeats nothing of the
// token.
type Reason string

const (
	Malformed        Reason = "malformed_token" // also: an algorithm that is not accepted
	UnknownIssuer    Reason = "unknown_issuer"
	UnknownSignature Reason = "unknown_signature"
	WrongAudience    Reason = "wrong_audience"
	Expired          Reason = "expired_token"
	NotYetValid      Reason = "token_not_yet_valid"
	WrongSubject     Reason = "wrong_subject"
	ReservedSubject  Reason = "reserved_subject" // one that no user may have, such as admin
)

const (
	// patience leaves a caller time to be told within three seconds that an issuer
	// did not answer.
	patience = 2500 * time.Millisecond
	// ahead is how far an issuer's clock may be before ours.
	ahead = 5 * time.Second
)

// algorithms are all that need a private key to sign: with "none" nobody needs
// one, and with HMAC everybody has it.
var algorithms = [...]string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	issuers map[string]*issuer
}

// New returns a verifier, without asking anybody for anything.
func New(o Options) *Verifier {
	v := &Verifier{options: o, issuers: make(map[string]*issuer)}
	client := newClient()
	for _, url := range o.Issuers {
		v.issuers[url] = &issuer{url: url, client: client, now: o.Now}
	}
	return v
}

// Verify judges a token. An error means that it could not decide, since the
// issuer was not to be reached, and is never evidence against the caller.
func (v *Verifier) Verify(ctx context.Context, token string) (Verdict, error) {
	unproven, ok := unprovenClaims(token)
	if !ok {
		return Verdict{Refused: Malformed}, nil
	}
	// This only says whom to ask.
	i := v.issuers[unproven.text("iss")]
	if i == nil {
		return Verdict{Refused: UnknownIssuer}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	keys := &keySet{issuer: i}
	proven, err := oidc.NewVerifier(i.url, keys, &oidc.Config{
		SupportedSigningAlgs: algorithms[:],
		// judge is stricter: the library allows five minutes before nbf, and one
		// audience.
		SkipExpiryCheck: true, SkipClientIDCheck: true,
	}).Verify(ctx, token)
	var c claims
	if err == nil {
		err = proven.Claims(&c)
	}
	switch {
	case keys.outage != nil:
		return Verdict{}, keys.outage
	case keys.refused:
		return Verdict{Refused: UnknownSignature}, nil
	case err != nil:
		return Verdict{Refused: Malformed}, nil
	}
	return v.judge(c), nil
}

// judge is the policy on what a token of an issuer of ours says.
func (v *Verifier) judge(c claims) Verdict {
	// As numbers: a time can be too far away for a time.Time.
	now := float64(v.options.Now().UnixMilli()) / 1000
	expires, hasExpiry := c.number("exp")
	from, hasStart := c.number("nbf")
	switch {
	case !hasExpiry || now >= expires:
		return Verdict{Refused: Expired}
	case c["nbf"] != nil && !hasStart || now+ahead.Seconds() < from:
		return Verdict{Refused: NotYetValid}
	case !slices.ContainsFunc(v.options.Audiences, func(a string) bool { return slices.Contains(c.texts("aud"), a) }):
		return Verdict{Refused: WrongAudience}
	}
	user := User{ID: c.text("sub"), Scopes: apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}}
	switch {
	case apikey.ReservedSubject(user.ID):
		return Verdict{Refused: ReservedSubject}
	case apikey.CheckUserID(user.ID) != nil:
		return Verdict{Refused: WrongSubject}
	}
	if name := c.text("name"); len(name) <= apikey.MaxName && apikey.LegibleName(name) {
		user.Name = name
	}
	if c.have(v.options.AdminClaim) {
		user.Scopes = apikey.Scopes{apikey.ScopeAdmin}
	}
	return Verdict{User: user}
}

// claims are what a token says, by exact name.
type claims map[string]json.RawMessage

// unprovenClaims reads a token without verifying it.
func unprovenClaims(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(payload, &c) == nil
}

func (c claims) text(name string) string {
	var text string
	_ = json.Unmarshal(c[name], &text) // not a text: none
	return text
}

func (c claims) number(name string) (float64, bool) {
	var n *float64
	err := json.Unmarshal(c[name], &n)
	if err != nil || n == nil {
		return 0, false
	}
	return *n, true
}

// texts are the texts of a list, or of a list of one that is not written as one.
func (c claims) texts(name string) []string {
	var list []string
	if json.Unmarshal(c[name], &list) == nil {
		return list
	}
	if text := c.text(name); text != "" {
		return []string{text}
	}
	return nil
}

func (c claims) have(want string) bool {
	name, value, ok := strings.Cut(want, "=")
	return ok && (slices.Contains(c.texts(name), value) || slices.Contains(strings.Fields(c.text(name)), value))
}
