package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

var errLimit = errors.New("must be requests per time, such as 100/1m, 5/10s or 1000/h")

// parseLimit reads "100/1m": a number, and a time that is a number of seconds, a
// duration or the name of a unit.
func parseLimit(text string) (ratelimit.Limit, error) {
	count, span, found := strings.Cut(text, "/")
	requests, err := strconv.ParseInt(count, 10, 64)
	if err != nil || !found {
		return ratelimit.Limit{}, errLimit
	}
	window, err := parseSpan(span)
	if err != nil || window%time.Second != 0 {
		return ratelimit.Limit{}, errLimit
	}
	if requests < 1 || requests > apikey.MaxRequests || window > apikey.MaxWindow {
		return ratelimit.Limit{}, fmt.Errorf("must be 1 to %d requests in 1 to %d seconds", apikey.MaxRequests, apikey.MaxWindow/time.Second)
	}
	return ratelimit.Limit{Requests: requests, Window: window}, nil
}

const day = 24 * time.Hour

// parseSpan reads "90d", "1h30m", "60" (seconds) and "minute".
func parseSpan(text string) (time.Duration, error) {
	switch text {
	case "s", "second":
		return time.Second, nil
	case "m", "minute":
		return time.Minute, nil
	case "h", "hour":
		return time.Hour, nil
	case "d", "day":
		return day, nil
	}
	unit := time.Duration(0)
	number := text
	if days, ok := strings.CutSuffix(text, "d"); ok {
		unit, number = day, days
	} else if strings.Trim(text, "0123456789") == "" {
		unit = time.Second
	}
	if unit == 0 {
		d, err := time.ParseDuration(text)
		if err == nil && d <= 0 {
			err = errors.New("must be positive")
		}
		return d, err
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err == nil && (n <= 0 || n > 100*365*int64(day/unit)) {
		err = errors.New("is out of bounds")
	}
	return time.Duration(n) * unit, err
}
