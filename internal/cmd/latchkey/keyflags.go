package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// keyFlags are the flags that set properties of a key, as people write them.
type keyFlags struct {
	description, limit, quota, expires, notBefore string
	scopes, cidrs                                 []string
	metadata                                      map[string]string
	unlimited                                     bool
}

func (f *keyFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.description, "description", "", "`TEXT` that describes the key")
	listFlag(flags, &f.scopes, "scopes", "`LIST` of scopes, e.g. tts,stt:*", checkScope)
	textFlag(flags, &f.limit, "limit", "", "`N/TIME`: N requests in any interval of TIME,\ne.g. 100/1m, 5/10s", checkLimit)
	textFlag(flags, &f.quota, "quota", "",
		"`N/PERIOD`: N requests in each calendar day or month,\ne.g. 10000/month", checkQuota)
	flags.BoolVar(&f.unlimited, "unlimited", false, "no limit; only an admin may set this")
	textFlag(flags, &f.expires, "expires", "", "`WHEN` the key expires, e.g. 90d, 2027-01-31, never", checkMoment)
	textFlag(flags, &f.notBefore, "not-before", "", "`WHEN` the key starts to work, e.g. 2027-01-01", checkMoment)
	listFlag(flags, &f.cidrs, "cidr", "`LIST` of networks from which the key may be used", checkNetwork)
	flags.StringToStringVar(&f.metadata, "metadata", nil, "`LIST` of NAME=VALUE")
}

// body returns the flags that were given, under the names of the API's fields. The API decides about
// the others. Times are relative to now.
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
		{"metadata", "metadata", func() (any, error) {
			if _, nameless := f.metadata[""]; nameless {
				return nil, errors.New(mustBe["stringToString"])
			}
			return f.metadata, nil
		}},
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
