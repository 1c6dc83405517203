package migrate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// fields are the fields of one key, by the names of JSON Lines.
type fields map[string]json.RawMessage

// put sets a field to a value that JSON can hold.
func (f fields) put(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic("migrate: a field that JSON cannot hold")
	}
	f[name] = text
}

// values are the decoded fields of a key.
type values struct {
	in                   registry.Import // the fields that need no translation
	key, sha256          string
	rateLimit            window
	quota                period
	allowedCIDRs         []string
	metadata             texts
	notBefore, expiresAt *string
}

// field is a field of a JSON line.
type field struct {
	to   any    // a pointer to its value
	form string // completes "must be …"
}

// table returns all fields of a JSON line.
func (v *values) table() map[string]field {
	c := &v.in.Change
	return map[string]field{
		"key":          {&v.key, "a text"},
		"sha256":       {&v.sha256, "a text"},
		"id":           {&v.in.ID, "a text"},
		"publicKey":    {&v.in.PublicKey, "a text"},
		"userId":       {&v.in.UserID, "a text"},
		"environment":  {&v.in.Environment, "live or test"},
		"name":         {&c.Name, "a text"},
		"description":  {&c.Description, "a text"},
		"scopes":       {&c.Scopes, "a list of texts"},
		"rateLimit":    {&v.rateLimit, `like {"requests":100,"window":60}`},
		"unlimited":    {&c.Unlimited, "true or false"},
		"quota":        {&v.quota, `like {"requests":10000,"period":"month"}`},
		"allowedCidrs": {&v.allowedCIDRs, "a list of texts"},
		"metadata":     {&v.metadata, "an object of texts"},
		"enabled":      {&c.Enabled, "true or false"},
		"notBefore":    {&v.notBefore, "a text"},
		"expiresAt":    {&v.expiresAt, "a text"},
	}
}

// isField reports whether name is a field of a JSON line.
func isField(name string) bool {
	_, ok := new(values).table()[name]
	return ok
}

// jsonLine reads one object.
func (r *Reader) jsonLine(text []byte) (entry, error) {
	f, err := object(text)
	if err != nil {
		return entry{}, err
	}
	return r.entry(f)
}

// entry reads the fields of a key. Their names are those of the API, or the same with underscores.
// A field that is null is as if it were not there.
func (r *Reader) entry(written fields) (entry, error) {
	v, given, err := r.decode(written)
	if err != nil {
		return entry{}, err
	}
	in, c := &v.in, &v.in.Change
	if in.Token, in.Hash, err = r.secret(v.key, v.sha256); err != nil {
		return entry{}, err
	}
	if err := r.checkNames(in, given); err != nil {
		return entry{}, err
	}
	if c.NotBefore, err = timeField("notBefore", v.notBefore); err != nil {
		return entry{}, err
	}
	if c.ExpiresAt, err = timeField("expiresAt", v.expiresAt); err != nil {
		return entry{}, err
	}
	if c.AllowedCIDRs, err = networks(v.allowedCIDRs, given); err != nil {
		return entry{}, err
	}
	if c.Limit, err = r.limit(v, given); err != nil {
		return entry{}, err
	}
	if given["quota"] != nil {
		c.Quota = &ratelimit.Quota{Requests: v.quota.Requests, Period: ratelimit.Period(v.quota.Period)}
	}
	if v.metadata != nil {
		c.Metadata = (*map[string]string)(&v.metadata)
	}
	if c.Name == nil && in.ID != "" {
		c.Name = &in.ID
	}
	if c.Scopes == nil {
		c.Scopes = r.o.Scopes
	}
	return entry{in: *in, stated: stated(given)}, nil
}

