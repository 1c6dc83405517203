package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"latchkey/internal/api"
)

// keyFlags are the flags that set properties of a key, as people write them.
type keyFlags struct {
	description, plan, quota, expires, notBefore string
	limits                                       limits
	scopes, cidrs                                []string
	metadata                                     map[string]string
	unlimited                                    bool
}

const (
	limitUsage = "`N/TIME`: N requests in any interval of TIME, e.g. 100/1m, 5/10s; may be given up to 4 times, with " +
		"different TIMEs; replaces all; none removes them"
	quotaUsage = "`N/PERIOD`: N requests in each calendar day or month, e.g. 10000/month, or in all, e.g. " +
		"500/lifetime; none removes it"
)

func (f *keyFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.description, "description", "", "`TEXT` that describes the key")
	listFlag(flags, &f.scopes, "scopes", "`LIST` of scopes, e.g. tts,stt:*", checkScope)
	planFlag(c, &f.plan,
		"`NAME` of the key's plan, or none for that of its user; only an admin may set this")
	limitsFlag(flags, &f.limits, "limit", limitUsage)
	textFlag(flags, &f.quota, "quota", "", quotaUsage, checkQuota)
	flags.BoolVar(&f.unlimited, "unlimited", false, "no limit; only an admin may set this")
	textFlag(flags, &f.expires, "expires", "", "`WHEN` the key expires, e.g. 90d, 2027-01-31, never", checkMoment)
	textFlag(flags, &f.notBefore, "not-before", "", "`WHEN` the key starts to work, e.g. 2027-01-01", checkMoment)
	listFlag(flags, &f.cidrs, "cidr", "`LIST` of networks from which the key may be used", checkNetwork)
	flags.StringToStringVar(&f.metadata, "metadata", nil, "`LIST` of NAME=VALUE")
}

// fields returns the flags that were given, as fields of a new key. The API decides about the
// others. Times are relative to now.
func (f *keyFlags) fields(flags *pflag.FlagSet, now time.Time) (api.Fields, error) {
	g := givenFlags{flags: flags}
	fields := api.Fields{
		Description:  given(&g, "description", as(f.description)),
		Scopes:       given(&g, "scopes", as(append([]string{}, f.scopes...))),
		Unlimited:    given(&g, "unlimited", as(f.unlimited)),
		ExpiresAt:    given(&g, "expires", func() (string, error) { return parseMoment(f.expires, now) }),
		NotBefore:    given(&g, "not-before", func() (string, error) { return parseMoment(f.notBefore, now) }),
		AllowedCIDRs: given(&g, "cidr", as(append([]string{}, f.cidrs...))),
		Metadata:     given(&g, "metadata", func() (map[string]string, error) { return metadataOf(f.metadata) }),
	}
	if quota := given(&g, "quota", func() (*api.QuotaInput, error) { return parseQuota(f.quota) }); quota != nil {
		fields.Quota = *quota
	}
	if f.plan != none {
		fields.Plan = given(&g, "plan", as(f.plan))
	}
	if first, others := f.limits.split(); first != nil {
		fields.RateLimit = first
		if len(others) > 0 {
			fields.Limits = &others
		}
	}
	return fields, g.err
}

// patch returns the flags that were given, as a change of a key. Times are relative to now.
func (f *keyFlags) patch(flags *pflag.FlagSet, now time.Time) (api.Patch, error) {
	fields, err := f.fields(flags, now)
	p := api.Patch{
		Description: member(fields.Description), Scopes: member(fields.Scopes), Unlimited: member(fields.Unlimited),
		ExpiresAt: member(fields.ExpiresAt), NotBefore: member(fields.NotBefore), AllowedCIDRs: member(fields.AllowedCIDRs),
		Metadata: metadataPatch(fields.Metadata), Quota: quotaPatch(flags, fields.Quota), Plan: planPatch(flags, f.plan),
	}
	if flags.Changed("limit") {
		p.RateLimit, p.Limits = api.Null[api.LimitPatch](), api.Null[[]api.Line]()
	}
	if l := fields.RateLimit; l != nil {
		p.RateLimit = api.Set(api.LimitPatch{Requests: api.Set(l.Requests), Window: api.Set(l.Window)})
	}
	if fields.Limits != nil {
		p.Limits = api.Set(*fields.Limits)
	}
	return p, err
}

// split returns the first limit, which is a key's rateLimit, and the others. The first one is nil if
// there are no limits.
func (l *limits) split() (first *api.LimitInput, others []api.Line) {
	lines := apiLines(l.lines)
	if len(lines) == 0 {
		return nil, nil
	}
	return &api.LimitInput{Requests: lines[0].Amount, Window: lines[0].Window}, lines[1:]
}

// member returns the member of a merge patch that sets a value, or omits it if it is nil.
func member[T any](value *T) (m api.Member[T]) {
	if value != nil {
		m = api.Set(*value)
	}
	return m
}

// quotaPatch returns the change of a quota. If quota is nil and the flag was given, it is removed.
func quotaPatch(flags *pflag.FlagSet, quota *api.QuotaInput) (m api.Member[api.QuotaPatch]) {
	switch {
	case quota != nil:
		return api.Set(api.QuotaPatch{Requests: api.Set(quota.Requests), Period: api.Set(quota.Period)})
	case flags.Changed("quota"):
		return api.Null[api.QuotaPatch]()
	}
	return m
}

// planPatch returns the change of a plan to the value of the flag.
func planPatch(flags *pflag.FlagSet, plan string) (m api.Member[string]) {
	switch {
	case !flags.Changed("plan"):
		return m
	case plan == none:
		return api.Null[string]()
	}
	return api.Set(plan)
}

// metadataPatch returns the change that sets the names of metadata.
func metadataPatch(metadata *map[string]string) (m api.Member[map[string]*string]) {
	if metadata == nil {
		return m
	}
	all := make(map[string]*string)
	for name, value := range *metadata {
		all[name] = &value
	}
	return api.Set(all)
}

// metadataOf returns metadata, in which every value must have a name.
func metadataOf(metadata map[string]string) (map[string]string, error) {
	if _, nameless := metadata[""]; nameless {
		return nil, errors.New(mustBe["stringToString"])
	}
	return metadata, nil
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
