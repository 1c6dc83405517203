package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

var errInterrupted = errors.New("interrupted")

// longestToken is more bytes than any token has. The API refuses longer ones.
const longestToken = 16 << 10

// readToken reads a token from standard input, as [readHidden] does.
func readToken(c *cobra.Command) (string, error) { return readHidden(c, "API key", longestToken) }

// readHidden reads a text from standard input, without the space around it. On a terminal, it asks for
// the text and does not show it. A text of more than most bytes is an error.
func readHidden(c *cobra.Command, what string, most int64) (string, error) {
	if isTerminal(c.InOrStdin()) {
		terminal := int(c.InOrStdin().(*os.File).Fd())
		before, err := term.GetState(terminal)
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		fmt.Fprint(c.ErrOrStderr(), what+": ")
		text, err := typed(c.Context(), func() ([]byte, error) { return term.ReadPassword(terminal) })
		fmt.Fprintln(c.ErrOrStderr())
		// An interrupted ReadPassword leaves the terminal without echo, so it is restored here.
		return strings.TrimSpace(string(text)), errors.Join(err, term.Restore(terminal, before))
	}
	text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), most+1))
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	if int64(len(text)) > most {
		return "", usageError{fmt.Errorf("the %s on standard input has more than %d bytes", what, most)}
	}
	return strings.TrimSpace(string(text)), nil
}

// confirm asks a question before an action that cannot be undone. It returns nil if the answer is
// yes, or if yes is true, in which case it does not ask.
func confirm(c *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(c.InOrStdin()) {
		return usageError{errors.New("this cannot be undone: say --yes")}
	}
	fmt.Fprint(c.ErrOrStderr(), question+" It cannot be undone. [y/N] ")
	answer, err := typed(c.Context(), func() (answer string, _ error) {
		_, _ = fmt.Fscanln(c.InOrStdin(), &answer) // an error leaves an empty answer, which is a no
		return answer, nil
	})
	if err != nil {
		fmt.Fprintln(c.ErrOrStderr())
		return err
	}
	if answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// typed returns the result of read, which reads from a terminal, or errInterrupted once ctx has
// ended. Nothing can stop such a read, so it is left running: the process is about to end.
func typed[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		text T
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		var nothing T
		return nothing, errInterrupted
	}
}
