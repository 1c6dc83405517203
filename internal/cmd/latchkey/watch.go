package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// watch shows pictures again and again. On a terminal each one replaces the one before, on a screen
// of its own. Elsewhere, and with TERM=dumb, they follow each other.
type watch struct {
	out, talk io.Writer
	live      bool
	begun     bool
	last      []string // the last picture
}

// The controls of a terminal. Lines that are too long are cut and not wrapped, since a wrapped line
// would move all others.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	eraseRest   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

// newWatch returns a watch on the standard output of c. drawn says that the pictures are for people.
// close must be called, since it gives the terminal back as it was.
func newWatch(c *cobra.Command, drawn bool) *watch {
	w := &watch{out: c.OutOrStdout(), talk: c.ErrOrStderr(), live: drawn && os.Getenv("TERM") != "dumb"}
	if w.live {
		fmt.Fprint(w.out, enterScreen)
	}
	return w
}

func (w *watch) close() {
	if w.live {
		fmt.Fprint(w.out, leaveScreen)
	}
}

// part separates a picture that is printed from the one before.
func (w *watch) part() error {
	if !w.begun {
		w.begun = true
		return nil
	}
	_, err := fmt.Fprintln(w.out)
	return err
}

// show shows a picture of some lines.
func (w *watch) show(lines []string) error {
	w.last = lines
	if w.live {
		return w.replace(lines)
	}
	if err := w.part(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w.out, strings.Join(lines, "\n"))
	return err
}

// fail says why there is no new picture. The last one stays.
func (w *watch) fail(err error) error {
	text := strings.Split(err.Error(), "\n")
	if !w.live {
		_, err := fmt.Fprintln(w.talk, "latchkey:", text[0])
		return err
	}
	return w.replace(append([]string{"latchkey: " + oneLine(text[0]), ""}, w.last...))
}

// replace writes lines over the screen, as many as fit.
func (w *watch) replace(lines []string) error {
	if file, ok := w.out.(*os.File); ok {
		if _, height, err := term.GetSize(int(file.Fd())); err == nil && height > 0 && len(lines) >= height {
			lines = lines[:height-1]
		}
	}
	// A line is erased before it is written: after a full line, the cursor stands on its last character.
	_, err := io.WriteString(w.out, toTop+eraseRest+strings.Join(lines, "\r\n"+eraseRest)+"\r\n"+eraseBelow)
	return err
}
