package apikey

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"net/url"
	"strconv"
	"strings"

	"latchkey/internal/redact"
)

// Environment is live for real traffic, or test for trying things out.
type Environment string

const (
	Live Environment = "live"
	Test Environment = "test"
)

// Environments returns every environment that a key may have.
func Environments() []Environment { return []Environment{Live, Test} }

const (
	idLength       = 16
	secretLength   = 32 // 62^32 is about 190 bits
	checksumLength = 6
	nativeLength   = idLength + secretLength + checksumLength

	MinForeignLength = 16
	MaxForeignLength = 128
)

// Format is the form of the tokens that this deployment makes. Secret scanners recognise its prefix.
// The zero Format must not be used; see [NewFormat].
type Format struct{ prefix string }

// NewFormat returns the format of tokens that begin with prefix, such as "sk". The prefix must be 2
// to 12 lower-case letters, and not "pk".
func NewFormat(prefix string) (Format, error) {
	if len(prefix) < 2 || len(prefix) > 12 || prefix == publicPrefix ||
		strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyz") != "" {
		return Format{}, fmt.Errorf("token prefix must be 2 to 12 lower-case letters other than %q", publicPrefix)
	}
	return Format{prefix: prefix}, nil
}

// Token is the text that a caller presents. It hides the text from everything that prints; see
// [redact.Secret]. Only [Token.Reveal] returns it. The zero Token has an empty text.
type Token struct{ hiddenText }

type hiddenText = redact.Secret[*tokenText]

type tokenText struct {
	text string
	id   string // native tokens only
	env  Environment
}

func hide(t *tokenText) Token { return Token{redact.New(t)} }

// text returns the parts of the token, and never nil.
func (t Token) text() *tokenText {
	if text := t.hiddenText.Reveal(); text != nil {
		return text
	}
	return &tokenText{}
}

// ErrMalformed says that a text cannot be a token, native or foreign.
var ErrMalformed = errors.New("malformed token")

// Parse parses a token without I/O. A text in this format is a native token, and must have the right
// checksum. Any other text of 16 to 128 visible ASCII characters without space or comma is a foreign
// token, which only the table can judge. Otherwise Parse returns ErrMalformed.
func (f Format) Parse(text string) (Token, error) {
	env, body, ok := f.split(text)
	if !ok {
		return ParseForeign(text)
	}
	if sum := checksum(text[:len(text)-checksumLength]); string(sum[:]) != text[len(text)-checksumLength:] {
		return Token{}, ErrMalformed
	}
	return hide(&tokenText{text: text, id: body[:idLength], env: env}), nil
}

// Reveals reports whether text begins as a native token does, and has a part of its secret.
func (f Format) Reveals(text string) bool {
	for _, env := range Environments() {
		rest, ok := strings.CutPrefix(text, f.prefix+"_"+string(env)+"_")
		if ok && len(rest) > idLength {
			return true
		}
	}
	return false
}

// Pattern returns a regular expression, in RE2 syntax, that finds every native token in a text. It does
// not check the checksum, so it also finds some texts that are no tokens.
func (f Format) Pattern() string {
	environments := string(Live) + "|" + string(Test)
	return `\b` + f.prefix + `_(?:` + environments + `)_[0-9A-Za-z]{` + strconv.Itoa(nativeLength) + `}\b`
}

// New makes a native token with a new id. random must be a source fit for secrets.
func (f Format) New(env Environment, random io.Reader) (Token, error) {
	id, err := NewID(random)
	if err != nil {
		return Token{}, err
	}
	return f.Next(env, id, random)
}

// Next makes another native token for the key with this id. random must be a source fit for secrets.
func (f Format) Next(env Environment, id string, random io.Reader) (Token, error) {
	secret, err := randomBase62(random, secretLength)
	if err != nil {
		return Token{}, fmt.Errorf("new token: %w", err)
	}
	text := f.prefix + "_" + string(env) + "_" + id + secret
	sum := checksum(text)
	return hide(&tokenText{text: text + string(sum[:]), id: id, env: env}), nil
}

// KeyPrefix returns the beginning of a key's native tokens, which lists show. It has the first four
// characters of the id, and nothing of a secret.
func (f Format) KeyPrefix(env Environment, id string) string {
	return f.prefix + "_" + string(env) + "_" + id[:4]
}

// split returns the parts of a text that has the shape of a native token. It does not check the
// checksum.
func (f Format) split(text string) (env Environment, body string, ok bool) {
	rest, ok := strings.CutPrefix(text, f.prefix+"_")
	if !ok {
		return "", "", false
	}
	env, body, ok = cutEnvironment(rest)
	return env, body, ok && len(body) == nativeLength && isBase62(body)
}

func cutEnvironment(text string) (Environment, string, bool) {
	name, rest, ok := strings.Cut(text, "_")
	env := Environment(name)
	return env, rest, ok && (env == Live || env == Test)
}

