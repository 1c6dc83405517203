package oidc

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"latchkey/internal/apikey"
)

// Options are the settings of a [Verifier]. Now is required.
type Options struct {
	// Issuers are the URLs of the accepted issuers, exactly as their tokens name them in iss. Without
	// issuers every token is refused.
	Issuers []string
	// Audiences are the accepted audiences. A token must name one of them in aud.
	Audiences []string
	// AdminClaim is a claim and its value that make a user an admin, as in "groups=latchkey-admins".
	// The value may be the whole string, one word of it, or one string of a list. If empty, no user
	// is an admin.
	AdminClaim string
	// UserClaim is the claim that names the owner of the user's keys. If empty, it is sub.
	UserClaim string
	// RoleClaim is a claim with roles, and WriteRoles are those of them with which a user may change
	// keys. Other users may only read. The claim is read as AdminClaim is. If it is empty, every user
	// may change keys.
	RoleClaim  string
	WriteRoles []string
	// GroupsClaim is the claim with the groups of a user: one string or a list of strings. If empty,
	// no user has groups.
	GroupsClaim string
	// Now is the clock. It must be safe for concurrent use.
	Now func() time.Time
}

// User is the user whom a token was issued to.
type User struct {
	ID      string // of the owner of the user's keys
	Subject string // the token's sub
	Name    string // empty if the token has no name, or one that cannot be displayed
	Scopes  apikey.Scopes
	// Groups are the user's groups whose team can own keys, sorted. BadGroups is the number of those
	// whose team cannot, because of their names.
	Groups    []string
	BadGroups int
}

// Verdict is the answer to one token: either a user or the reason of a refusal.
type Verdict struct {
	User    User
	Refused apikey.Code // empty if the token is accepted
}

// The reasons of a refusal, as codes for the log. None repeats anything of the token.
const (
	Malformed        = apikey.CodeMalformedToken // also for an algorithm that is not accepted
	UnknownIssuer    = apikey.CodeUnknownIssuer
	UnknownSignature = apikey.CodeUnknownSignature
	WrongAudience    = apikey.CodeWrongAudience
	Expired          = apikey.CodeExpiredToken // also for a token without an end
	NotYetValid      = apikey.CodeTokenNotYetValid
	WrongSubject     = apikey.CodeWrongSubject    // no user, or one whose id no key could have
	ReservedSubject  = apikey.CodeReservedSubject // a user id that latchkey itself uses, such as admin
	WrongUserClaim   = apikey.CodeWrongUserClaim  // no owner, or one whose id no key could have
)

// clockSkew is how far an issuer's clock may be ahead of this one.
const clockSkew = 5 * time.Second

// algorithms are the accepted signature algorithms: all that need a private key. "none" needs no key,
// and HMAC could be computed with the public key.
var algorithms = [...]string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	options Options
	issuers map[string]*issuer // by URL
}

// New returns a verifier. It sends no request.
func New(o Options) *Verifier {
	v := &Verifier{options: o, issuers: make(map[string]*issuer)}
	client := newClient()
	for _, url := range o.Issuers {
		v.issuers[url] = &issuer{url: url, client: client, now: o.Now}
	}
	return v
}

// Verify judges a token. It may ask the token's issuer for its keys, and takes at most 2.5 seconds.
// An error means that it could not decide, because the issuer did not answer. It is never evidence
// against the caller.
func (v *Verifier) Verify(ctx context.Context, token string) (Verdict, error) {
	unverified, ok := unverifiedClaims(token)
	if !ok {
		return Verdict{Refused: Malformed}, nil
	}
	// The unverified iss only selects the issuer, whose keys the token must then be signed with.
	i := v.issuers[unverified.text("iss")]
	if i == nil {
		return Verdict{Refused: UnknownIssuer}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, apikey.Patience)
	defer cancel()
	keys := &keySet{issuer: i}
	verified, err := oidc.NewVerifier(i.url, keys, &oidc.Config{
		SupportedSigningAlgs: algorithms[:],
		// judge is stricter: the library allows five minutes before nbf, and one audience.
		SkipExpiryCheck: true, SkipClientIDCheck: true,
	}).Verify(ctx, token)
	var c claims
	if err == nil {
		err = verified.Claims(&c)
	}
	switch {
	case keys.outage != nil:
		return Verdict{}, keys.outage
	case keys.unknown:
		return Verdict{Refused: UnknownSignature}, nil
	case err != nil:
		return Verdict{Refused: Malformed}, nil
	}
	return v.judge(c), nil
}

// judge decides whether the claims of a verified token are acceptable, and for which user.
func (v *Verifier) judge(c claims) Verdict {
	now := float64(v.options.Now().UnixMilli()) / 1000
	switch {
	case c.expired(now):
		return Verdict{Refused: Expired}
	case c.notYetValid(now + clockSkew.Seconds()):
		return Verdict{Refused: NotYetValid}
	case !c.meantFor(v.options.Audiences):
		return Verdict{Refused: WrongAudience}
	}
	user := User{ID: c.text("sub"), Subject: c.text("sub")}
	if refused := refusedID(user.Subject, WrongSubject); refused != "" {
		return Verdict{Refused: refused}
	}
	if claim := v.options.UserClaim; claim != "" && claim != "sub" {
		user.ID = c.text(claim)
		if refused := refusedID(user.ID, WrongUserClaim); refused != "" {
			return Verdict{Refused: refused}
		}
	}
	if name := c.text("name"); len(name) <= apikey.MaxName && apikey.LegibleName(name) {
		user.Name = name
	}
	user.Scopes = v.scopes(c)
	user.setGroups(c.texts(v.options.GroupsClaim))
	return Verdict{User: user}
}

// refusedID returns the reason why a token's user or owner cannot have an id, or "". wrong is the
// reason if no key could have the id.
func refusedID(id string, wrong apikey.Code) apikey.Code {
	switch {
	case apikey.ReservedSubject(id):
		return ReservedSubject
	case apikey.CheckUserID(id) != nil:
		return wrong
	}
	return ""
}

// scopes returns the scopes of a user: those of an admin, those of a user who may change keys, or
// those of one who may only read.
func (v *Verifier) scopes(c claims) apikey.Scopes {
	if c.contain(v.options.AdminClaim) {
		return apikey.Scopes{apikey.ScopeAdmin}
	}
	writes := func(role string) bool { return c.has(v.options.RoleClaim, role) }
	if v.options.RoleClaim == "" || slices.ContainsFunc(v.options.WriteRoles, writes) {
		return apikey.Scopes{apikey.ScopeRead, apikey.ScopeWrite}
	}
	return apikey.Scopes{apikey.ScopeRead}
}

// setGroups sets the groups of the user. It keeps those whose team can own keys.
func (u *User) setGroups(groups []string) {
	for _, group := range groups {
		if strings.TrimSpace(group) == group && group != "" && apikey.CheckUserID(apikey.Team(group)) == nil {
			u.Groups = append(u.Groups, group)
		} else {
			u.BadGroups++
		}
	}
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
}
