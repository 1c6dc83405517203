package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"latchkey/internal/api"
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

// fields returns the flags that were given, as fields of a request. The API decides about the
// others. Times are relative to now.
//
// A merge patch that sets nothing to null has the same form, so a change of a key uses it as well.
func (f *keyFlags) fields(flags *pflag.FlagSet, now time.Time) (api.Fields, error) {
	g := givenFlags{flags: flags}
	fields := api.Fields{
		Description:  given(&g, "description", as(f.description)),
		Scopes:       given(&g, "scopes", as(append([]string{}, f.scopes...))),
		RateLimit:    given(&g, "limit", f.rateLimit),
		Quota:        given(&g, "quota", func() (api.QuotaInput, error) { return parseQuota(f.quota) }),
		Unlimited:    given(&g, "unlimited", as(f.unlimited)),
		ExpiresAt:    given(&g, "expires", func() (string, error) { return parseMoment(f.expires, now) }),
		NotBefore:    given(&g, "not-before", func() (string, error) { return parseMoment(f.notBefore, now) }),
		AllowedCIDRs: given(&g, "cidr", as(append([]string{}, f.cidrs...))),
		Metadata:     given(&g, "metadata", f.named),
	}
	return fields, g.err
}

func (f *keyFlags) rateLimit() (api.LimitInput, error) {
	l, err := parseLimit(f.limit)
	return api.LimitInput{Requests: api.Integer(l.Requests), Window: api.Integer(l.Window / time.Second)}, err
}

// named returns the metadata, in which every value must have a name.
func (f *keyFlags) named() (map[string]string, error) {
	if _, nameless := f.metadata[""]; nameless {
		return nil, errors.New(mustBe["stringToString"])
	}
	return f.metadata, nil
}

// givenFlags reads flags until one is wrong.
type givenFlags struct {
	flags *pflag.FlagSet
	err   error // of the first flag that is wrong
}

// given returns the value of a flag, or nil if the flag was not given.
func given[T any](g *givenFlags, flag string, read func() (T, error)) *T {
	if g.err != nil || !g.flags.Changed(flag) {
		return nil
	}
	value, err := read()
	if err != nil {
		g.err = usageError{fmt.Errorf("--%s %w", flag, err)}
		return nil
	}
	return &value
}

// as returns a value that needs no parsing.
func as[T any](value T) func() (T, error) { return func() (T, error) { return value, nil } }
