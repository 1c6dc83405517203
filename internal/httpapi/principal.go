package httpapi

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// Principal is the caller of a request, as the front door has judged it: a key, or a user without a
// key. The zero Principal has no caller.
type Principal struct {
	KeyID       string // empty for a user without a key
	UserID      string
	Name        string
	Scopes      apikey.Scopes
	Environment apikey.Environment
	Internal    bool
	Unlimited   bool
	// Presented says which token of the key was presented. If nil, it is not known.
	Presented *registry.Presented
	// Subject and Groups are those of a user without a key.
	Subject string
	Groups  []string
	// Window is the window status of a key. If nil, the key has no limit.
	Window *Window
	// RateLimit has the values of two headers of the answer. It may be zero.
	RateLimit admission.RateLimit
}

// Window is the window status of the tightest limit or quota of a key. Reset is an epoch second, or
// zero if the quota is for life.
type Window struct{ Limit, Remaining, Reset int64 }

// isNobody reports whether the front door named neither a key nor a user.
func (p *Principal) isNobody() bool { return p.KeyID == "" && p.UserID == "" }

// caller returns the caller without the conditions and the source of the request.
func (p *Principal) caller() registry.Caller {
	c := registry.Caller{KeyID: p.KeyID, UserID: p.UserID, Scopes: p.Scopes, Presented: p.Presented}
	if c.KeyID == "" {
		c.Subject, c.Groups = p.Subject, p.Groups
	}
	return c
}

// authorized is the context that the authorizer made for the caller. API Gateway turns every value
// into text, and sam local leaves numbers as they are.
type authorized map[string]any

// principalOf reads the authorizer's context.
func principalOf(a authorized) Principal {
	p := Principal{
		KeyID: a.text("keyId"), UserID: a.text("userId"), Name: a.text("name"),
		Scopes:      append(apikey.Scopes{}, strings.Fields(a.text("scopes"))...),
		Environment: apikey.Environment(a.text("environment")),
		Internal:    a.flag("internal"), Unlimited: a.flag("unlimited"),
		Subject: a.text("subject"), Groups: a.groups(),
	}
	if generation, ok := a.number("generation"); ok {
		replaced := a.text("replaced")
		p.Presented = &registry.Presented{Generation: generation, Replaced: replaced != "" && replaced != "false"}
	}
	if limit, ok := a.number("limit"); ok {
		p.Window = &Window{Limit: limit}
		p.Window.Remaining, _ = a.number("remaining")
		p.Window.Reset, _ = a.number("reset")
		p.RateLimit = admission.RateLimit{Policy: a.text("rateLimitPolicy"), State: a.text("rateLimit")}
	}
	return p
}

// text returns a value as text, or "" if there is none.
func (a authorized) text(name string) string {
	switch value := a[name].(type) {
	case nil:
		return ""
	case string:
		return value
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

// number returns a value that is a whole number.
func (a authorized) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(a.text(name), 10, 64)
	return n, err == nil
}

// flag reports whether a value is true.
func (a authorized) flag(name string) bool {
	set, _ := strconv.ParseBool(a.text(name))
	return set
}

// groups returns the groups of a user, which the authorizer percent-encodes and separates by commas.
func (a authorized) groups() (groups []string) {
	for encoded := range strings.SplitSeq(a.text("groups"), ",") {
		if group, err := url.PathUnescape(encoded); err == nil && group != "" {
			groups = append(groups, group)
		}
	}
	return groups
}
