package migrate

import (
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// keyFileLine reads "key_id:api_key[:requests_per_minute][:expiry]".
func (r *Reader) keyFileLine(text []byte) (entry, error) {
	id, key, limit, expiry := splitKeyFileLine(string(text))
	if err := r.checkKeyID(id); err != nil {
		return entry{}, err
	}
	if key == "" {
		return entry{}, wrong("key", "is missing; write key_id:api_key")
	}
	token, err := r.token(key)
	if err != nil {
		return entry{}, err
	}
	if strings.HasPrefix(key, "//") && scheme.MatchString(strings.ToLower(id)) {
		return entry{}, wrong("key", "is part of a URL; write key_id:api_key")
	}
	if swapped(id, key) {
		return entry{}, wrong("key_id", "looks like a key, and key like a name; write the name first")
	}
	change, stated, err := r.keyFileChange(id, limit, expiry)
	if err != nil {
		return entry{}, err
	}
	return entry{in: registry.Import{ID: id, UserID: id, Token: token, Change: change}, stated: stated}, nil
}

// splitKeyFileLine splits a line at its colons. The expiry is last because it has colons in it. A
// line may omit the limit and its colon before an expiry.
func splitKeyFileLine(line string) (id, key, limit, expiry string) {
	id, rest, _ := strings.Cut(line, ":")
	key, rest, _ = strings.Cut(rest, ":")
	rest = strings.TrimSpace(rest)
	if _, ok := ParseTime(rest); ok {
		expiry = rest
	} else {
		limit, expiry, _ = strings.Cut(rest, ":")
	}
	return strings.TrimSpace(id), strings.TrimSpace(key), strings.TrimSpace(limit), strings.TrimSpace(expiry)
}

func (r *Reader) checkKeyID(id string) error {
	if err := apikey.CheckUserID(id); err != nil {
		return wrong("key_id", strings.TrimPrefix(err.Error(), "userId "))
	}
	if problem := keyIDProblem(id, r.o.Format); problem != "" {
		return wrong("key_id", problem)
	}
	return nil
}

// keyFileChange returns the settings of a line's key, and the fields that the line states.
func (r *Reader) keyFileChange(id, limit, expiry string) (apikey.Change, map[string]string, error) {
	terms := KeyFileLimit()
	if r.o.Limit != nil {
		terms = *r.o.Limit
	}
	c := apikey.Change{Name: &id, Scopes: r.o.Scopes, Limit: &terms}
	if c.Scopes == nil {
		c.Scopes = &apikey.Scopes{"*"}
	}
	stated := make(map[string]string)
	if limit != "" {
		n, err := strconv.ParseInt(limit, 10, 64)
		if err != nil || n < 1 || n > apikey.MaxRequests {
			problem := "must be a whole number between 1 and " + strconv.Itoa(apikey.MaxRequests)
			return c, nil, wrong("requests_per_minute", problem)
		}
		terms = ratelimit.Limit{Requests: n, Window: time.Minute}
	}
	if expiry != "" {
		at, ok := ParseTime(expiry)
		if !ok {
			const problem = "must be a date or a time such as 2027-01-31T12:00:00Z, between the years 1970 and 9999"
			return c, nil, wrong("expiry", problem)
		}
		c.ExpiresAt = &at
		stated["expiry"] = at.String()
	}
	// The first line of a key states its limit even if it is the default.
	if limit != "" || !r.firsts.knows(id) {
		stated["requests_per_minute"] = strconv.FormatInt(terms.Requests, 10) + "/" + terms.Window.String()
	}
	return c, stated, nil
}
