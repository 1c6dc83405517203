package authorizer

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/jsonio"
	"latchkey/internal/oidc"
	"latchkey/internal/percent"
)

// response is the answer of a REQUEST authorizer to API Gateway.
type response struct {
	principalID, effect, resource string
	context                       answerContext // an *allowed or a denied
}

// answerContext is what the policy brings to the integration or to the gateway response.
type answerContext interface {
	// appendTo adds the members of the context to an object, and returns the longer text.
	appendTo(w jsonio.Writer) jsonio.Writer
}

// answerSize is more than most answers have, in bytes. Those with an assertion are longer.
const answerSize = 768

// encode returns the answer as JSON.
func (r *response) encode() []byte {
	w := make(jsonio.Writer, 0, answerSize)
	w.Begin()
	w.Text("principalId", r.principalID)
	w.Raw("policyDocument", `{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke"`)
	w.Text("Effect", r.effect)
	w.Text("Resource", r.resource)
	w = append(w, "}]}"...)
	w.Name("context")
	w.Begin()
	w = r.context.appendTo(w)
	w.End()
	w.End()
	return w
}

// allowed is the context of an Allow, for the integration.
type allowed struct {
	// UserIDHeader, KeyIDHeader and ScopeHeader are UserID, KeyID and Scopes as a backend receives
	// them in headers; see inHeader. Without scopes, ScopeHeader is noScopes.
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
	// Groups are the groups of a user, see groupsOf.
	Groups string
	// Assertion proves to a backend that the request came through the authorizer; see package assertion.
	Assertion string
	*windowStatus
}

// denied is the context of a Deny, for the gateway response.
type denied struct {
	Code    string
	Message string
	*windowStatus
	RetryAfter int64 // in seconds; none if no wait helps
}

// windowStatus is the state of a key's limit at this moment. Unlimited keys have none.
type windowStatus struct {
	Limit     int64
	Remaining int64
	Reset     int64 // in Unix seconds; none if the tightest bound never resets
}

func (c *allowed) appendTo(w jsonio.Writer) jsonio.Writer {
	w.Text("userIdHeader", c.UserIDHeader)
	w.OptionalText("keyIdHeader", c.KeyIDHeader)
	w.Text("scopeHeader", c.ScopeHeader)
	w.OptionalText("keyId", c.KeyID)
	w.Text("userId", c.UserID)
	w.Text("name", c.Name)
	w.Text("scopes", c.Scopes)
	w.Text("environment", string(c.Environment))
	w.Bool("internal", c.Internal)
	if c.Unlimited {
		w.Bool("unlimited", true)
	}
	w.OptionalText("generation", c.Generation)
	if c.Replaced {
		w.Bool("replaced", true)
	}
	w.OptionalText("subject", c.Subject)
	w.OptionalText("groups", c.Groups)
	w.OptionalText("assertion", c.Assertion)
	return c.windowStatus.appendTo(w)
}

func (c denied) appendTo(w jsonio.Writer) jsonio.Writer {
	w.Text("code", c.Code)
	w.Text("message", c.Message)
	w = c.windowStatus.appendTo(w)
	if c.RetryAfter != 0 {
		w.Integer("retryAfter", c.RetryAfter)
	}
	return w
}

func (s *windowStatus) appendTo(w jsonio.Writer) jsonio.Writer {
	if s == nil {
		return w
	}
	w.Integer("limit", s.Limit)
	w.Integer("remaining", s.Remaining)
	if s.Reset != 0 {
		w.Integer("reset", s.Reset)
	}
	return w
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
	c := &allowed{
		UserID: u.ID, Name: u.Name, Scopes: scopes, Unlimited: true,
		UserIDHeader: inHeader.Encode(u.ID), ScopeHeader: cmp.Or(inWords.Encode(scopes), noScopes),
	}
	if u.Subject != u.ID {
		c.Subject = u.Subject
	}
	c.Groups, ignored = groupsOf(u.Groups)
	return newResponse("Allow", arn, "user", c), ignored
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

func newResponse(effect, arn, principal string, c answerContext) *response {
	return &response{principalID: principal, effect: effect, resource: arn, context: c}
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
