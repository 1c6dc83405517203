package migrate

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// jsonLine reads one object.
func (r *Reader) jsonLine(text []byte) (apikey.Import, map[string]string, error) {
	raw, err := object(text)
	if err != nil {
		return apikey.Import{}, nil, err
	}
	return r.entry(raw)
}

// camel writes user_id as userId.
func camel(name string) string {
	first, rest, found := strings.Cut(name, "_")
	for found && rest != "" {
		var part string
		part, rest, found = strings.Cut(rest, "_")
		if part == "" {
			return name
		}
		first += strings.ToUpper(part[:1]) + part[1:]
	}
	return first
}

// fieldNames are all fields of a JSON line.
var fieldNames = set(`key sha256 id publicKey userId environment name description scopes rateLimit unlimited quota allowedCidrs metadata enabled notBefore expiresAt`)

// entry reads the fields of an object, by the API's names or the same with
// underscores. A field that is null is not there.
func (r *Reader) entry(fields map[string]json.RawMessage) (in apikey.Import, said map[string]string, err error) {
	var (
		key, hash string
		limit     window
		quota     period
		networks  []string
		metadata  texts
		ends      struct{ notBefore, expiresAt *string }
		c         = &in.Change
	)
	known := map[string]struct {
		to   any
		form string
	}{
		"key":          {&key, "a text"},
		"sha256":       {&hash, "a text"},
		"id":           {&in.ID, "a text"},
		"publicKey":    {&in.PublicKey, "a text"},
		"userId":       {&in.UserID, "a text"},
		"environment":  {&in.Environment, "live or test"},
		"name":         {&c.Name, "a text"},
		"description":  {&c.Description, "a text"},
		"scopes":       {&c.Scopes, "a list of texts"},
		"rateLimit":    {&limit, `like {"requests":100,"window":60}`},
		"unlimited":    {&c.Unlimited, "true or false"},
		"quota":        {&quota, `like {"requests":10000,"period":"month"}`},
		"allowedCidrs": {&networks, "a list of texts"},
		"metadata":     {&metadata, "an object of texts"},
		"enabled":      {&c.Enabled, "true or false"},
		"notBefore":    {&ends.notBefore, "a text"},
		"expiresAt":    {&ends.expiresAt, "a text"},
	}
	said = make(map[string]string)
	raw := make(map[string]json.RawMessage)
	for _, written := range slices.Sorted(maps.Keys(fields)) {
		name, value := camel(written), fields[written]
		if string(value) == "null" || r.ignores(written) {
			continue
		}
		field, ok := known[name]
		if !ok {
			return in, nil, unknown(written)
		}
		if raw[name] != nil {
			return in, nil, errTwice
		}
		raw[name] = value
		if json.Unmarshal(value, field.to) != nil {
			return in, nil, wrong(name, "must be "+field.form)
		}
		if name != "key" && name != "sha256" && name != "id" && name != "publicKey" {
			said[name] = canonical(value)
		}
	}

	if in.Token, in.Hash, err = r.secret(key, hash); err != nil {
		return in, nil, err
	}
	if raw["id"] != nil {
		if apikey.CheckOwner(in.ID) != nil {
			return in, nil, wrong("id", "must be 1 to 128 characters without control characters")
		}
		if problem := nameProblem(in.ID, r.o.Format); problem != "" {
			return in, nil, wrong("id", problem)
		}
	}
	if raw["environment"] != nil && in.Environment != apikey.Live && in.Environment != apikey.Test {
		return in, nil, wrong("environment", "must be live or test")
	}
	if c.Name == nil && in.ID != "" {
		c.Name = &in.ID
	}
	if c.Name != nil && isKey(*c.Name, r.o.Format) {
		return in, nil, wrong("name", "looks like a key; names are shown in lists and logs")
	}
	if c.Scopes == nil {
		c.Scopes = r.o.Scopes
	}
	if c.NotBefore, err = timeField("notBefore", ends.notBefore); err != nil {
		return in, nil, err
	}
	if c.ExpiresAt, err = timeField("expiresAt", ends.expiresAt); err != nil {
		return in, nil, err
	}
	if raw["allowedCidrs"] != nil {
		prefixes := []netip.Prefix{}
		for _, text := range networks {
			p, err := apikey.ParseNetwork(text)
			if err != nil {
				return in, nil, wrong("allowedCidrs", "must be networks such as 192.0.2.0/24, or addresses")
			}
			prefixes = append(prefixes, p)
		}
		c.AllowedCIDRs = &prefixes
	}
	if metadata != nil {
		c.Metadata = (*map[string]string)(&metadata)
	}
	if raw["quota"] != nil {
		c.Quota = &ratelimit.Quota{Requests: quota.Requests, Period: ratelimit.Period(quota.Period)}
	}
	switch unlimited := c.Unlimited != nil && *c.Unlimited; {
	case raw["rateLimit"] != nil && unlimited:
		return in, nil, wrong("unlimited", "must not be given with rateLimit")
	case raw["rateLimit"] != nil:
		// What is out of bounds stays so, and does not come round again.
		seconds := min(max(limit.Window, 0), int64(2*apikey.MaxWindow/time.Second))
		c.Limit = &ratelimit.Limit{Requests: limit.Requests, Window: time.Duration(seconds) * time.Second}
	case !unlimited:
		c.Limit = r.o.Limit
	}
	return in, said, nil
}

