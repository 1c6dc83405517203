package oidc

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// claims are the claims of a token, by exact name. A claim of another type than asked for counts as
// missing.
type claims map[string]json.RawMessage

// unverifiedClaims returns the claims of a token without verifying it. It reports false if the token
// is malformed.
func unverifiedClaims(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	err = json.Unmarshal(payload, &c)
	return c, err == nil
}

// text returns a claim that is a string, or "".
func (c claims) text(name string) string {
	var text string
	if json.Unmarshal(c[name], &text) != nil {
		return ""
	}
	return text
}

// number returns a claim that is a number. It reports whether there is one.
func (c claims) number(name string) (float64, bool) {
	var n *float64
	if json.Unmarshal(c[name], &n) != nil || n == nil {
		return 0, false
	}
	return *n, true
}

// texts returns a claim that is a list of strings, or one string.
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

// expired reports whether a token has ended at now, in Unix seconds, or has no end. Times are
// compared as numbers, because a claim can hold a time that a time.Time cannot.
func (c claims) expired(now float64) bool {
	end, ok := c.number("exp")
	return !ok || now >= end
}

// notYetValid reports whether a token begins after now, in Unix seconds, or at a time that is no
// number.
func (c claims) notYetValid(now float64) bool {
	if c["nbf"] == nil {
		return false
	}
	begin, ok := c.number("nbf")
	return !ok || now < begin
}

// meantFor reports whether a token names one of the audiences.
func (c claims) meantFor(audiences []string) bool {
	named := c.texts("aud")
	return slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(named, a) })
}

// contain reports whether a claim has a value, as in "groups=latchkey-admins". The value may be the
// whole string, one word of it, or one string of a list.
func (c claims) contain(nameAndValue string) bool {
	name, value, ok := strings.Cut(nameAndValue, "=")
	return ok && c.has(name, value)
}

// has is contain with the name and the value apart.
func (c claims) has(name, value string) bool {
	return slices.Contains(c.texts(name), value) || slices.Contains(strings.Fields(c.text(name)), value)
}
