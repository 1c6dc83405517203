package authorizer

import (
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/api"
	"latchkey/internal/jsonio"
)

// answerSize is more than most answers have, in bytes. Those with an assertion are longer.
const answerSize = 768

// extras are the members of a context that not every request has. An empty one is left out.
type extras struct {
	assertion      string
	metadata       string // of the key, as one JSON text
	metadataHeader string // the same for a header, percent-encoded
}

// allowance returns the answer that lets a request pass. Its context is for the integration.
func (a *Authorizer) allowance(
	e *event, principal string, d *admission.Decision, c *admission.Caller, extra extras,
) []byte {
	w := make(jsonio.Writer, 0, answerSize)
	a.begin(&w, e, principal, true)
	appendCaller(&w, c)
	w.OptionalText("assertion", extra.assertion)
	w.OptionalText("metadata", extra.metadata)
	w.OptionalText("metadataHeader", extra.metadataHeader)
	appendWindow(&w, d)
	if e.request.Own && e.request.Resource == api.WhoamiPath {
		appendRateLimit(&w, d)
	}
	w.End()
	w.End()
	return w
}

// denial returns the answer to a request of a key that has reached a limit or a quota. Its context is
// for the gateway response of a REST API, and for access logs.
func (a *Authorizer) denial(e *event, d *admission.Decision) []byte {
	v := &d.Verdict
	w := make(jsonio.Writer, 0, answerSize)
	a.begin(&w, e, v.Key.ID, false)
	w.Text("code", string(v.Code.Info().AtGateway))
	w.Text("message", v.Message())
	appendWindow(&w, d)
	appendRateLimit(&w, d)
	if wait := int64(v.RetryAfter / time.Second); wait != 0 { // 0: no wait helps
		w.Integer("retryAfter", wait)
	}
	w.End()
	w.End()
	return w
}

// principalOf names the caller in access logs. For a user it is not the user's id: access logs contain
// the principal unescaped, and an issuer may choose any text as id.
func principalOf(d *admission.Decision, c *admission.Caller) string {
	if d.User != nil {
		return "user"
	}
	return c.KeyID
}

// begin writes an answer up to the members of its context. Two objects must then be ended.
func (a *Authorizer) begin(w *jsonio.Writer, e *event, principal string, allowed bool) {
	w.Begin()
	if a.simple && e.version == "2.0" {
		w.Bool("isAuthorized", allowed)
	} else {
		w.Text("principalId", principal)
		w.Raw("policyDocument", `{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke"`)
		effect := "Deny"
		if allowed {
			effect = "Allow"
		}
		w.Text("Effect", effect)
		w.Text("Resource", e.arn)
		*w = append(*w, "}]}"...)
	}
	w.Name("context")
	w.Begin()
}

// appendCaller writes the members of a context that tell who the caller is.
func appendCaller(w *jsonio.Writer, c *admission.Caller) {
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
}

// appendWindow writes the state of the key's limit, if it has one.
func appendWindow(w *jsonio.Writer, d *admission.Decision) {
	window, ok := d.Window()
	if !ok {
		return
	}
	w.Integer("limit", window.Limit)
	w.Integer("remaining", window.Remaining)
	if window.Reset != 0 {
		w.Integer("reset", window.Reset)
	}
}

// appendRateLimit writes the values of two headers of the answer to the client, if the key has a limit.
func appendRateLimit(w *jsonio.Writer, d *admission.Decision) {
	l := d.RateLimit()
	w.OptionalText("rateLimitPolicy", l.Policy)
	w.OptionalText("rateLimit", l.State)
}
