package migrate

import (
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// keyFileLine reads "key_id:api_key[:requests_per_minute][:expiry]". The expiry
// is last because it has colons in it. said is what the line says itself.
func (r *Reader) keyFileLine(text []byte) (in apikey.Import, said map[string]string, err error) {
	id, rest, _ := strings.Cut(string(text), ":")
	key, rest, _ := strings.Cut(rest, ":")
	limit, expiry := strings.TrimSpace(rest), ""
	if _, ok := ParseTime(limit); !ok { // else it is an expiry without a limit
		limit, expiry, _ = strings.Cut(limit, ":")
	} else {
		limit, expiry = "", limit
	}
	id, key, limit, expiry = strings.TrimSpace(id), strings.TrimSpace(key), strings.TrimSpace(limit), strings.TrimSpace(expiry)

	if err := apikey.CheckUserID(id); err != nil {
		return in, nil, wrong("key_id", strings.TrimPrefix(err.Error(), "userId "))
	}
	if problem := keyIDProblem(id, r.o.Format); problem != "" {
		return in, nil, wrong("key_id", problem)
	}
	if in.Token, err = r.token(key); err != nil {
		return in, nil, err
	}
	if strings.HasPrefix(key, "//") && scheme.MatchString(strings.ToLower(id)) {
		return in, nil, wrong("key", "is part of a URL")
	}
	if swapped(id, key) {
		return in, nil, wrong("key_id", "looks like a key, and key like a name; write the name first")
	}
	in.ID, in.UserID, in.Change.Name = id, id, &id
	in.Change.Scopes = r.o.Scopes
	if r.o.Scopes == nil {
		in.Change.Scopes = &apikey.Scopes{"*"}
	}
	terms := KeyFileLimit()
	if r.o.Limit != nil {
		terms = *r.o.Limit
	}
	in.Change.Limit = &terms
	said = make(map[string]string)
	if limit != "" {
		n, err := strconv.ParseInt(limit, 10, 64)
		if err != nil || n < 1 || n > apikey.MaxRequests {
			return in, nil, wrong("requests_per_minute", "must be a whole number between 1 and "+strconv.Itoa(apikey.MaxRequests))
		}
		terms = ratelimit.Limit{Requests: n, Window: time.Minute}
	}
	if expiry != "" {
		at, ok := ParseTime(expiry)
		if !ok {
			return in, nil, wrong("expiry", "must be a date or a time such as 2027-01-31T12:00:00Z, between the years 1970 and 9999")
		}
		in.Change.ExpiresAt = &at
		said["expiry"] = at.String()
	}
	// The first line of a key settles the default, too.
	if limit != "" || !r.firsts.knows(id) {
		said["requests_per_minute"] = strconv.FormatInt(terms.Requests, 10) + "/" + terms.Window.String()
	}
	return in, said, nil
}
