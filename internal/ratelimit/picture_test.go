package ratelimit_test

import (
	"bytes"
	"flag"
	"image/color"
	"os"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"latchkey/internal/ratelimit"
)

// drawPicture makes the test write the manual's picture: make picture.
var drawPicture = flag.Bool("picture", false, "draw the picture of the manual")

const pictureFile = "../docs/admissions.svg"

// admit decides about one request at a time.
type admit func(at time.Time) bool

// fixedWindow starts a new count when the clock enters a new window.
func fixedWindow(limit ratelimit.Limit) admit {
	window, count := int64(-1), int64(0)
	return func(at time.Time) bool {
		if w := at.UnixNano() / int64(limit.Window); w != window {
			window, count = w, 0
		}
		count++
		return count <= limit.Requests
	}
}

// gcra is the leaky bucket that most gateways use, with a burst of the limit.
func gcra(limit ratelimit.Limit) admit {
	var tat time.Time
	each := limit.Window / time.Duration(limit.Requests)
	return func(at time.Time) bool {
		if tat.Before(at) {
			tat = at
		}
		if tat.Add(each).Sub(at) > limit.Window {
			return false
		}
		tat = tat.Add(each)
		return true
	}
}

func latchkey(t *testing.T, limit ratelimit.Limit) admit {
	var now time.Time
	limiter := ratelimit.New(&item{}, func() time.Time { return now }, 1)
	return func(at time.Time) bool {
		now = at
		d, err := limiter.Take(t.Context(), "k", ratelimit.Terms{Limit: limit}, 1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return d.Admitted
	}
}

// The same requests come to three limiters, at three times the limit after a pause. The picture
// shows how many were admitted in the window that ends at each moment. It is the picture in the
// manual.
func TestOthersLetThroughTwiceTheLimit(t *testing.T) {
	limit := per(100, 10*time.Second)
	p := plot.New()
	p.Y.Label.Text = "admitted in the 10 s before"
	p.X.Label.Text = "seconds"
	p.Y.Min, p.Y.Max, p.Legend.Top = 0, 240, true
	ours := latchkey(t, limit)
	for _, c := range []struct {
		name        string
		admit       admit
		color       color.RGBA
		least, most int
	}{
		{"fixed window", fixedWindow(limit), color.RGBA{R: 200, G: 120, A: 255}, 190, 200},
		{"GCRA", gcra(limit), color.RGBA{R: 120, B: 180, A: 255}, 190, 200},
		{"latchkey", ours, color.RGBA{G: 120, B: 60, A: 255}, 95, 100},
	} {
		var admitted []time.Time
		var points plotter.XYs
		worst := 0
		begin := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
		for at := begin.Add(7 * time.Second); at.Sub(begin) < 45*time.Second; at = at.Add(time.Second / 30) {
			if c.admit(at) {
				admitted = append(admitted, at)
			}
			for len(admitted) > 0 && at.Sub(admitted[0]) >= limit.Window {
				admitted = admitted[1:]
			}
			worst = max(worst, len(admitted))
			points = append(points, plotter.XY{X: at.Sub(begin).Seconds(), Y: float64(len(admitted))})
		}
		t.Logf("%s: at most %d of %d in any %v", c.name, worst, limit.Requests, limit.Window)
		if worst < c.least || worst > c.most {
			t.Errorf("%s: at most %d in an interval, want %d to %d", c.name, worst, c.least, c.most)
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			t.Fatal(err)
		}
		line.Color, line.Width = c.color, vg.Points(1.6)
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	bound, err := plotter.NewLine(plotter.XYs{{X: 7, Y: float64(limit.Requests)}, {X: 45, Y: float64(limit.Requests)}})
	if err != nil {
		t.Fatal(err)
	}
	bound.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(bound)
	p.Legend.Add("the limit: 100 in any 10 s", bound)

	for _, style := range []*text.Style{
		&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	p.Legend.Padding = vg.Points(3)
	canvas := vgsvg.New(vg.Points(560), vg.Points(300))
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(12), -vg.Points(16), vg.Points(12), -vg.Points(12)))
	var picture bytes.Buffer
	if _, err := canvas.WriteTo(&picture); err != nil {
		t.Fatal(err)
	}
	if *drawPicture {
		if err := os.WriteFile(pictureFile, picture.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(pictureFile)
	if err != nil || !bytes.Equal(kept, picture.Bytes()) {
		t.Errorf("%s differs from the picture that is drawn now (%v): make picture", pictureFile, err)
	}
}
