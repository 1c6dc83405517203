package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/client"
	"latchkey/internal/config"
)

// apiConfig configures the commands that call the HTTP API. There is no flag for the key, because
// other users can see a command line, and the shell stores it.
type apiConfig struct {
	URL string           `env:"LATCHKEY_URL" envDefault:"http://127.0.0.1:3000"`
	Key config.Sensitive `env:"LATCHKEY_KEY"`
}

const apiHelp = `

LATCHKEY_URL is the URL of the service (default http://127.0.0.1:3000).
LATCHKEY_KEY is the key that calls it.`

// callAPI makes one request with the URL and the key of [apiConfig] and returns the body of the
// answer. Its error is a usageError for a wrong variable, errInterrupted if ctx ended, and
// otherwise says what to do next.
func callAPI(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	return callOnce(ctx, "", method, path, query, body)
}

// callOnce is callAPI with an Idempotency-Key, unless that is empty.
func callOnce(
	ctx context.Context, once, method, path string, query url.Values, body any,
) (json.RawMessage, error) {
	var a apiConfig
	if err := config.Read(&a, config.Process()); err != nil {
		return nil, usageError{err}
	}
	key := strings.TrimSpace(a.Key.Reveal()) // a key that was read from a file may end in a newline
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, usageError{errors.New("LATCHKEY_KEY must be one key, of visible ASCII characters")}
	}
	c, err := client.New(a.URL, key)
	if err != nil {
		return nil, usageError{fmt.Errorf("LATCHKEY_URL %w", err)}
	}
	answer, err := c.Once(once).Do(ctx, method, path, query, body)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, errInterrupted
	case err != nil:
		return nil, hinted{err, hint(err, key, time.Now())}
	}
	return answer, nil
}

// hinted is an error with a second line that says what to do next.
type hinted struct {
	error
	hint string
}

func (h hinted) Error() string {
	if h.hint == "" {
		return h.error.Error()
	}
	return h.error.Error() + "\n" + h.hint
}

func (h hinted) Unwrap() error { return h.error }

// hint returns what to do next about an error of a request that was made with key, or "".
func hint(err error, key string, now time.Time) string {
	var e *client.Error
	switch {
	case !errors.As(err, &e):
		return "Is it running? latchkey dev starts it on this machine; LATCHKEY_URL names another one."
	case e.Status == 401 && key == "":
		return "LATCHKEY_KEY is not set. latchkey init makes an admin key; latchkey dev stores\n" +
			"its own in .latchkey/root-key."
	case e.Status == 401 && apikey.IsJWT(key):
		if end := expiry(key); !end.IsZero() && !now.Before(end) {
			return "LATCHKEY_KEY is a user's token that expired at " + end.UTC().Format(time.RFC3339) + ":\nsign in again."
		}
		return "LATCHKEY_KEY is a user's token: the stack must name its issuer and its audience, and\n" +
			"the route must be one that manages keys."
	case e.Status == 401:
		return "latchkey validate says what is wrong with a key."
	case e.Status == 403:
		return "latchkey whoami shows what your key may do."
	case e.Status == 404 && e.Param == "name":
		return "latchkey plans list shows the names."
	case e.Status == 404 && e.Param == "id":
		return "latchkey keys list shows the ids."
	case e.Code == "":
		return "LATCHKEY_URL must be the URL of latchkey, with the stage if it has one."
	}
	return ""
}

// expiry returns the expiry that a JSON Web Token claims, or the zero time. It verifies nothing.
func expiry(token string) time.Time {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}

// decode reads the body of an answer.
func decode[T any](answer json.RawMessage) (value T, err error) {
	if err := json.Unmarshal(answer, &value); err != nil {
		return value, fmt.Errorf("read the answer: %w", err)
	}
	return value, nil
}

// nonZero returns a pointer to a value, or nil for a zero value.
func nonZero[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// nonEmpty returns a query of the values that are not empty.
func nonEmpty(values map[string]string) url.Values {
	query := make(url.Values)
	for name, value := range values {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}
