package migrate

import (
	"regexp"
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
	if problem := notKeyID(id, r.o.Format); problem != "" {
		return in, nil, wrong("key_id", problem)
	}
	if in.Token, err = r.token(key); err != nil {
		return in, nil, err
	}
	if strings.HasPrefix(key, "//") && scheme.MatchString(id) {
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

var (
	scheme = regexp.MustCompile(`^(?i:https?|wss?|s?ftps?|ssh|git|file|jdbc|rediss?|postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|amqps?|kafka|nats|ldaps?|smtps?|imaps?|s3|gs|oci|docker|tcp|udp|grpcs?|unix)$`)
	keyID  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$`)

	// setting has the names that stand before secrets in configuration files, messages
	// and lists of digests, and the levels of logs.
	setting = regexp.MustCompile(`^(?i:(?:x-)?(?:(?:api|access|auth|secret|client|private|public|master|signing|encryption|bearer)[-_.]?)?(?:keys?|tokens?|secrets?|passwords?|credentials?)|` +
		`passwd|pwd|pass|userpassword|.+[-_.](?:password|passwd|pwd|secret)|.+@sha(?:256|512)|authorization|bearer|cookie|set-cookie|content-type|accept|user-agent|etag|` +
		`url|uri|urn|arn|tel|sha-?(?:1|224|256|384|512)|md5|digest|checksum|fingerprint|(?:refresh|id|session|csrf|xsrf)[-_.]?token|(?:client|tenant|trace|span|session|request|correlation|build)[-_.]?id|phpsessid|jsessionid|dsn|secret[-_.]key[-_.]base)$|` +
		`^X-[A-Z][A-Za-z0-9]*(?:-[A-Z][A-Za-z0-9]*)+$|^(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|TODO|FIXME|NOTE)$`)

	// algorithm has the types of keys, schemes of authentication and hash functions that
	// stand before keys, signatures and digests, and what stands before addresses that are
	// made of a key or a digest.
	algorithm = regexp.MustCompile(`^(?i:(?:sk-)?(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-nistp\d+)(?:-cert-v\d+)?(?:@openssh\.com)?|rsa-sha2-(?:256|512)|(?:pgp|x509v3)-sign-[a-z]+|[rd]sa|rsa-?(?:2048|3072|4096)|` +
		`(?:ed|x|curve)-?(?:25519|448)|ecdsa|ecdh|secp256[kr]1|nistp(?:256|384|521)|(?:rs|hs|es|ps)(?:256|384|512)|jw[tkse]|` +
		`basic|negotiate|ntlm|digest|apikey|hawk|dpop|aws4-(?:hmac|ecdsa-p256)-sha256|hmac(?:-[a-z0-9-]+)?|` +
		`sha[23]?-?(?:1|224|256|384|512)(?:[-_](?:224|256|rsa|fingerprint))?|shake(?:128|256)|md[245]|blake[23][bs]?(?:[-_]?(?:256|512))?|ripemd-?160|crc32c?|xxh(?:32|64|128)|` +
		`bitcoin|litecoin|ethereum|lightning|nostr|ipfs|ipns|magnet|did)$`)

	// file has the names of files in lists of digests and of what a search has found. Endings that
	// many domains have are none.
	file = regexp.MustCompile(`^.+\.(?i:py|jsx?|tsx?|go|rb|java|kt|cpp|cs|php|md|txt|json|ya?ml|toml|ini|conf|cfg|lock|html?|css|xml|csv|sql|ipynb|tf|tfvars|properties|` +
		`pem|crt|tar|t?gz|bz2|xz|zst|zip|deb|rpm|jar|whl|exe|dmg|iso|img)$`)

	// variable has the names that environment variables with secrets and places have.
	variable = regexp.MustCompile(`^[A-Z0-9]+(?:_[A-Z0-9]+)*_(?:KEYS?|TOKENS?|SECRETS?|PASSWORD|PASSWD|PASS|PWD|CREDENTIALS?|URL|URI|HOST|ENDPOINT|DSN|PATH|DIR|ID|IMAGE)$`)
)

// notKeyID says why id cannot be a key_id, or "" if it can be one.
func notKeyID(id string, format apikey.Format) string {
	if problem := notName(id, format); problem != "" {
		return problem
	}
	switch {
	case !keyID.MatchString(id):
		return "must be 1 to 128 letters, digits and . _ @ + -, and begin with a letter or digit"
	case setting.MatchString(id) || variable.MatchString(id):
		return "is the name of a setting rather than of a key's owner"
	case file.MatchString(id):
		return "is the name of a file rather than of a key's owner"
	case algorithm.MatchString(id):
		return "is a type of key, a scheme or an algorithm rather than the name of a key's owner"
	}
	return ""
}

// swapped reports whether key is made of words or is a number, and id is not.
func swapped(id, key string) bool {
	return wordy.MatchString(key) && (apikey.LooksLikeKey(id) || hexadecimal.MatchString(id))
}

var (
	onlyWords = regexp.MustCompile(`^[A-Za-z]{1,15}(?:[-_.][A-Za-z]{1,15})+$|^(?:[A-Z][a-z]{2,}){2,}$`)
	// wordy are numbers and words of one case, or with a capital first: at least two with a
	// separator between. A random token has this form once in ten thousand times.
	wordy       = regexp.MustCompile(`^[A-Z]?[a-z]{1,15}\d{0,3}(?:[-_.](?:[A-Z]?[a-z]{1,15}\d{0,3}|\d{1,10}))+$|^[A-Z]{1,15}\d{0,3}(?:[-_.](?:[A-Z]{1,15}\d{0,3}|\d{1,10}))+$|^\d+$`)
	hexadecimal = regexp.MustCompile(`^[0-9a-f]{16,}$|^[0-9A-F]{16,}$|^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

// ParseTime reads the forms of ISO 8601 that are in use, as UTC where no zone is
// named. A date alone is its first moment, as it is for most that write and read
// such files.
func ParseTime(text string) (time.Time, bool) {
	date, clock := text, ""
	if len(text) > len(time.DateOnly) {
		date, clock = text[:len(time.DateOnly)], strings.ToUpper(text[len(time.DateOnly):])
		if clock[0] == ' ' {
			clock = "T" + clock[1:]
		}
	}
	for _, layout := range []string{"", "T15:04:05", "T15:04:05Z07:00", "T15:04:05Z0700", "T15:04:05Z07", "T15:04", "T15:04Z07:00"} {
		at, err := time.Parse(time.DateOnly+layout, date+clock)
		if err == nil && at.UTC().Year() >= 1970 && at.UTC().Year() <= 9999 {
			return at.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}
