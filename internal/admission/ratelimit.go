package admission

import (
	"strconv"
	"strings"
	"time"

	"latchkey/internal/ratelimit"
)

// RateLimit has the values of the response headers RateLimit-Policy and RateLimit, as
// draft-ietf-httpapi-ratelimit-headers-10 defines them: each limit and quota of the caller is one member of
// both. Both are empty if no limit bounds the caller.
type RateLimit struct{ Policy, State string }

// RateLimit returns the values of the headers. A member is named by whose bound it is, key or user, and by
// its window in seconds or its period, as in "key-60" and "user-month". t counts from the arrival of
// the request, and is omitted if that is not known. w and t are omitted where they have no number of
// seconds.
func (d *Decision) RateLimit() RateLimit {
	var policy, state strings.Builder
	for i, b := range d.Verdict.Bounds() {
		if i > 0 {
			policy.WriteString(", ")
			state.WriteString(", ")
		}
		name, window := string(b.Period), 0
		switch {
		case b.Window > 0:
			window = int(b.Window / time.Second)
			name = strconv.Itoa(window)
		case b.Period == ratelimit.Day:
			window = int(24 * time.Hour / time.Second)
		}
		name = `"` + string(b.Of) + "-" + name + `"`
		policy.WriteString(name + ";q=" + strconv.FormatInt(b.Amount, 10))
		if window > 0 {
			policy.WriteString(";w=" + strconv.Itoa(window))
		}
		state.WriteString(name + ";r=" + strconv.FormatInt(b.Remaining, 10))
		if !b.Reset.IsZero() && !d.arrived.IsZero() {
			wait := (b.Reset.Sub(d.arrived) + time.Second - 1) / time.Second
			state.WriteString(";t=" + strconv.FormatInt(max(0, int64(wait)), 10))
		}
	}
	return RateLimit{policy.String(), state.String()}
}
