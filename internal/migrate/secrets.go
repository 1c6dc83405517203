package migrate

import (
	"slices"
	"strings"

	"latchkey/internal/apikey"
)

// tokenProblem says why text cannot be the token of a caller, or returns "". The answer completes
// the sentence "key …" and never repeats text. Each rule names a form that is certainly no token.
// No rule guesses by how random a text looks. text must be visible ASCII.
func tokenProblem(text string) string {
	switch {
	case isQuoted(text):
		return "stands in quotes; remove them"
	case isEncrypted(text):
		return "is encrypted; export it decrypted"
	case isReference(text):
		return "is a reference to a secret in another place; write the secret itself"
	case isPasswordHash(text):
		return "is a password hash; only a token or its SHA-256 can be imported"
	case isMasked(text):
		return "is masked; the file needs the whole token"
	case isPlaceholder(text):
		return "is a placeholder; write the token itself"
	case isKeyMaterial(text):
		return "is a certificate, or a key of SSH, TLS or PGP; only the token of a caller can be imported"
	case slices.Contains(emptyDigests, strings.ToLower(text)):
		return "is the digest of an empty text; write the token itself"
	case strings.HasSuffix(text, "|") || strings.HasSuffix(text, ":"):
		return "ends with a separator; write the token alone"
	case strings.ContainsAny(text, ":=-_") && digest.MatchString(text):
		return "is a digest; give a SHA-256 as sha256 in JSON Lines or CSV"
	}
	if what := apikey.NonSecret(text); what != "" {
		return "is " + what + "; write the token itself"
	}
	body := text[strings.LastIndexAny(text, "-_.:/")+1:]
	if len(body) >= shortestBody && len(body) < len(text) {
		if what := apikey.NonSecret(body); what != "" {
			return "is " + what + "; write the token itself"
		}
	}
	switch {
	case samePerPart(text):
		return "is a repeated pattern; write the token itself"
	case !hasTokenCharacters(text):
		return "has characters other than letters, digits and - . _ ~ + / | : with = at its end; " +
			"import such a token by its SHA-256"
	case isPlace(text) || isMoment(text):
		return "is a path, a host, a media type, a time or a telephone number; write the token itself"
	}
	return ""
}

// nameProblem says why text cannot name a key or its owner, or returns "". The answer completes the
// sentence "userId …". The rules find secrets and placeholders, since names are shown in lists, logs
// and headers. They accept random ids of users.
func nameProblem(text string, format apikey.Format) string {
	switch {
	case isKey(text, format):
		return nameLikeKey
	case isPasswordHash(text), isEncrypted(text):
		return "is a password hash; write the name itself"
	case isQuoted(text):
		return "stands in quotes; remove them"
	case hasGap(text), secretStore.MatchString(text), namePlaceholder.MatchString(words(text)), isMasked(text):
		return "is a placeholder; write the name itself"
	}
	return ""
}

const nameLikeKey = "looks like a key, and names are shown in lists and logs; write a name"

