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

// apiConfig says whom the commands that speak HTTP speak to. The key has no flag:
// a command line is seen by others, and kept.
type apiConfig struct {
	URL string           `env:"LATCHKEY_URL" envDefault:"http://127.0.0.1:3000"`
	Key config.Sensitive `env:"LATCHKEY_KEY"`
}

const apiHelp = `

LATCHKEY_URL is where the service is (http://127.0.0.1:3000), LATCHKEY_KEY the
key to call it with.`

const keysPath = "/api/v1/api-keys"

// callAPI makes one request of the API.
func callAPI(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	var a apiConfig
	if err := config.Read(&a, config.Process()); err != nil {
		return nil, usageError{err}
	}
	key := strings.TrimSpace(a.Key.Reveal()) // files end with a line's end
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, usageError{errors.New("LATCHKEY_KEY must be one key, of visible ASCII characters")}
	}
	c, err := client.New(a.URL, key)
	if err != nil {
		return nil, usageError{fmt.Errorf("LATCHKEY_URL %w", err)}
	}
	answer, err := c.Do(ctx, method, path, query, body)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, errInterrupted
	case err != nil:
		return nil, hinted{err, hint(err, key, time.Now())}
	}
	return answer, nil
}

// hinted is an error that says what to do next.
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

func hint(err error, key string, now time.Time) string {
	var e *client.Error
	switch {
	case !errors.As(err, &e):
		return "Is it running? latchkey dev starts it here; LATCHKEY_URL says where else it is."
	case e.Status == 401 && key == "":
		return "LATCHKEY_KEY is not set. latchkey init makes an admin key; latchkey dev keeps\nits own in .latchkey/root-key."
	case e.Status == 401 && apikey.IsJWT(key):
		if end := expiry(key); !end.IsZero() && !now.Before(end) {
			return "LATCHKEY_KEY is a user's token that expired at " + end.UTC().Format(time.RFC3339) + ":\nsign in again."
		}
		return "LATCHKEY_KEY is a user's token: the stack must name its issuer and its audience, and\nthe route must be one that manages keys."
	case e.Status == 401:
		return "latchkey validate says what is wrong with a key."
	case e.Status == 403:
		return "latchkey whoami shows what your key may do."
	case e.Status == 404 && e.Param == "id":
		return "latchkey keys list shows the ids."
	case e.Code == "":
		return "Is LATCHKEY_URL latchkey's, with the stage if it has one?"
	}
	return ""
}

// expiry is when a JSON Web Token says that it ends, or the zero time. It verifies nothing.
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

// given is a query of what has a value.
func given(values map[string]string) url.Values {
	query := make(url.Values)
	for name, value := range values {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}
