package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// none is the value of a flag that removes what is set.
const none = "none"

// limits are the limits of one flag, in the order of the command line.
type limits struct {
	lines []ratelimit.Limit
	none  bool // the flag was given as none
}

// limitsFlag adds a flag for limits. It may be given more than once, or have commas between the
// limits, or be none.
func limitsFlag(flags *pflag.FlagSet, to *limits, name, usage string) { flags.Var(to, name, usage) }

func (l *limits) String() string {
	if l.none {
		return none
	}
	texts := make([]string, len(l.lines))
	for i, line := range l.lines {
		texts[i] = formatLimit(line.Requests, int64(line.Window/time.Second))
	}
	return strings.Join(texts, ",")
}

func (*limits) Type() string { return "string" }

func (l *limits) Set(text string) error {
	for entry := range strings.SplitSeq(text, ",") {
		if err := l.add(strings.TrimSpace(entry)); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func (l *limits) add(entry string) error {
	if entry == none {
		l.none = true
	} else {
		line, err := parseLimit(entry)
		if err != nil {
			return err
		}
		same := func(other ratelimit.Limit) bool { return other.Window == line.Window }
		if slices.ContainsFunc(l.lines, same) {
			return errors.New("must have different times, such as 10/1s,1000/1m")
		}
		l.lines = append(l.lines, line)
	}
	if l.none && len(l.lines) > 0 {
		return errors.New("must be limits such as 100/1m, or none alone")
	}
	if len(l.lines) > apikey.MaxLimits {
		return fmt.Errorf("must be at most %d limits such as 100/1m", apikey.MaxLimits)
	}
	return nil
}

// apiLines returns limits in the form that the API takes. The list is never nil.
func apiLines(lines []ratelimit.Limit) []api.Line {
	all := make([]api.Line, len(lines))
	for i, l := range lines {
		all[i] = api.Line{Amount: api.Integer(l.Requests), Window: api.Integer(l.Window / time.Second)}
	}
	return all
}

// formatBounds returns limits and a quota in the form that flags take, or "-" if there are none.
func formatBounds(lines []api.Line, quota *api.QuotaInput) string {
	var all []string
	for _, l := range lines {
		all = append(all, formatLimit(int64(l.Amount), int64(l.Window)))
	}
	if quota != nil {
		all = append(all, formatQuota(int64(quota.Requests), quota.Period))
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ",")
}

// formatQuota returns a quota in the form that parseQuota reads.
func formatQuota(requests int64, period api.Period) string {
	return fmt.Sprintf("%d/%s", requests, period)
}

// formatLimit returns a limit in the form that parseLimit reads. The window is in seconds.
func formatLimit(requests, window int64) string {
	span := fmt.Sprintf("%ds", window)
	for _, unit := range []struct {
		name   string
		length int64
	}{{"m", 60}, {"h", 3600}, {"d", int64(day / time.Second)}} {
		if window > 0 && window%unit.length == 0 {
			span = fmt.Sprintf("%d%s", window/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%d/%s", requests, span)
}
