package migrate

import (
	"strings"

	"latchkey/internal/apikey"
)

// keyIDProblem says why id cannot be a key_id, or returns "". The answer completes the sentence
// "key_id …".
func keyIDProblem(id string, format apikey.Format) string {
	if problem := nameProblem(id, format); problem != "" {
		return problem
	}
	if !keyID.MatchString(id) {
		return "must be 1 to 128 letters, digits and . _ @ + -, and begin with a letter or digit"
	}
	lower := strings.ToLower(id)
	switch {
	case isSetting(lower) || headerOrLevel.MatchString(id) || variable.MatchString(id):
		return "is the name of a setting; write the name of the key's owner"
	case strings.Contains(id, ".") && file.MatchString(lower):
		return "is the name of a file; write the name of the key's owner"
	case algorithm.MatchString(lower):
		return "is a type of key, a scheme or an algorithm; write the name of the key's owner"
	}
	return ""
}

var (
	keyID = newPattern(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$`)

	// scheme has the schemes of URLs. It is matched with a text in lower case, as are setting,
	// settingEnd, algorithm and file.
	scheme = newPattern(`^(?:https?|wss?|s?ftps?|ssh|git|file|jdbc|rediss?|postgres(?:ql)?|` +
		`mysql|mariadb|mongodb(?:\+srv)?|amqps?|kafka|nats|ldaps?|smtps?|imaps?|s3|gs|oci|docker|tcp|udp|grpcs?|unix)$`)

	// setting has the names that stand before secrets in configuration files and messages, and
	// before digests in lists of them.
	setting = newPattern(`^(?:` +
		`(?:x-)?(?:(?:api|access|auth|secret|client|private|public|master|signing|encryption|bearer)[-_.]?)?` +
		`(?:keys?|tokens?|secrets?|passwords?|credentials?)|` +
		`passwd|pwd|pass|userpassword|` +
		`authorization|bearer|cookie|set-cookie|content-type|accept|user-agent|etag|` +
		`url|uri|urn|arn|tel|sha-?(?:1|224|256|384|512)|md5|digest|checksum|fingerprint|` +
		`(?:refresh|id|session|csrf|xsrf)[-_.]?token|` +
		`(?:client|tenant|trace|span|session|request|correlation|build)[-_.]?id|` +
		`phpsessid|jsessionid|dsn|secret[-_.]key[-_.]base)$`)

	// settingEnd has the ends of such names.
	settingEnd = newPattern(`.[-_.](?:password|passwd|pwd|secret)$|.@sha(?:256|512)$`)

	// headerOrLevel has the names of other headers, and the levels of logs.
	headerOrLevel = newPattern(`^X-[A-Z][A-Za-z0-9]*(?:-[A-Z][A-Za-z0-9]*)+$|` +
		`^(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|TODO|FIXME|NOTE)$`)

	// variable has the names of environment variables for secrets and places.
	variable = newPattern(`^[A-Z0-9]+(?:_[A-Z0-9]+)*_(?:KEYS?|TOKENS?|SECRETS?|PASSWORD|PASSWD|PASS|PWD|CREDENTIALS?|` +
		`URL|URI|HOST|ENDPOINT|DSN|PATH|DIR|ID|IMAGE)$`)

	// algorithm has the types of keys, schemes of authentication and hash functions that stand
	// before keys, signatures and digests. It also has the networks whose addresses are a key or a
	// digest.
	algorithm = newPattern(`^(?:` +
		`(?:sk-)?(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-nistp\d+)(?:-cert-v\d+)?(?:@openssh\.com)?|` +
		`rsa-sha2-(?:256|512)|(?:pgp|x509v3)-sign-[a-z]+|[rd]sa|rsa-?(?:2048|3072|4096)|` +
		`(?:ed|x|curve)-?(?:25519|448)|ecdsa|ecdh|secp256[kr]1|nistp(?:256|384|521)|` +
		`(?:rs|hs|es|ps)(?:256|384|512)|jw[tkse]|` +
		`basic|negotiate|ntlm|digest|apikey|hawk|dpop|aws4-(?:hmac|ecdsa-p256)-sha256|hmac(?:-[a-z0-9-]+)?|` +
		`sha[23]?-?(?:1|224|256|384|512)(?:[-_](?:224|256|rsa|fingerprint))?|shake(?:128|256)|md[245]|` +
		`blake[23][bs]?(?:[-_]?(?:256|512))?|ripemd-?160|crc32c?|xxh(?:32|64|128)|` +
		`bitcoin|litecoin|ethereum|lightning|nostr|ipfs|ipns|magnet|did)$`)

	// file has the names of files in lists of digests and in results of a search. It has no ending
	// that is the end of many domains.
	file = newPattern(`^.+\.(?:py|jsx?|tsx?|go|rb|java|kt|cpp|cs|php|md|txt|json|ya?ml|toml|ini|conf|cfg|lock|html?|css|` +
		`xml|csv|sql|ipynb|tf|tfvars|properties|pem|crt|tar|t?gz|bz2|xz|zst|zip|deb|rpm|jar|whl|exe|dmg|iso|img)$`)
)

// isSetting reports whether an id in lower case is the name of a setting.
func isSetting(id string) bool {
	return setting.MatchString(id) || containsAny(id, "pass", "pwd", "secret", "@sha") && settingEnd.MatchString(id)
}

// swapped reports whether key is made of words or is a number, and id is not.
func swapped(id, key string) bool {
	return isWordy(key) && (apikey.LooksLikeKey(id) || hexadecimal.MatchString(id))
}

// isWordy reports whether a token is a number, or at least two words and numbers with a separator
// between. One in ten thousand random tokens has this form.
func isWordy(token string) bool {
	if strings.Trim(token, digits) == "" {
		return token != ""
	}
	const longestWord = 1 + 15 + 3
	for part := range strings.FieldsFuncSeq(token, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		if len(part) > longestWord {
			return false
		}
	}
	return wordy.MatchString(token)
}

// isOnlyWords reports whether a token is made of words without numbers.
func isOnlyWords(token string) bool {
	return !strings.ContainsAny(token, digits) && onlyWords.MatchString(token)
}

const digits = "0123456789"

var (
	onlyWords = newPattern(`^[A-Za-z]{1,15}(?:[-_.][A-Za-z]{1,15})+$|^(?:[A-Z][a-z]{2,}){2,}$`)

	// wordy has words of one case, or with a capital first.
	wordy = newPattern(`^[A-Z]?[a-z]{1,15}\d{0,3}(?:[-_.](?:[A-Z]?[a-z]{1,15}\d{0,3}|\d{1,10}))+$|` +
		`^[A-Z]{1,15}\d{0,3}(?:[-_.](?:[A-Z]{1,15}\d{0,3}|\d{1,10}))+$`)

	hexadecimal = newPattern(`^[0-9a-f]{16,}$|^[0-9A-F]{16,}$|^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)