func ParseForeign(text string) (Token, error) {
	if len(text) < MinForeignLength || len(text) > MaxForeignLength {
		return Token{}, ErrMalformed
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' || text[i] == ',' {
			return Token{}, ErrMalformed
		}
	}
	return hide(&tokenText{text: text}), nil
}

// Native reports whether latchkey made the token, in this deployment's format.
func (t Token) Native() bool { return t.ID() != "" }

// ID returns the id of the key in a native token, or "" for a foreign token.
func (t Token) ID() string { return t.text().id }

// Environment returns the environment in a native token, or "" for a foreign token.
func (t Token) Environment() Environment { return t.text().env }

// Reveal returns the secret text. It is for the answer that shows a new token to its owner, and for
// hashing. The text must never reach a log, an error or a metric.
func (t Token) Reveal() string { return t.text().text }

// maskable matches native tokens, tokens of other services that begin alike, and JSON Web Tokens.
// The mask keeps the captured text. The ids after pk_live_ are too short to match.
var maskable = onUse(
	`([a-z]{2,12}_(?:live|test)_[0-9A-Za-z]{4})[0-9A-Za-z_-]{13,}|\b([sr]k[_-])[0-9A-Za-z_-]{16,}|` +
		`\b(eyJ)[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*`,
)

var escaped = onUse(`%[0-9A-Fa-f]{2}`)

// unescape decodes percent-escapes, and keeps malformed ones as they are.
func unescape(text string) string {
	return escaped().ReplaceAllStringFunc(text, func(e string) string {
		c, _ := strconv.ParseUint(e[1:], 16, 8) // two digits
		return string([]byte{byte(c)})
	})
}

// deepestEscape is how many times MaskPath decodes a segment.
const deepestEscape = 8

// MaskPath returns an escaped path for a log, without the secret part of the tokens in it. It decodes
// a segment whose escapes hide a token. It replaces a segment that is escaped more than 8 times.
func MaskPath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		plain := segment
		depth := 0
		for once := unescape(plain); once != plain && depth <= deepestEscape; once = unescape(plain) {
			plain = once
			depth++
		}
		switch {
		case depth > deepestEscape:
			segments[i] = "..."
		case maskable().MatchString(plain):
			segments[i] = (&url.URL{Path: maskable().ReplaceAllString(plain, "$1$2$3...")}).EscapedPath()
		}
	}
	return strings.Join(segments, "/")
}

const publicPrefix = "pk"

// PublicKey identifies a key in public. It does not authenticate a caller.
type PublicKey struct {
	Environment Environment
	ID          string
}

// ParsePublicKey parses "pk_live_<id>" or "pk_test_<id>", or returns ErrMalformed.
func ParsePublicKey(text string) (PublicKey, error) {
	rest, ok := strings.CutPrefix(text, publicPrefix+"_")
	if !ok {
		return PublicKey{}, ErrMalformed
	}
	env, id, ok := cutEnvironment(rest)
	if !ok || !ValidID(id) {
		return PublicKey{}, ErrMalformed
	}
	return PublicKey{Environment: env, ID: id}, nil
}

func (p PublicKey) String() string {
	return publicPrefix + "_" + string(p.Environment) + "_" + p.ID
}

// ValidID reports whether id has the form of a key's id. Others are never looked up.
func ValidID(id string) bool { return len(id) == idLength && isBase62(id) }

// NewID returns a new id of a key. random must be a source fit for secrets.
func NewID(random io.Reader) (string, error) {
	id, err := randomBase62(random, idLength)
	if err != nil {
		return "", fmt.Errorf("new id: %w", err)
	}
	return id, nil
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func isBase62(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// randomBase62 returns n digits, each equally likely. It discards bytes that would favour some
// digits.
func randomBase62(random io.Reader, n int) (string, error) {
	digits := make([]byte, 0, n)
	buf := make([]byte, 2*n)
	for len(digits) < n {
		if _, err := io.ReadFull(random, buf); err != nil {
			return "", err
		}
		for _, b := range buf {
			if int(b) < 256-256%len(base62) && len(digits) < n {
				digits = append(digits, base62[int(b)%len(base62)])
			}
		}
	}
	return string(digits), nil
}

// checksum returns the last six characters of a native token. Secret scanners and [Format.Parse]
// recognise a token by them.
func checksum(text string) (digits [checksumLength]byte) {
	sum := crc32.ChecksumIEEE([]byte(text))
	for i := range digits {
		digits[checksumLength-1-i] = base62[sum%62]
		sum /= 62
	}
	return digits
}

// IDOf returns the id of a sum: its last 16 digits in base 62.
func IDOf(sum []byte) string {
	n, base, digit := new(big.Int).SetBytes(sum), big.NewInt(int64(len(base62))), new(big.Int)
	text := make([]byte, idLength)
	for i := range text {
		n.DivMod(n, base, digit)
		text[idLength-1-i] = base62[digit.Int64()]
	}
	return string(text)
}