// decode reads the values of fields. given has the fields that are neither null nor ignored, by
// their names in JSON Lines.
func (r *Reader) decode(written fields) (v *values, given fields, err error) {
	v, given = new(values), make(fields)
	known := v.table()
	for _, as := range slices.Sorted(maps.Keys(written)) {
		name, value := camel(as), written[as]
		if string(value) == "null" || r.ignores(as) {
			continue
		}
		f, ok := known[name]
		if !ok {
			return nil, nil, unknown(as)
		}
		if given[name] != nil {
			return nil, nil, twice(name)
		}
		given[name] = value
		if json.Unmarshal(value, f.to) != nil {
			return nil, nil, wrong(name, "must be "+f.form)
		}
	}
	return v, given, nil
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

// stated returns the fields with which other lines of the key must agree, in one spelling for each
// value.
func stated(given fields) map[string]string {
	all := make(map[string]string)
	for name, value := range given {
		switch name {
		case "key", "sha256", "id", "publicKey":
		default:
			all[name] = canonical(value)
		}
	}
	return all
}

// checkNames checks the fields that are shown in lists.
func (r *Reader) checkNames(in *registry.Import, given fields) error {
	if given["id"] != nil {
		if apikey.CheckOwner(in.ID) != nil {
			return wrong("id", "must be 1 to 128 characters without control characters")
		}
		if problem := nameProblem(in.ID, r.o.Format); problem != "" {
			return wrong("id", problem)
		}
	}
	if given["environment"] != nil && in.Environment != apikey.Live && in.Environment != apikey.Test {
		return wrong("environment", "must be live or test")
	}
	if name := in.Change.Name; name != nil && isKey(*name, r.o.Format) {
		return wrong("name", nameLikeKey)
	}
	return nil
}

// networks reads allowedCidrs. It returns nil if the line does not give them.
func networks(written []string, given fields) (*[]netip.Prefix, error) {
	if given["allowedCidrs"] == nil {
		return nil, nil
	}
	all := []netip.Prefix{}
	for _, text := range written {
		network, err := apikey.ParseNetwork(text)
		if err != nil {
			return nil, wrong("allowedCidrs", "must be networks such as 192.0.2.0/24, or addresses")
		}
		all = append(all, network)
	}
	return &all, nil
}

// limit returns the rate limit of a key, or nil if neither its line nor the options give one. It
// does not check the bounds of a limit.
func (r *Reader) limit(v *values, given fields) (*ratelimit.Limit, error) {
	unlimited := v.in.Change.Unlimited != nil && *v.in.Change.Unlimited
	switch {
	case given["rateLimit"] == nil && unlimited:
		return nil, nil
	case given["rateLimit"] == nil:
		return r.o.Limit, nil
	case unlimited:
		return nil, wrong("unlimited", "must not be given with rateLimit; give one of them")
	case v.rateLimit == window{}: // the registry would take it for no limit
		return nil, wrong("rateLimit.requests", fmt.Sprintf("must be between 1 and %d", apikey.MaxRequests))
	}
	// A window that is out of bounds must stay so, and not overflow.
	seconds := min(max(v.rateLimit.Window, 0), int64(2*apikey.MaxWindow/time.Second))
	return &ratelimit.Limit{Requests: v.rateLimit.Requests, Window: time.Duration(seconds) * time.Second}, nil
}

// secret reads a token, or the hash of one.
func (r *Reader) secret(key, hash string) (apikey.Token, *[sha256.Size]byte, error) {
	if key == "" && hash == "" {
		return apikey.Token{}, nil, wrong("key", "is missing; give key or sha256")
	}
	if hash == "" {
		token, err := r.token(key)
		return token, nil, err
	}
	if key != "" {
		return apikey.Token{}, nil, wrong("sha256", "must not be given with key; give one of them")
	}
	if isPasswordHash(hash) || isEncrypted(hash) {
		const problem = "is a password hash or encrypted; only a SHA-256 without salt can be imported"
		return apikey.Token{}, nil, wrong("sha256", problem)
	}
	sum, ok := parseSHA256(hash)
	if !ok {
		const problem = `must be a SHA-256 as 64 hexadecimal digits, with or without \x before them, or as base64`
		return apikey.Token{}, nil, wrong("sha256", problem)
	}
	isBase64 := len(hash) < hex.EncodedLen(len(sum))
	if isBase64 && tokenProblem(hash) != "" || apikey.NonSecret(hash) != "" || slices.Equal(sum[:16], sum[16:]) {
		return apikey.Token{}, nil, wrong("sha256", "is a placeholder or a pattern; write the hash itself")
	}
	return apikey.Token{}, &sum, nil
}

// parseSHA256 reads hexadecimal digits, the same after \x (as PostgreSQL writes them), base64 and
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

// timeField reads a time. It returns nil if the line does not give it.
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
