package apikey

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// NonSecret explains why text cannot be a secret, or returns "". Such a text is a mask, a
// placeholder, a repeated pattern, or the name of a place that holds a secret. The answer completes
// the sentence "the key is …" and never repeats text. The answer "" is no proof that text is hard
// to guess.
//
// A random token of 16 or more digits, letters or other visible characters is refused less often
// than once in a million times.
func NonSecret(text string) string {
	letters := strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		case 'a' <= r && r <= 'z':
			return r
		}
		return -1
	}, text)
	switch {
	case strings.Contains(text, "****") || strings.Contains(text, "...."),
		strings.HasSuffix(text, "...") || strings.ContainsAny(text, "…•●█"):
		return "masked"
	case longestRun(text) >= 8 || repeats(text) || sequence(text):
		return "a repeated pattern"
	case hasPlaceholderWord(letters) || strings.Contains(strings.ToLower(text), "xxxxxx"):
		return "a placeholder"
	case variableName().MatchString(text):
		return "the name of a variable"
	case strings.ContainsAny(text, "{(") && gap().MatchString(text),
		strings.ContainsAny(text, "$<%{./:") && reference().MatchString(text):
		return "a reference to a place where a secret stands"
	}
	return ""
}

// Words of at least seven letters, since a random token may hold any shorter one by chance.
var placeholderWords = strings.Fields(`changeme changethis changeit replaceme replacethis replacewith
	yourapikey yourkey yoursecret yourtoken youraccesskey yourinternal
	insertyour inserthere goeshere keyhere tokenhere secrethere putyour enteryour
	placeholder redacted undefined notarealkey notasecret fillmein examplekey exampletoken apikeyexample`)

func hasPlaceholderWord(letters string) bool {
	return strings.HasSuffix(letters, "example") ||
		slices.ContainsFunc(placeholderWords, func(word string) bool { return strings.Contains(letters, word) })
}

var (
	// YOUR_API_KEY, __KEY__, %KEY_NAME%, @KEY_NAME@: capitals with an underscore and no digit.
	variableName = onUse(`^[%@#-]*[A-Z_-]*_[A-Z_-]*[%@#-]*$`)
	// Placeholders of shells, Helm, GitHub, CloudFormation and others, and addresses of secret
	// stores.
	gap       = onUse(`\$\{[A-Za-z_][A-Za-z0-9_.:-]{3,}\}$|\$\([A-Za-z_]+( [^)]*)?\)$|\{\{.*\}\}$`)
	reference = onUse(`^\$([A-Z][A-Z0-9_]*|[a-z][a-z0-9_]*)$|` +
		`^<[A-Za-z0-9_ .-]+>$|^%[A-Za-z0-9_.-]+%$|^\{[a-z]+://|^(os\.environ|process\.env|env|secrets?)[./:]|` +
		`^(arn|op|ssm|vault|aws|gcp|azure|kms|file|https?|s3|gs|ref|sops)(\+[a-z]+)?:|` +
		`^/(run|etc|var|home|mnt|opt|tmp|usr|secrets)/|^projects/`)
)

// ordinaryWords are words that stand in the place of a secret that was never generated.
var ordinaryWords = strings.Fields(
	`access admin api app auth client default dev development external internal key keys latchkey local
	master my only our pass passwd password private prod production root sample secret secrets server service staging super
	test testing token user`,
)

// maxGuess is how many other characters beside ordinary words still make no secret.
const maxGuess = 8

// ordinary reports whether text is nothing but ordinary words, separators between them, and at
// most [maxGuess] other characters, which are no letters.
func ordinary(text string) bool {
	letters, others := "", 0
	for _, c := range strings.ToLower(text) {
		switch {
		case 'a' <= c && c <= 'z':
			letters += string(c)
		case c != '-' && c != '_' && c != '.':
			others++
		}
	}
	return others <= maxGuess && words(letters)
}

func words(letters string) bool {
	return letters == "" || slices.ContainsFunc(ordinaryWords, func(word string) bool {
		rest, ok := strings.CutPrefix(letters, word)
		return ok && words(rest)
	})
}

// doubled reports whether text repeats one pattern at least twice.
func doubled(text string) bool {
	for period := 1; 2*period <= len(text); period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

// longestRun returns the length of the longest run of one character.
func longestRun(text string) int {
	longest, run := 0, 0
	for i := range len(text) {
		if i > 0 && text[i] == text[i-1] {
			run++
		} else {
			run = 1
		}
		longest = max(longest, run)
	}
	return longest
}

// repeats reports whether text repeats one pattern at least three times.
func repeats(text string) bool {
	for period := 1; 3*period <= len(text); period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

// sequence reports whether each character follows the one before it, as in 1234567890123456 and
// abcdefghijklmnop, or whether there are hardly any different ones.
func sequence(text string) bool {
	steps, different, seen := 0, 0, [256]bool{}
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			different++
		}
		if i > 0 && (text[i] == text[i-1]+1 || text[i-1] == '9' && strings.IndexByte("0aA", text[i]) >= 0) {
			steps++
		}
	}
	return different <= 3 || steps >= len(text)-1
}

var (
	keyShape = onUse(
		`^[A-Za-z]{2,12}_(live|test)_[A-Za-z0-9]{16,}$|^(sk|rk|pk)[_-][A-Za-z0-9_-]{12,}$|^(gh[a-z]_|glpat-|xox[a-z]-)`,
	)
	uuid     = onUse(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	unbroken = onUse(`[A-Za-z0-9+/=]{16,}`)
)

// LooksLikeKey reports whether text looks like a token rather than like the name of a user: it
// begins as tokens of known services do, or has 16 characters in a row in which digits, capitals
// and small letters alternate. Numbers, UUIDs, mail addresses and words are names.
func LooksLikeKey(text string) bool {
	if keyShape().MatchString(text) || IsJWT(text) {
		return true
	}
	for _, run := range unbroken().FindAllString(text, -1) {
		changes := 0
		for i := range len(run) - 1 {
			from, to := class(run[i]), class(run[i+1])
			if from != to && !(from == 'A' && to == 'a') { // a capital begins a word
				changes++
			}
		}
		if 4*changes >= len(run) {
			return true
		}
	}
	return false
}

func class(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z':
		return 'a'
	case 'A' <= c && c <= 'Z':
		return 'A'
	case '0' <= c && c <= '9':
		return '0'
	}
	return 0
}

// onUse returns a function that compiles a pattern when it is first called. Most instances need none of them, and each
// would make their start longer.
func onUse(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
