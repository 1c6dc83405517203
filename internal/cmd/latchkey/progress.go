package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	progressAfter = 500 * time.Millisecond // work that is done sooner shows no progress
	progressEvery = 200 * time.Millisecond
)

// progress writes lines that stay and, on a terminal, one line below them that it replaces again
// and again. It is safe for concurrent use.
type progress struct {
	out   io.Writer
	mu    sync.Mutex
	shown bool
}

const eraseLine = "\r\x1b[K"

// say writes a line that stays.
func (p *progress) say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintln(p.out, line)
}

func (p *progress) erase() {
	if p.shown {
		fmt.Fprint(p.out, eraseLine)
		p.shown = false
	}
}

// start shows what text returns as the line that is replaced, until stop is called. It shows
// nothing if the output is no terminal.
func (p *progress) start(text func() string) (stop func()) {
	if !isTerminal(p.out) {
		return func() {}
	}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pause := progressAfter
		for {
			select {
			case <-stopping:
				p.mu.Lock()
				p.erase()
				p.mu.Unlock()
				return
			case <-time.After(pause):
			}
			pause = progressEvery
			line := text()
			p.mu.Lock()
			p.erase()
			fmt.Fprint(p.out, line)
			p.shown = true
			p.mu.Unlock()
		}
	}()
	return func() { close(stopping); <-stopped }
}

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
