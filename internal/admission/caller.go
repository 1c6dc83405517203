package admission

import (
	"cmp"
	"strconv"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/percent"
)

// Caller is what a backend and latchkey's own routes may know of a caller whose request passed.
type Caller struct {
	// UserIDHeader, KeyIDHeader and ScopeHeader are UserID, KeyID and Scopes as a backend receives
	// them in headers: percent-encoded where a header could not have the character. KeyIDHeader is
	// empty for a user without a key. Without scopes, ScopeHeader is "-".
	UserIDHeader string
	KeyIDHeader  string
	ScopeHeader  string
	KeyID        string // empty for a user without a key
	UserID       string
	Name         string
	Scopes       string // separated by spaces
	Environment  apikey.Environment
	Internal     bool
	Unlimited    bool
	// Generation and Replaced say which of the key's tokens was presented; see
	// Presented in package registry. Generation is a string, because API Gateway might format a number.
	Generation string
	Replaced   bool
	// Subject is the sub of a user whose keys belong to another owner, UserID. It is empty if the
	// user's keys belong to the sub itself.
	Subject string
	// Metadata is the key's own map, which must not be changed.
	Metadata map[string]string
	// Groups are the groups of a user: percent-encoded, with commas between them.
	Groups string
}

// noScopes is the ScopeHeader of a caller without scopes. An empty value could let API Gateway pass
// the client's own header on.
const noScopes = "-"

// Characters that a header value brings to a backend unchanged. Percent-decoding (RFC 3986) restores
// the text.
var (
	inHeader = percent.Visible("%,")
	inWords  = inHeader.With(" ")           // for scopes: spaces between words stay
	inList   = percent.Visible("%,\"\\<>&") // for groups: JSON writes no character of it as more than one
)

// Caller returns the caller of a request that may pass. It panics for any other.
func (d *Decision) Caller() Caller {
	switch {
	case d.Anonymous:
		// It is the id of no key, and the user of no key.
		const anonymous = apikey.AnonymousUser
		return Caller{
			KeyID: anonymous, UserID: anonymous, Name: anonymous,
			UserIDHeader: anonymous, KeyIDHeader: anonymous, ScopeHeader: noScopes,
		}
	case d.User != nil:
		return d.User.caller()
	case !d.Verdict.Valid():
		panic("admission: the caller of a request that may not pass")
	}
	k := d.Verdict.Key
	scopes := strings.Join(d.Verdict.Scopes(), " ")
	return Caller{
		KeyID: k.ID, UserID: k.UserID, Name: k.Name, Scopes: scopes,
		UserIDHeader: inHeader.Encode(k.UserID), KeyIDHeader: inHeader.Encode(k.ID),
		ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
		Environment: k.Environment, Internal: k.Internal, Unlimited: k.Unlimited,
		Generation: strconv.FormatInt(k.Generation(), 10), Replaced: d.Verdict.Replaced,
		Metadata: k.Metadata,
	}
}

// caller returns the caller who is a user without a key.
func (u *User) caller() Caller {
	scopes := strings.Join(u.Scopes, " ")
	c := Caller{
		UserID: u.ID, Name: u.Name, Scopes: scopes, Unlimited: true,
		UserIDHeader: inHeader.Encode(u.ID), ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
	}
	if u.Subject != u.ID {
		c.Subject = u.Subject
	}
	c.Groups, _ = groupsOf(u.Groups)
	return c
}

// Bounds of the groups of a caller. API Gateway takes at most 8 KB of an authorizer.
const (
	maxGroups     = 50
	maxGroupBytes = 3072
)

// groupsOf returns groups as a [Caller] has them. It leaves out groups that have no room, and returns
// how many it kept. The user cannot act for the others.
func groupsOf(groups []string) (text string, kept int) {
	var b strings.Builder
	for n, group := range groups {
		encoded := inList.Encode(group)
		if n == maxGroups || b.Len()+len(encoded)+1 > maxGroupBytes {
			return b.String(), n
		}
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(encoded)
	}
	return b.String(), len(groups)
}

// Window is the state of a key's limit at the moment of a decision.
type Window struct {
	Limit     int64
	Remaining int64
	Reset     int64 // in Unix seconds; 0 if the tightest bound never resets
}

// Window returns the state of the limit of the caller's key. It reports false if no limit bounds the
// caller, or if the key is not known.
func (d *Decision) Window() (w Window, ok bool) {
	v := &d.Verdict
	if !v.Limited() {
		return Window{}, false
	}
	w = Window{Limit: v.Status.Limit, Remaining: v.Status.Remaining}
	if !v.Status.Reset.IsZero() {
		w.Reset = v.Status.Reset.Unix()
	}
	return w, true
}
