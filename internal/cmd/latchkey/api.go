package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/apikey"
	"latchkey/internal/client"
)

const apiHelp = `

LATCHKEY_URL is the URL of the service (default http://127.0.0.1:3000), and
LATCHKEY_KEY is the key that calls it. latchkey login stores both in a profile.`

// apiFlags adds the flags of a command that calls the API.
func apiFlags(c *cobra.Command) {
	profileFlag(c, "`NAME` of the profile with the URL and the key, as latchkey login stores it")
	c.Flags().Bool("debug", false, "print each request on standard error, without keys")
}

// apiOutput adds the flags of a command that calls the API and prints data.
func apiOutput(c *cobra.Command) *output {
	out := outputFlags(c)
	apiFlags(c)
	return out
}

// callAPI makes one request with the settings of a command, and returns the answer. The error is a
// usageError for a wrong variable. Otherwise it comes from [settings.send].
func callAPI(c *cobra.Command, method, path string, query url.Values, body any) (client.Answer, error) {
	s, err := settingsOf(c)
	if err != nil {
		return client.Answer{}, err
	}
	return s.send(c, method, path, query, body)
}

// send makes one request and returns the answer. A request that changes something has the headers that
// the command's flags --if-match and --idempotency-key name. With --debug, it prints the request. The
// error is errInterrupted if the command's context ended, and otherwise says what to do next.
func (s settings) send(c *cobra.Command, method, path string, query url.Values, body any) (client.Answer, error) {
	service, err := s.client()
	if err != nil {
		return client.Answer{}, err
	}
	if f := c.Flags().Lookup("debug"); f != nil && f.Value.String() == "true" {
		service = service.Through(func(next http.RoundTripper) http.RoundTripper {
			return &debugger{out: c.ErrOrStderr(), key: s.key, next: next}
		})
	}
	if method != http.MethodGet {
		for flag, header := range map[string]string{"if-match": "If-Match", "idempotency-key": "Idempotency-Key"} {
			if f := c.Flags().Lookup(flag); f != nil {
				service = service.With(header, f.Value.String())
			}
		}
	}
	answer, err := service.Send(c.Context(), method, path, query, body)
	switch {
	case err != nil && c.Context().Err() != nil:
		return client.Answer{}, errInterrupted
	case err != nil:
		return client.Answer{}, hinted{err, s.hint(err, time.Now())}
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

// hint returns what to do next about an error of a request with s, or "".
func (s settings) hint(err error, now time.Time) string {
	var e *client.Error
	key := s.key.Reveal()
	switch {
	case !errors.As(err, &e):
		return "Is it running? latchkey dev starts it on this machine; LATCHKEY_URL names another one."
	case e.Status == 401 && key == "" && s.withheld != "":
		return s.withheld
	case e.Status == 401 && key == "":
		return "LATCHKEY_KEY is not set. latchkey login stores a key, and latchkey init makes an\n" +
			"admin key; latchkey dev stores its own in .latchkey/root-key."
	case e.Status == 401 && apikey.IsJWT(key):
		if end := expiry(key); !end.IsZero() && !now.Before(end) {
			return s.keyName + " is a user's token that expired at " + end.UTC().Format(time.RFC3339) + ":\nsign in again."
		}
		return s.keyName + " is a user's token: the stack must name its issuer and its audience, and\n" +
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
		return s.urlName + " must be the URL of latchkey, with the stage if it has one."
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
func decode[T any](body json.RawMessage) (value T, err error) {
	if err := json.Unmarshal(body, &value); err != nil {
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
