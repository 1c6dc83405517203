package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"latchkey/internal/migrate"
	"latchkey/internal/ratelimit"
)

// keyFlags are what a key may be told, as people write it.
type keyFlags struct {
	description, limit, quota, expires, notBefore string
	scopes, cidrs                                 []string
	metadata                                      map[string]string
	unlimited                                     bool
}

func (f *keyFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.description, "description", "", "`TEXT`, what it is for")
	flags.StringSliceVar(&f.scopes, "scopes", nil, "`LIST` of what it may do, e.g. tts,stt:*")
	flags.StringVar(&f.limit, "limit", "", "`N/TIME`, in any interval, e.g. 100/1m, 5/10s")
	flags.StringVar(&f.quota, "quota", "", "`N/PERIOD`, by the calendar, e.g. 10000/month")
	flags.BoolVar(&f.unlimited, "unlimited", false, "no limit; an admin's to give")
	flags.StringVar(&f.expires, "expires", "", "`WHEN`, e.g. 90d, 2027-01-31, never")
	flags.StringVar(&f.notBefore, "not-before", "", "`WHEN` it begins to work, e.g. 2027-01-01")
	flags.StringSliceVar(&f.cidrs, "cidr", nil, "`NETWORK` that it may be used from; or several")
	flags.StringToStringVar(&f.metadata, "metadata", nil, "`NAME=VALUE`; or several")
}

// body has what was said, as the API spells it. What was not said is left to the
// API.
func (f *keyFlags) body(flags *pflag.FlagSet, now time.Time) (map[string]any, error) {
	body := make(map[string]any)
	for _, field := range []struct {
		flag, name string
		value      func() (any, error)
	}{
		{"description", "description", plain(f.description)},
		{"scopes", "scopes", plain(append([]string{}, f.scopes...))},
		{"limit", "rateLimit", func() (any, error) {
			l, err := parseLimit(f.limit)
			return map[string]any{"requests": l.Requests, "window": int64(l.Window / time.Second)}, err
		}},
		{"quota", "quota", func() (any, error) { return parseQuota(f.quota) }},
		{"unlimited", "unlimited", plain(f.unlimited)},
		{"expires", "expiresAt", func() (any, error) { return parseMoment(f.expires, now) }},
		{"not-before", "notBefore", func() (any, error) { return parseMoment(f.notBefore, now) }},
		{"cidr", "allowedCidrs", plain(append([]string{}, f.cidrs...))},
		{"metadata", "metadata", plain(f.metadata)},
	} {
		if !flags.Changed(field.flag) {
			continue
		}
		value, err := field.value()
		if err != nil {
			return nil, usageError{fmt.Errorf("--%s %w", field.flag, err)}
		}
		body[field.name] = value
	}
	return body, nil
}

func plain(v any) func() (any, error) { return func() (any, error) { return v, nil } }

// parseQuota reads "10000/month".
func parseQuota(text string) (map[string]any, error) {
	count, period, _ := strings.Cut(text, "/")
	requests, err := strconv.ParseInt(count, 10, 64)
	if err != nil || period != string(ratelimit.Day) && period != string(ratelimit.Month) {
		return nil, errors.New("must be requests per day or month, such as 10000/month")
	}
	return map[string]any{"requests": requests, "period": period}, nil
}

// parseMoment reads a time, a time from now, or "never", which the API spells as
// an empty text.
func parseMoment(text string, now time.Time) (string, error) {
	if text == "never" {
		return "", nil
	}
	at, ok := migrate.ParseTime(text)
	if !ok {
		span, err := parseSpan(text)
		if err != nil {
			return "", errors.New("must be a time from now such as 90d or 12h, a date, a time such as 2027-01-31T12:00:00Z, or never")
		}
		at = now.Add(span).UTC()
	}
	return at.Format(time.RFC3339), nil
}