// isKey reports whether text is one of latchkey's tokens, or begins as those of known services do.
func isKey(text string, format apikey.Format) bool {
	token, err := format.Parse(text)
	return err == nil && token.Native() || apikey.IsJWT(text) || likeKey.MatchString(text) ||
		likeSK.MatchString(text) && strings.ContainsAny(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// shortestBody is the length from which the part of a token after its prefix is judged by itself.
const shortestBody = 12

var (
	// likeKey has the prefixes that services publish for secret scanners.
	likeKey = newPattern(`^(?:[a-z]{2,12}_(?:live|test)_[0-9A-Za-z]{12,}|` +
		`gh[pousr]_\w{20,}|github_pat_.{20,}|glpat-.{16,}|xox[a-z]-.{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|` +
		`SG\.[\w-]{16,}\..+|hf_\w{20,}|npm_\w{20,}|shp[a-z]{2}_\w{20,}|dop_v1_\w+|pypi-.{20,}|dckr_pat_.{16,})$`)

	likeSK = newPattern(`^(?:sk|rk)[-_].{12,}$`)

	// passwordHash has the forms of crypt(3), LDAP, Django, Werkzeug, PostgreSQL, MySQL, SQL Server
	// and CouchDB. A locked account has ! or * before its hash.
	passwordHash = newPattern(`^(?:[!*]{0,2}\$[0-9A-Za-z][0-9A-Za-z-]{0,24}\$|\{[A-Za-z0-9._-]{2,32}\}[^}]|` +
		`(?i:pbkdf2|argon2|bcrypt|scrypt|md5|sha1|sha256|sha512|phpass|unsalted)[0-9a-z_]*\$|(?i:pbkdf2|scrypt):|` +
		`SCRAM-SHA-(?:1|256)\$|0x0[12]00[0-9A-Fa-f]{40,}$|-(?:pbkdf2|hashed)-|\*[0-9A-F]{40}$|(?i:md5)[0-9a-f]{32}$)`)

	// keyMaterial has the base64 of SSH's keys, of DER with the identifiers of RSA and elliptic
	// curves or a certificate's version, and of PGP's keys and messages.
	keyMaterial = newPattern(`^AAAA[A-Za-z][A-Za-z0-9+/](?:NzaC1|VjZHN|NrLXN|JzYS1)|^b3BlbnNzaC1rZXkt|` +
		`^M[A-Za-z0-9+/]{3}.*(?:BgkqhkiG9w0|gAwIBAg|YHKoZIzj0|IBAAK)|^MC[4o][A-Za-z0-9]{2,6}BQYDK2V|` +
		`^(?:mQ[EIGM][A-Za-z0-9]B|mDME[A-Z]|lQ[OHPcd][A-Za-z0-9]{2}B|h[QI][EIGM]MA)[A-Za-z0-9+/]{12}`)

	// emptyDigests are MD4 of UTF-16 (as NTLM has it), MD5, SHA-1 and SHA-256 of the empty text.
	emptyDigests = []string{
		"31d6cfe0d16ae931b73c59d7e0c089c0",
		"d41d8cd98f00b204e9800998ecf8427e",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}

	digest = newPattern(`^(?i:sha-?(?:1|224|256|384|512)|md5|blake[23][bs]?)(?:[:=]|[-_][0-9A-Za-z+/]{27,}={0,2}$)`)

	// reference names a place that holds a secret.
	reference = newPattern(`^[\${(<\[@"'!]*(?i:os\.environ|os\.getenv|process\.env|env[./:]|environ[./]|` +
		`secrets?[./:]|secrets?manager[./:]|vault[./:]|ssm[./:]|arn:|op:/|file:|(?:azure)?keyvault|microsoft\.keyvault|` +
		`gcp-?sm:|awssm:|projects/[^/]+/secrets|resolve:|parameters?[./:]|kms[:/]|sops[:/]|` +
		`(?:var|local|module|data|config|settings)\.[a-z_]|\.?values\.|[a-z][a-z0-9+.-]*://)`)

	// secretStore names a place that holds a secret, in forms that no user's name has.
	secretStore = newPattern(`^[\${(<\[]*(?i:os\.environ|os\.getenv|process\.env|(?:vault|op|env|secrets?)://|` +
		`arn:aws:(?:secretsmanager|ssm):)`)

	// template has a gap that some tool fills.
	template = newPattern(`^(?:\$[A-Za-z_][A-Za-z0-9_.]*|%[A-Za-z_][A-Za-z0-9_]*%|@@?[A-Za-z_]+@@?|__[A-Za-z_]+__|` +
		`<.*>|\[.*\]|\{.*\}|\(.*\)|&lt;.*)$|` + "[$#]\\{|\\$\\(|\\{\\{|\\}\\}|<%|%>|`")

	// tokenPlaceholder and namePlaceholder are matched with a text's words; see [words].
	tokenPlaceholder = newPattern(`-(?:` +
		`your-?(?:[a-z]+-?){0,4}(?:keys?|tokens?|secrets?|passwords?|credentials?|value|here)-|` +
		`(?:[a-z]+-?){0,4}(?:key|token|secret|password|value)-?(?:goes-?)?here-|` +
		`change-?(?:me|this|it|now)-|replace-?(?:me|this|it|with)-|` +
		`to-?be-?(?:changed|replaced|defined|filled)-|not-?a-?(?:real|valid)-|` +
		`(?:insert|enter|paste|fill-?in|put|add|set|type)-?(?:in-?)?(?:your|the|a|an|my|real)-?(?:[a-z]+-?){0,3}` +
		`(?:keys?|tokens?|secrets?|passwords?)-|` +
		`(?:dummy|fake|sample|mock|example|todo|fixme)-?(?:api-?)?(?:keys?|tokens?|secrets?|passwords?|value)-|` +
		`example-|(?:snip|snipped|redacted|censored|truncated|omitted)-)`)

	namePlaceholder = newPattern(`^-(?:` +
		`your-?(?:[a-z]+-?){0,3}(?:name|id|user|email|customer|client|key|token|secret)|` +
		`change-?me|replace-?me|placeholder|redacted|undefined|insert-?[a-z-]*here)-$`)

	// path is a path, a package, a host, a media type or a network: words and short numbers with at
	// least one dot or slash between.
	path = newPattern(`^(?:/?/|~/|\.{1,2}/)?` +
		word + `(?:[-_]` + word + `)*[./]+(?:` + word + `(?:[-_./:]+` + word + `)*[-_./:]*)?$`)

	rootedPath = newPattern(`^(?:~|\.{1,2})?/(?:etc|usr|var|home|opt|run|root|bin|sbin|lib|dev|tmp|srv|mnt|proc|sys|` +
		`Users|app|data|api|v\d)/|^//[A-Za-z0-9]*[.-]|^//[a-z0-9]+$`)

	host = newPattern(`^[a-z0-9][a-z0-9.-]*\.(?:com|net|org|io|dev|app|ai|co|de|eu|uk|fr|ch|at|nl|us|edu|gov|` +
		`local|internal|localhost|lan|cloud|test|example|svc|amazonaws)(?:[:/.].*)?$`)

	moment = newPattern(`^\d{4}-\d\d-\d\d|^\d{8}T\d{6}|^\+\d+$`)
)

const word = `(?:(?:[A-Z]?[a-z]{2,15}){1,4}\d{0,3}|[a-z]\d{0,3}|[A-Z]{1,15}\d{0,2}|\d{1,4})`

// hasTokenCharacters reports whether text has the characters of RFC 6750, section 2.1, and | and :
// which some services put between an id and a secret.
func hasTokenCharacters(text string) bool {
	body := strings.TrimRight(text, "=")
	const others = "-._~+/|:"
	return body != "" && len(text)-len(body) <= 2 &&
		strings.Trim(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"+others) == ""
}

// isKeyMaterial looks at the first letter before it matches, since few tokens begin so.
func isKeyMaterial(text string) bool {
	return text != "" && strings.IndexByte("AbMmlh", text[0]) >= 0 && keyMaterial.MatchString(text)
}

func isPlace(text string) bool {
	return strings.ContainsAny(text, "./") &&
		(path.MatchString(text) || rootedPath.MatchString(text) || host.MatchString(text))
}

// isMoment reports whether text is a time or a telephone number.
func isMoment(text string) bool {
	const longestPrefix = len("20270131T")
	return strings.ContainsAny(text[:min(len(text), longestPrefix)], "+-T") && moment.MatchString(text)
}

// gaps are the characters with which placeholders of tools begin.
const gaps = "$#%<@[{(&`"

func hasGap(text string) bool {
	return (strings.ContainsAny(text, gaps) || strings.HasPrefix(text, "__")) && template.MatchString(text)
}

// placeholderWords are words of which [tokenPlaceholder] has at least one.
var placeholderWords = strings.Fields(`your here change replace to-be tobe not-a nota insert enter paste fill put add
	set type dummy fake sample mock example todo fixme snip redacted censored truncated omitted`)

// isPlaceholder reports whether text is a placeholder for a token.
func isPlaceholder(text string) bool {
	if hasGap(text) {
		return true
	}
	spelled := words(text)
	return containsAny(spelled, placeholderWords...) && tokenPlaceholder.MatchString(spelled)
}

func isPasswordHash(text string) bool {
	return strings.ContainsAny(text, "$}:*-mMx") && passwordHash.MatchString(text)
}

func isReference(text string) bool {
	return strings.ContainsAny(text, "./:") && reference.MatchString(text) || strings.HasPrefix(text, "@Microsoft.")
}

// encryptedBeginnings are of Kong's keyring, SOPS, Jasypt, Spring, Ansible, KMS, Vault's transit
// engine, age, Fernet and OpenSSL.
var encryptedBeginnings = []string{
	"$ke$", "ENC[", "ENC(", "{cipher}", "$ANSIBLE_VAULT", "AQICAH", "vault:v", "AGE-", "gAAAAAB", "U2FsdGVkX1",
}

func isEncrypted(text string) bool {
	return slices.ContainsFunc(encryptedBeginnings, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}

// isQuoted reports whether text has a quote at either end.
func isQuoted(text string) bool {
	const quotes = "\"'`"
	return text != "" && (strings.IndexByte(quotes, text[0]) >= 0 || strings.IndexByte(quotes, text[len(text)-1]) >= 0)
}

// bullets stand for hidden characters.
const bullets = "…•●∗█"

// isMasked reports whether asterisks, dots, bullets or x hide a part of text.
func isMasked(text string) bool {
	return strings.ContainsAny(text, bullets) ||
		containsAny(text, "xxx", "XXX", "***", "...", "###", "???", "<", "[", "(") && mask.MatchString(text)
}

// mask does not match long tokens that have three dots in a row by chance.
var mask = newPattern(`(?:^|[-_.:/])(?:x{4,}|X{4,})|(?:x{5,}|X{5,})(?:$|[-_.:/])|` +
	`(?:^|[-_.:/])[xX]{3,}(?:[-_.:/][xX]{3,})+(?:$|[-_.:/])|` +
	`(?i)^[<\[(](?:hidden|filtered|masked|redacted|secret)[>\])]$|` +
	`(?:\*{3}|#{3}|\?{3}|\.{4})|^[A-Za-z0-9_:-]{0,12}\.{3}[A-Za-z0-9_:-]{0,8}$`)

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// words writes text in lower case, with one - for each run of characters other than letters and
// digits, and one at either end.
func words(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte('-')
	last := byte('-')
	for _, c := range []byte(strings.ToLower(text)) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			c = '-'
		}
		if c != '-' || last != '-' {
			b.WriteByte(c)
		}
		last = c
	}
	if last != '-' {
		b.WriteByte('-')
	}
	return b.String()
}

// samePerPart reports whether text has at least three parts and each part repeats one character.
// An example is 1111-2222-3333-4444.
func samePerPart(text string) bool {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("-_.:/", r) })
	for _, part := range parts {
		if len(part) < 3 || strings.Trim(part, part[:1]) != "" {
			return false
		}
	}
	return len(parts) >= 3
}
