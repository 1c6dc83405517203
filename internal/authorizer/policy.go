package authorizer

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/oidc"
	"latchkey/internal/percent"
)

// response is the answer of a REQUEST authorizer to API Gateway.
type response struct {
	PrincipalID    string `json:"principalId"`
	PolicyDocument policy `json:"policyDocument"`
	Context        any    `json:"context"` // an *allowed or a denied
}

type policy struct {
	Version   string
	Statement [1]statement
}

type statement struct {
	Action, Effect, Resource string
}

// allowed is the context of an Allow, for the integration.
type allowed struct {
	// UserIDHeader, KeyIDHeader and ScopeHeader are UserID, KeyID and Scopes as a backend receives
	// them in headers; see inHeader. Without scopes, ScopeHeader is noScopes.
	UserIDHeader string             `json:"userIdHeader"`
	KeyIDHeader  string             `json:"keyIdHeader,omitempty"`
	ScopeHeader  string             `json:"scopeHeader"`
	KeyID        string             `json:"keyId,omitempty"` // empty for a user without a key
	UserID       string             `json:"userId"`
	Name         string             `json:"name"`
	Scopes       string             `json:"scopes"` // separated by spaces
	Environment  apikey.Environment `json:"environment"`
	Internal     bool               `json:"internal"`
	Unlimited    bool               `json:"unlimited,omitempty"`
	// Generation and Replaced say which of the key's tokens was presented; see
	// Presented in package registry. Generation is a string, because API Gateway might format a number.
	Generation string `json:"generation,omitempty"`
	Replaced   bool   `json:"replaced,omitempty"`
	// Subject is the sub of a user whose keys belong to another owner, UserID. It is empty if the
	// user's keys belong to the sub itself.
	Subject string `json:"subject,omitempty"`
	// Groups are the groups of a user, see groupsOf.
	Groups string `json:"groups,omitempty"`
	// Assertion proves to a backend that the request came through the authorizer; see package assertion.
	Assertion string `json:"assertion,omitempty"`
	*windowStatus
}

// denied is the context of a Deny, for the gateway response.
type denied struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	*windowStatus
	RetryAfter int64 `json:"retryAfter,omitempty"` // in seconds; none if no wait helps
}

// windowStatus is the state of a key's limit at this moment. Unlimited keys have none.
type windowStatus struct {
	Limit     int64 `json:"limit"`
	Remaining int64 `json:"remaining"`
	Reset     int64 `json:"reset,omitempty"` // in Unix seconds; none if the tightest bound never resets
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

// allowAnonymous returns the Allow for a caller who needs no key.
func allowAnonymous(arn string) *response {
	// It is the id of no key, and the user of no key.
	const anonymous = apikey.AnonymousUser
	return newResponse("Allow", arn, anonymous, &allowed{
		KeyID: anonymous, UserID: anonymous, Name: anonymous,
		UserIDHeader: anonymous, KeyIDHeader: anonymous, ScopeHeader: noScopes,
	})
}

// allowUser returns the Allow for a user without a key. Its principal is not the user's id: access
// logs contain the principal unescaped, and an issuer may choose any text as id.
// It also returns how many groups of the user have no room in the context.
func allowUser(arn string, u oidc.User) (r *response, ignored int) {
	scopes := strings.Join(u.Scopes, " ")
	context := &allowed{
		UserID: u.ID, Name: u.Name, Scopes: scopes, Unlimited: true,
		UserIDHeader: inHeader.Encode(u.ID), ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
	}
	if u.Subject != u.ID {
		context.Subject = u.Subject
	}
	context.Groups, ignored = groupsOf(u.Groups)
	return newResponse("Allow", arn, "user", context), ignored
}

// Bounds of the groups in a context. API Gateway takes at most 8 KB of an authorizer.
const (
	maxGroups     = 50
	maxGroupBytes = 3072
)

// groupsOf returns groups as the context has them: percent-encoded, with commas between them. It
// leaves out groups that have no room, and returns how many. The user cannot act for those.
func groupsOf(groups []string) (text string, ignored int) {
	var b strings.Builder
	for n, group := range groups {
		encoded := inList.Encode(group)
		if n == maxGroups || b.Len()+len(encoded)+1 > maxGroupBytes {
			return b.String(), len(groups) - n
		}
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(encoded)
	}
	return b.String(), 0
}

// allowKey returns the Allow for a valid key.
func allowKey(arn string, v apikey.Verdict) *response {
	k := v.Key
	scopes := strings.Join(v.Scopes(), " ")
	return newResponse("Allow", arn, k.ID, &allowed{
		KeyID: k.ID, UserID: k.UserID, Name: k.Name, Scopes: scopes,
		UserIDHeader: inHeader.Encode(k.UserID), KeyIDHeader: inHeader.Encode(k.ID),
		ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
		Environment: k.Environment, Internal: k.Internal, Unlimited: k.Unlimited, windowStatus: statusOf(v),
		Generation: strconv.FormatInt(k.Generation(), 10), Replaced: v.Replaced,
	})
}

// denyKey returns the Deny for a key that has reached a limit or a quota.
func denyKey(arn string, v apikey.Verdict) *response {
	code := string(v.Code.Info().AtGateway)
	return newResponse("Deny", arn, v.Key.ID, denied{
		Code: code, Message: v.Message(), windowStatus: statusOf(v), RetryAfter: int64(v.RetryAfter / time.Second),
	})
}

func newResponse(effect, arn, principal string, context any) *response {
	return &response{
		PrincipalID: principal,
		PolicyDocument: policy{
			Version:   "2012-10-17",
			Statement: [1]statement{{Action: "execute-api:Invoke", Effect: effect, Resource: arn}},
		},
		Context: context,
	}
}

func statusOf(v apikey.Verdict) *windowStatus {
	if !v.Limited() {
		return nil
	}
	s := &windowStatus{Limit: v.Status.Limit, Remaining: v.Status.Remaining}
	if !v.Status.Reset.IsZero() {
		s.Reset = v.Status.Reset.Unix()
	}
	return s
}
