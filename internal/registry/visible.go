package registry

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

// changes returns the fields in which two keys differ, by the API's names. A nil key has no fields. why
// is the reason of tokens that end alone.
func changes(from, to *apikey.Key, now time.Time, why apikey.Revocation) map[string]audit.Change {
	all := differences(visible(from, now), visible(to, now))
	if ended := endedTokens(from, to, now, why); len(ended) > 0 {
		all["endedTokens"] = audit.Change{Before: encoded(nil), After: encoded(ended)}
	}
	return all
}

// differences returns the fields whose values differ, with both values. Of metadata, it returns only
// the names whose values differ.
func differences(before, after map[string]any) map[string]audit.Change {
	all := make(map[string]audit.Change)
	for _, fields := range []map[string]any{before, after} {
		for name := range fields {
			b, a := before[name], after[name]
			if name == "metadata" {
				b, a = lessEqual(b, a)
			}
			c := audit.Change{Before: encoded(b), After: encoded(a)}
			if string(c.Before) != string(c.After) {
				all[name] = c
			}
		}
	}
	return all
}

// endedToken is a token that a change has ended. ValidUntil is the time until which it would have
// worked otherwise, or nil if it had no end. Reason and Source are those of a token that ends alone.
type endedToken struct {
	ValidUntil *string `json:"validUntil"`
	Reason     string  `json:"reason,omitempty"`
	Source     string  `json:"source,omitempty"`
}

// endedTokens returns the tokens that opened from at the time now and do not open to, oldest first.
// It returns none for a key that is new or deleted.
func endedTokens(from, to *apikey.Key, now time.Time, why apikey.Revocation) (ended []endedToken) {
	if from == nil || to == nil {
		return nil
	}
	for _, s := range from.Secrets {
		lives := func(other apikey.Secret) bool { return bytes.Equal(other.Hash, s.Hash) && !other.Over(now) }
		if s.Over(now) || slices.ContainsFunc(to.Secrets, lives) {
			continue
		}
		var until *string
		if end := apikey.Earlier(s.NotAfter, from.ExpiresAt); !end.IsZero() {
			text := end.UTC().Format(audit.TimeLayout)
			until = &text
		}
		ended = append(ended, endedToken{until, why.Reason, why.Source})
	}
	return ended
}

// encoded returns the JSON of a field.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("registry: a field has no JSON") // all types of fields have
	}
	return text
}

// visible returns the fields of a key that its owner may see, by the API's names, except counts
// such as the revision. It leaves out empty fields.
func visible(k *apikey.Key, now time.Time) map[string]any {
	fields := make(map[string]any)
	if k == nil {
		return fields
	}
	put := putter(fields)
	moment := func(name string, t time.Time) { put(name, t.UTC().Format(audit.TimeLayout), !t.IsZero()) }
	put("userId", k.UserID, true)
	put("environment", k.Environment, true)
	put("enabled", k.Enabled, true)
	put("name", k.Name, k.Name != "")
	put("description", k.Description, k.Description != "")
	put("scopes", []string(k.Scopes), len(k.Scopes) > 0)
	put("rateLimit", struct {
		Requests int64 `json:"requests"`
		Window   int64 `json:"window"`
	}{k.Limit.Requests, int64(k.Limit.Window / time.Second)}, !k.Unlimited && k.Limit != (ratelimit.Limit{}))
	own := boundsOf(apikey.Bounds{Limits: k.Limits, Quota: k.Quota})
	put("limits", own.Limits, len(own.Limits) > 0)
	put("quota", own.Quota, own.Quota != nil)
	put("plan", k.Plan, k.Plan != "")
	put("shared", boundsOf(k.Shared), !k.Shared.None())
	put("sharesDefault", true, k.SharesDefault)
	put("unlimited", true, k.Unlimited)
	put("allowedCidrs", k.AllowedCIDRs, len(k.AllowedCIDRs) > 0)
	put("metadata", k.Metadata, len(k.Metadata) > 0)
	moment("notBefore", k.NotBefore)
	moment("expiresAt", k.ExpiresAt)
	moment("revokedAt", k.RevokedAt)
	put("revocationReason", k.Revocation.Reason, k.Revocation.Reason != "")
	put("revocationSource", k.Revocation.Source, k.Revocation.Source != "")
	tokens := 0
	for _, s := range k.Secrets {
		if !s.Over(now) {
			tokens++
		}
	}
	put("tokens", tokens, true)
	put("publicKeys", len(k.PublicAliases), len(k.PublicAliases) > 0)
	moment("previousKeyValidUntil", k.PreviousUntil(now))
	return fields
}

// lessEqual returns two maps of metadata without the entries that they have in common. A map that
// was empty before is nil.
func lessEqual(b, a any) (any, any) {
	before, _ := b.(map[string]string)
	after, _ := a.(map[string]string)
	less := func(of, other map[string]string) any {
		rest := make(map[string]string)
		for name, value := range of {
			if same, ok := other[name]; !ok || same != value {
				rest[name] = value
			}
		}
		if len(of) == 0 {
			return nil
		}
		return rest
	}
	return less(before, after), less(after, before)
}
