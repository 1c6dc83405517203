package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

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
		return nil, hinted{err, hint(err, key == "")}
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

func hint(err error, keyless bool) string {
	var e *client.Error
	switch {
	case !errors.As(err, &e):
		return "Is it running? latchkey dev starts it here; LATCHKEY_URL says where else it is."
	case e.Status == 401 && keyless:
		return "LATCHKEY_KEY is not set. latchkey init makes an admin key; latchkey dev keeps\nits own in .latchkey/root-key."
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