// secret reads a token, or the hash of one.
func (r *Reader) secret(key, hash string) (apikey.Token, *[sha256.Size]byte, error) {
	if hash == "" {
		token, err := r.token(key)
		return token, nil, err
	}
	if key != "" {
		return apikey.Token{}, nil, wrong("sha256", "must not be given with key")
	}
	if isPasswordHash(hash) || isEncrypted(hash) {
		return apikey.Token{}, nil, wrong("sha256", "is a password hash or encrypted; only a SHA-256 without salt can be imported")
	}
	sum, ok := parseSHA256(hash)
	if !ok {
		return apikey.Token{}, nil, wrong("sha256", "must be a SHA-256 as 64 hexadecimal digits, with or without \\x before them, or as base64")
	}
	if len(hash) < hex.EncodedLen(len(sum)) && tokenProblem(hash) != "" || apikey.NonSecret(hash) != "" || slices.Equal(sum[:16], sum[16:]) {
		return apikey.Token{}, nil, wrong("sha256", "is a placeholder or a pattern; write the hash itself")
	}
	return apikey.Token{}, &sum, nil
}

// parseSHA256 reads hexadecimal digits, as PostgreSQL writes them too, base64 and
// base64url.
func parseSHA256(text string) (sum [sha256.Size]byte, ok bool) {
	decoded, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
	if err != nil {
		standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		if strings.ContainsAny(text, "+/") && strings.ContainsAny(text, "-_") {
			return sum, false
		}
		decoded, err = base64.RawStdEncoding.Strict().DecodeString(standard)
	}
	return sum, err == nil && copy(sum[:], decoded) == len(sum) && len(decoded) == len(sum)
}

func timeField(field string, text *string) (*time.Time, error) {
	if text == nil {
		return nil, nil
	}
	at, ok := ParseTime(*text)
	if !ok {
		return nil, wrong(field, "must be a time such as 2027-01-31T12:00:00Z, between the years 1970 and 9999")
	}
	return &at, nil
}

// window and period are objects that have all of their fields and no other.
type window struct{ Requests, Window int64 }

func (w *window) UnmarshalJSON(text []byte) error {
	return whole(text, map[string]any{"requests": &w.Requests, "window": &w.Window})
}

type period struct {
	Requests int64
	Period   string
}

func (p *period) UnmarshalJSON(text []byte) error {
	return whole(text, map[string]any{"requests": &p.Requests, "period": &p.Period})
}

// texts are an object of nothing else.
type texts map[string]string

func (t *texts) UnmarshalJSON(text []byte) error {
	raw, err := object(text)
	if err != nil {
		return err
	}
	*t = make(texts)
	for name, value := range raw {
		var s *string // nil for null
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		if s == nil {
			return errors.New("null")
		}
		(*t)[name] = *s
	}
	return nil
}

func whole(text []byte, fields map[string]any) error {
	raw, err := object(text)
	if err != nil || len(raw) != len(fields) {
		return errors.New("not these fields")
	}
	for name, to := range fields {
		if string(raw[name]) == "null" {
			return errors.New("null")
		}
		if err := json.Unmarshal(raw[name], to); err != nil {
			return err
		}
	}
	return nil
}

var errNotObject = errors.New("the line is not a JSON object")

var errTwice = errors.New("the line has a field twice")

// object reads a JSON object that has no field twice.
func object(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotObject
	}
	fields := make(map[string]json.RawMessage)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errNotObject
		}
		if _, twice := fields[name.(string)]; twice {
			return nil, errTwice
		}
		fields[name.(string)] = value
	}
	if _, err := d.Token(); err != nil || len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return nil, errNotObject
	}
	return fields, nil
}

// unknown names the field, unless it is long enough to be a key that slipped.
func unknown(name string) error {
	if nameable(name) {
		return errors.New("the line has a field that is not known: " + name)
	}
	return errors.New("the line has a field that is not known")
}

// nameable reports whether name may stand in an error: it is no token.
func nameable(name string) bool {
	return len(name) < 16 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == ""
}

// canonical writes a value in one way, however the line does.
func canonical(value json.RawMessage) string {
	var v any
	_ = json.Unmarshal(value, &v) // it has been read already
	text, _ := json.Marshal(v)
	return string(text)
}
