package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	c, err := client.New(a.URL, string(a.Key))
	if err != nil {
		return nil, usageError{fmt.Errorf("LATCHKEY_URL %w", err)}
	}
	answer, err := c.Do(ctx, method, path, query, body)
	if err != nil {
		return nil, hinted{err, hint(err, a.Key == "")}
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

// readToken reads a token from standard input, without showing it.
func readToken(c *cobra.Command) (string, error) {
	if isTerminal(c.InOrStdin()) {
		fmt.Fprint(c.ErrOrStderr(), "API key: ")
		text, err := term.ReadPassword(int(c.InOrStdin().(interface{ Fd() uintptr }).Fd()))
		fmt.Fprintln(c.ErrOrStderr())
		return strings.TrimSpace(string(text)), err
	}
	const longest = 16 << 10 // what is longer is no key, and is told so
	text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), longest))
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// confirm asks before what cannot be undone.
func confirm(c *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(c.InOrStdin()) {
		return usageError{errors.New("this cannot be undone: say --yes")}
	}
	fmt.Fprint(c.ErrOrStderr(), question+" It cannot be undone. [y/N] ")
	var answer string
	_, _ = fmt.Fscanln(c.InOrStdin(), &answer) // no answer is no
	if answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}
