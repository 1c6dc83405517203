package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBarsShowTheirShareOfTheLargestValue(t *testing.T) {
	days := []bar{{label: "2027-01-01", value: 0}, {label: "2027-01-02", value: 1}, {label: "2027-01-03", value: 500}, {label: "2027-01-04", value: 1000}}
	for _, c := range []struct {
		canvas canvas
		want   []string
	}{
		{canvas{width: 28}, []string{"2027-01-01     0", "2027-01-02     1  ▏", "2027-01-03   500  █████", "2027-01-04  1000  ██████████"}},
		{canvas{width: 28, ascii: true}, []string{"2027-01-01     0", "2027-01-02     1  #", "2027-01-03   500  #####", "2027-01-04  1000  ##########"}},
		{canvas{width: 1}, []string{"2027-01-01     0", "2027-01-02     1  ▏", "2027-01-03   500  ████", "2027-01-04  1000  ████████"}},
	} {
		if got := c.canvas.lines(days); !slices.Equal(got, c.want) {
			t.Errorf("%+v:\n%s\nwant\n%s", c.canvas, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
	if lines := (canvas{width: 80}).lines(nil); len(lines) != 0 {
		t.Errorf("no bars: %q", lines)
	}
}

// Notes stand in one column, and no line is wider than the canvas.
func TestNotesStandBesideBars(t *testing.T) {
	got := canvas{width: 60}.lines([]bar{{label: "a", value: 3, note: "2 refused"}, {label: "b", value: 1<<62 + 1}, {label: "c", note: "1 refused"}})
	at := strings.Index(got[2], "1 refused")
	if at < 0 || utf8.RuneCountInString(got[0]) != utf8.RuneCountInString(got[2]) {
		t.Errorf("%q", got)
	}
	for _, line := range got {
		if utf8.RuneCountInString(line) > 60 {
			t.Errorf("%q has %d columns", line, utf8.RuneCountInString(line))
		}
	}
}

func TestAMeterIsAlwaysAsWide(t *testing.T) {
	for share, want := range map[float64]string{0: "····", 0.001: "▏···", 0.5: "██··", 1: "████", 7: "████"} {
		if got := (canvas{}).meter(share, 4); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
	if got := (canvas{ascii: true}).meter(0.5, 4); got != "##.." {
		t.Errorf("ASCII: %q", got)
	}
}

// Refused requests stand beside the bars, by their codes. A long note does not widen the plot.
func TestAPlotShowsWhatWasRefused(t *testing.T) {
	const days = `{"data":[{"date":"2027-01-30","requests":0,"refused":{"rate_limited":3,"expired_key":1}},{"date":"2027-01-31","requests":9}],"total":9}`
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, days) }))
	defer service.Close()
	at := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=the-key-of-mine"}
	for _, args := range []string{"keys usage AAAAAAAAAAAAAAAA", "users usage u1"} {
		out := asked{args: args + " --plot"}.run(t, at...)
		want := "2027-01-30  0  " + strings.Repeat(" ", 34) + "  1 expired_key, 3 rate_limited\n2027-01-31  9  " + strings.Repeat("#", 34) + "\n"
		if out != want {
			t.Errorf("%s --plot:\n%s\nwant\n%s", args, out, want)
		}
		if out := (asked{args: args}).run(t, at...); out != "2027-01-30\t0\t1 expired_key, 3 rate_limited\n2027-01-31\t9\t\n" {
			t.Errorf("%s: %q", args, out)
		}
		asked{args: args + " --plot --json", code: 2}.run(t, at...)
		asked{args: args + " --plot -o csv", code: 2}.run(t, at...)
	}
	for _, line := range (canvas{width: 50}).lines([]bar{{label: "2027-01-31", value: 7, note: strings.Repeat("1 rate_limited, ", 9)}}) {
		if n := columnsOf(line); n > 50 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
