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

// changes are the fields in which two keys differ, of all that may be told. No key
// has no fields.
func changes(from, to *apikey.Key, now time.Time) map[string]audit.Change {
	before, after := visible(from, now), visible(to, now)
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
	if ended := endedTokens(from, to, now); len(ended) > 0 {
		all["endedTokens"] = audit.Change{Before: encoded(nil), After: encoded(ended)}
	}
	if c, ok := all["description"]; ok {
		all["description"] = excerpts(c)
	}
	return all
}

// endedToken is a token that a change has ended, and until when it would have worked
// otherwise; nil: for ever.
type endedToken struct {
	ValidUntil *string `json:"validUntil"`
}

// endedTokens are the tokens that still opened from and do not open to any more, oldest
// first. A key that is deleted or revoked ends as a whole.
func endedTokens(from, to *apikey.Key, now time.Time) (ended []endedToken) {
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
		ended = append(ended, endedToken{until})
	}
	return ended
}

func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("apikey: a field that is no JSON") // no type of them can fail
	}
	return text
}

// visible are the fields of a key that its owner may see and that are not merely
// counted, by the API's names. What is not there is nothing.
func visible(k *apikey.Key, now time.Time) map[string]any {
	fields := make(map[string]any)
	if k == nil {
		return fields
	}
	put := func(name string, value any, is bool) {
		if is {
			fields[name] = value
		}
	}
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
	}{k.Limit.Requests, int64(k.Limit.Window / time.Second)}, !k.Unlimited)
	put("quota", struct {
		Requests int64            `json:"requests"`
		Period   ratelimit.Period `json:"period"`
	}{k.Quota.Requests, k.Quota.Period}, k.Quota != (ratelimit.Quota{}))
	put("unlimited", true, k.Unlimited)
	put("allowedCidrs", k.AllowedCIDRs, len(k.AllowedCIDRs) > 0)
	put("metadata", k.Metadata, len(k.Metadata) > 0)
	moment("notBefore", k.NotBefore)
	moment("expiresAt", k.ExpiresAt)
	moment("revokedAt", k.RevokedAt)
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

// lessEqual leaves out what two texts to texts have in common.
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

// How much is told of a long text, and how much of that is from before the place
// where it differs.
const (
	mostTold   = 256
	toldBefore = 32
)

// excerpts cuts long texts to where they begin to differ.
func excerpts(c audit.Change) audit.Change {
	read := func(from json.RawMessage) []rune {
		var text string
		_ = json.Unmarshal(from, &text) // null is no text
		return []rune(text)
	}
	before, after := read(c.Before), read(c.After)
	if len(before) <= mostTold && len(after) <= mostTold {
		return c
	}
	from := 0
	for from < min(len(before), len(after)) && before[from] == after[from] {
		from++
	}
	from = max(0, from-toldBefore)
	cut := func(all []rune, whole json.RawMessage) json.RawMessage {
		to := min(len(all), from+mostTold)
		if from >= to || from == 0 && to == len(all) {
			return whole
		}
		text := string(all[from:to])
		if from > 0 {
			text = "…" + text
		}
		if to < len(all) {
			text += "…"
		}
		return encoded(text)
	}
	return audit.Change{Before: cut(before, c.Before), After: cut(after, c.After)}
}
