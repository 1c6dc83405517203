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

// Environment says what a key is for: real traffic or trying things out.
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

// Format is how this deployment writes its own tokens: the prefix is what
// secret scanners look for. The zero Format is not usable; see [NewFormat].
type Format struct{ prefix string }

// NewFormat returns the format for tokens that begin with prefix, such as "sk".
func NewFormat(prefix string) (Format, error) {
	if len(prefix) < 2 || len(prefix) > 12 || prefix == publicPrefix || strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyz") != "" {
		return Format{}, fmt.Errorf("token prefix must be 2 to 12 lower-case letters other than %q", publicPrefix)
	}
	return Format{prefix: prefix}, nil
}

// Token is the text that a caller presents. It holds a secret, so nothing
// prints it by accident: see [redact.Secret]. Only [Token.Reveal] gives the text
// away.
type Token struct{ hiddenText }

type hiddenText = redact.Secret[*tokenText]

type tokenText struct {
	text string
	id   string // native tokens only
	env  Environment
}

func hide(t *tokenText) Token { return Token{redact.New(t)} }

// text is never nil.
func (t Token) text() *tokenText {
	if text := t.hiddenText.Reveal(); text != nil {
		return text
	}
	return &tokenText{}
}

// ErrMalformed says that a text cannot be a token of anybody's.
var ErrMalformed = errors.New("malformed token")

// Parse reads a token without any I/O. A text in our own format must carry the
// right checksum; anything else of 16 to 128 visible ASCII characters without
// space or comma is a foreign token, which only the table can tell about.
func (f Format) Parse(text string) (Token, error) {
	env, body, ok := f.split(text)
	if !ok {
		return ParseForeign(text)
	}
	if checksum(text[:len(text)-checksumLength]) != text[len(text)-checksumLength:] {
		return Token{}, ErrMalformed
	}
	return hide(&tokenText{text: text, id: body[:idLength], env: env}), nil
}

// New makes a native token, with an id of its own, from random, which must be a
// source fit for secrets.
func (f Format) New(env Environment, random io.Reader) (Token, error) {
	id, err := NewID(random)
	if err != nil {
		return Token{}, err
	}
	return f.Next(env, id, random)
}

// Next makes another native token for the key of that id.
func (f Format) Next(env Environment, id string, random io.Reader) (Token, error) {
	secret, err := randomBase62(random, secretLength)
	if err != nil {
		return Token{}, fmt.Errorf("new token: %w", err)
	}
	text := f.prefix + "_" + string(env) + "_" + id + secret
	return hide(&tokenText{text: text + checksum(text), id: id, env: env}), nil
}

// KeyPrefix is what lists show of a key: enough to recognise, too little to use.
func (f Format) KeyPrefix(env Environment, id string) string {
	return f.prefix + "_" + string(env) + "_" + id[:4]
}

// split takes a text of our own shape apart. It does not look at the checksum.
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

// Native reports whether the token is of our own making.
func (t Token) Native() bool { return t.ID() != "" }

// ID is the public id inside a native token; a foreign token has none.
func (t Token) ID() string { return t.text().id }

// Environment is the one that a native token names; a foreign token names none.
func (t Token) Environment() Environment { return t.text().env }

// Reveal returns the secret text. It is for the one answer that shows a new
// token to its owner, and for hashing; never for a log, an error or a metric.
func (t Token) Reveal() string { return t.text().text }

// maskable matches native tokens, tokens of other services that begin alike, and JSON Web Tokens.
// The mask keeps the captured text. The ids after pk_live_ are too short to match.
var maskable = onUse(`([a-z]{2,12}_(?:live|test)_[0-9A-Za-z]{4})[0-9A-Za-z_-]{13,}|\b([sr]k[_-])[0-9A-Za-z_-]{16,}|\b(eyJ)[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*`)

var escaped = onUse(`%[0-9A-Fa-f]{2}`)

// unescape decodes percent-escapes, and keeps malformed ones as they are.
func unescape(text string) string {
	return escaped().ReplaceAllStringFunc(text, func(e string) string {
		c, _ := strconv.ParseUint(e[1:], 16, 8) // two digits
		return string([]byte{byte(c)})
	})
}

// deepestEscape is how often a segment may be escaped and be looked into.
const deepestEscape = 8

// MaskPath returns an escaped path without the secret part of the tokens in it, for a log. A segment
// that hides a token by its escapes is written without them, and one that is escaped too often not
// at all.
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

// PublicKey names a key in public: it identifies, it does not authenticate.
type PublicKey struct {
	Environment Environment
	ID          string
}

// ParsePublicKey reads "pk_live_<id>".
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

// ValidID reports whether id could be a key's id, so that nothing else is ever
// looked up.
func ValidID(id string) bool { return len(id) == idLength && isBase62(id) }

// NewID draws the id of a new key from random, which must be a source fit for secrets.
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

// randomBase62 draws n digits, each equally likely: bytes that would favour
// some digits are thrown away.
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

// checksum lets a scanner, and the gate, tell a token from a lookalike.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var digits [checksumLength]byte
	for i := range digits {
		digits[checksumLength-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// IDOf returns the id that a sum stands for: its last digits in base 62.
func IDOf(sum []byte) string {
	n, base, digit := new(big.Int).SetBytes(sum), big.NewInt(int64(len(base62))), new(big.Int)
	text := make([]byte, idLength)
	for i := range text {
		n.DivMod(n, base, digit)
		text[idLength-1-i] = base62[digit.Int64()]
	}
	return string(text)
}
