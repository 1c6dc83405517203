package picture

import (
	"fmt"
	"time"
)

// Token is one token of a key, and when it was accepted.
type Token struct {
	Name     string
	Accepted []Span
}

// Span is a time from the beginning of the picture to its end.
type Span struct{ From, To time.Duration }

// Event is a moment at which something was done to the key.
type Event struct {
	At   time.Duration
	Name string
}

const (
	rotationLeft = 110 // where time begins
	rotationHour = 10  // pixels
	rotationRow  = 40
	rotationTop  = 56
)

// Rotation draws which token of a key was accepted when, during a number of hours.
func Rotation(hours int, tokens []Token, events []Event) []byte {
	at := func(d time.Duration) int { return rotationLeft + int(d*rotationHour/time.Hour) }
	end := time.Duration(hours) * time.Hour
	bottom := rotationTop + rotationRow*len(tokens)
	d := draw(at(end)+30, bottom+44, "Which token of a key is accepted when, over two rotations and a revocation")
	for i, t := range tokens {
		y := rotationTop + i*rotationRow
		d.text(16, y+24, ink, "", t.Name)
		d.box(at(0), y+8, at(end)-at(0), 24, ground, "")
		for _, s := range t.Accepted {
			d.box(at(s.From), y+8, at(s.To)-at(s.From), 24, works, "")
			d.text(at(s.From)+8, y+24, "#ffffff", `font-size="12"`, "accepted")
		}
	}
	for _, e := range events {
		d.path(fmt.Sprintf("M%d 34V%d", at(e.At), bottom+4), ends, `stroke-dasharray="4 3"`)
		d.text(at(e.At)+4, 30, ends, "", e.Name)
	}
	d.path(fmt.Sprintf("M%d %dH%d", at(0), bottom+8, at(end)), line, "")
	for h := 0; h <= hours; h += 12 {
		x := at(time.Duration(h) * time.Hour)
		d.path(fmt.Sprintf("M%d %dv5", x, bottom+8), line, "")
		d.text(x, bottom+28, quiet, `text-anchor="middle"`, fmt.Sprintf("%d h", h))
	}
	return d.end()
}
