package httpapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

// member is a member of a merge patch, which may be left out or null.
type member[T any] struct {
	given bool
	value *T // nil: null
}

// UnmarshalJSON is not called for what is left out.
func (m *member[T]) UnmarshalJSON(raw []byte) error {
	m.given = true
	return json.Unmarshal(raw, &m.value)
}

// Schema tells huma, which would take it for an object.
func (member[T]) Schema(r huma.Registry) *huma.Schema { return orNull[T](r) }

// orNull is the schema of T or null.
func orNull[T any](r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = true
	return s
}

func (m member[T]) null() bool { return m.given && m.value == nil }

// or is the value, or what null stands for; nil where it is left out.
func (m member[T]) or(null T) *T {
	if m.null() {
		return &null
	}
	return m.value
}

// Patch is a JSON merge patch (RFC 7396) of a record's own fields.
type Patch struct {
	Name          member[string]             `json:"name,omitempty" maxLength:"255" doc:"null clears it" example:"ci"`
	Description   member[string]             `json:"description,omitempty" maxLength:"1000" doc:"null clears it" example:"Builds and deploys"`
	Scopes        member[[]string]           `json:"scopes,omitempty" maxItems:"50" doc:"What the key may do, in place of what it might. null: no scoped route."`
	RateLimit     member[limitPatch]         `json:"rateLimit,omitempty" doc:"null: 60 requests in 60 seconds. What is left out of it stays."`
	Quota         member[quotaPatch]         `json:"quota,omitempty" doc:"null: none. What is left out of it stays."`
	Unlimited     member[bool]               `json:"unlimited,omitempty" doc:"An admin's to give; without rateLimit and quota. null: false"`
	AllowedCIDRs  member[[]string]           `json:"allowedCidrs,omitempty" maxItems:"20" doc:"Networks the key may be used from. null: anywhere"`
	Metadata      member[map[string]*string] `json:"metadata,omitempty" doc:"Is merged: a name that is null is removed, one that is left out stays. null: none at all"`
	Enabled       member[bool]               `json:"enabled,omitempty" nullable:"false"`
	NotBefore     member[string]             `json:"notBefore,omitempty" doc:"RFC 3339, before expiresAt; null or empty: from the start" example:"2026-12-01T00:00:00Z"`
	ExpiresAt     member[string]             `json:"expiresAt,omitempty" doc:"RFC 3339; null or empty: never" example:"2027-01-31T12:00:00Z"`
	ExpiresInDays member[integer]            `json:"expiresInDays,omitempty" minimum:"1" maximum:"365" nullable:"false" example:"90"`
}

type limitPatch struct {
	Requests member[integer] `json:"requests,omitempty" minimum:"1" maximum:"1000000" nullable:"false" example:"100"`
	Window   member[integer] `json:"window,omitempty" minimum:"1" maximum:"86400" nullable:"false" doc:"Seconds" example:"60"`
}

type quotaPatch struct {
	Requests member[integer]        `json:"requests,omitempty" minimum:"1" maximum:"1000000000000" nullable:"false" example:"100"`
	Period   member[oneOf[periods]] `json:"period,omitempty" nullable:"false" doc:"By the calendar, UTC" example:"month"`
}

func (p Patch) empty() bool { return reflect.ValueOf(p).IsZero() }

// change is what the patch makes of k.
func (p Patch) change(k *apikey.Key, now time.Time) (apikey.Change, error) {
	if err := p.checkNull(); err != nil {
		return apikey.Change{}, err
	}
	f := Fields{
		Name: p.Name.or(""), Description: p.Description.or(""), Scopes: p.Scopes.or([]string{}), Unlimited: p.Unlimited.or(false),
		AllowedCIDRs: p.AllowedCIDRs.or([]string{}), Metadata: p.metadata(k), Enabled: p.Enabled.value,
		NotBefore: p.NotBefore.or(""), ExpiresAt: p.ExpiresAt.or(""), ExpiresInDays: p.ExpiresInDays.value,
	}
	if l := p.RateLimit.value; l != nil && *l != (limitPatch{}) {
		f.RateLimit = &limitInput{Requests: integer(k.Limit.Requests), Window: integer(k.Limit.Window / time.Second)}
		set(&f.RateLimit.Requests, l.Requests)
		set(&f.RateLimit.Window, l.Window)
	}
	if q := p.Quota.value; q != nil && *q != (quotaPatch{}) {
		f.Quota = &quotaInput{Requests: integer(k.Quota.Requests), Period: oneOf[periods](k.Quota.Period)}
		set(&f.Quota.Requests, q.Requests)
		set(&f.Quota.Period, q.Period)
	}
	c, err := f.change(now)
	if unlimited := p.Unlimited.value; p.RateLimit.null() && (unlimited == nil || !*unlimited) {
		limit := apikey.DefaultLimit()
		c.Limit = &limit
	}
	if p.Quota.null() {
		c.Quota = &ratelimit.Quota{}
	}
	return c, err
}

func set[T any](field *T, m member[T]) {
	if m.value != nil {
		*field = *m.value
	}
}

// checkNull refuses null where there is nothing that it could mean.
func (p Patch) checkNull() error {
	l, q := p.RateLimit.or(limitPatch{}), p.Quota.or(quotaPatch{})
	if l == nil {
		l = &limitPatch{}
	}
	if q == nil {
		q = &quotaPatch{}
	}
	for _, m := range []struct {
		field string
		null  bool
	}{
		{"enabled", p.Enabled.null()}, {"expiresInDays", p.ExpiresInDays.null()},
		{"rateLimit.requests", l.Requests.null()}, {"rateLimit.window", l.Window.null()},
		{"quota.requests", q.Requests.null()}, {"quota.period", q.Period.null()},
	} {
		if m.null {
			return wrong(m.field, "must not be null")
		}
	}
	return nil
}

// metadata is k's with the patch merged into it; nil where that leaves it alone.
func (p Patch) metadata(k *apikey.Key) *map[string]string {
	if !p.Metadata.given {
		return nil
	}
	merged := map[string]string{}
	if p.Metadata.value != nil {
		maps.Copy(merged, k.Metadata)
		for name, value := range *p.Metadata.value {
			if value == nil {
				delete(merged, name)
			} else {
				merged[name] = *value
			}
		}
	}
	return &merged
}
