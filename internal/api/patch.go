package api

import "encoding/json"

// Patch is a JSON merge patch (RFC 7396) of a key's own fields. The zero value changes nothing.
type Patch struct {
	Name          Member[string]             `json:"name,omitzero" maxLength:"255" doc:"null clears it" example:"ci"`
	Description   Member[string]             `json:"description,omitzero" maxLength:"1000" doc:"null clears it" example:"Builds and deploys"`
	Scopes        Member[[]string]           `json:"scopes,omitzero" maxItems:"50" doc:"What the key may do; replaces the present scopes. null allows no scoped route."`
	RateLimit     Member[LimitPatch]         `json:"rateLimit,omitzero" doc:"null removes it: the key then keeps to the limits of its plan and its user or, if there are none, to 60 requests in 60 seconds. limits stay. Omitted members stay."`
	Limits        Member[[]Line]             `json:"limits,omitzero" maxItems:"4" doc:"Limits besides rateLimit, at most one for each window; replaces the present ones. null removes all"`
	Plan          Member[string]             `json:"plan,omitzero" doc:"The key's plan. Only admins may change it. null or empty: that of the user" example:"pro"`
	UserID        Member[string]             `json:"userId,omitzero" nullable:"false" doc:"Moves the key to another user. Only admins may" example:"u1"`
	Quota         Member[QuotaPatch]         `json:"quota,omitzero" doc:"null removes it. Omitted members stay."`
	Unlimited     Member[bool]               `json:"unlimited,omitzero" doc:"Only admins may set it to true; not with rateLimit or quota. null sets false"`
	AllowedCIDRs  Member[[]string]           `json:"allowedCidrs,omitzero" maxItems:"20" doc:"Networks from which the key may be used. null allows any"`
	Metadata      Member[map[string]*string] `json:"metadata,omitzero" doc:"Merged by name: a name that is null is removed, an omitted name stays. null removes all"`
	Enabled       Member[bool]               `json:"enabled,omitzero" nullable:"false"`
	NotBefore     Member[string]             `json:"notBefore,omitzero" doc:"RFC 3339, before expiresAt; null or empty clears it" example:"2026-12-01T00:00:00Z"`
	ExpiresAt     Member[string]             `json:"expiresAt,omitzero" doc:"RFC 3339; null or empty clears it" example:"2027-01-31T12:00:00Z"`
	ExpiresInDays Member[Integer]            `json:"expiresInDays,omitzero" minimum:"1" maximum:"365" nullable:"false" example:"90"`
}

// LimitPatch is a merge patch of a rate limit.
type LimitPatch struct {
	Requests Member[Integer] `json:"requests,omitzero" minimum:"1" maximum:"1000000" nullable:"false" example:"100"`
	Window   Member[Integer] `json:"window,omitzero" minimum:"1" maximum:"86400" nullable:"false" doc:"Seconds" example:"60"`
}

// QuotaPatch is a merge patch of a quota.
type QuotaPatch struct {
	Requests Member[Integer] `json:"requests,omitzero" minimum:"1" maximum:"1000000000000" nullable:"false" example:"100"`
	Period   Member[Period]  `json:"period,omitzero" nullable:"false" doc:"The calendar period, in UTC, or lifetime, which never ends" example:"month"`
}

// Member is a member of a merge patch: omitted (the zero value), null, or a value.
type Member[T any] struct {
	given bool
	value *T // nil is null if given
}

// Set returns a member with a value.
func Set[T any](value T) Member[T] { return Member[T]{true, &value} }

// Null returns a member that is null.
func Null[T any]() Member[T] { return Member[T]{given: true} }

// Given reports whether the member is not omitted.
func (m Member[T]) Given() bool { return m.given }

// IsNull reports whether the member is null.
func (m Member[T]) IsNull() bool { return m.given && m.value == nil }

// Value returns the value, or nil if the member is null or omitted.
func (m Member[T]) Value() *T { return m.value }

// Or returns the value, substitute if the member is null, and nil if it is omitted.
func (m Member[T]) Or(substitute T) *T {
	if m.IsNull() {
		return &substitute
	}
	return m.value
}

// IsZero reports whether the member is omitted; see the option omitzero of [json.Marshal].
func (m Member[T]) IsZero() bool { return !m.given }

// UnmarshalJSON implements [json.Unmarshaler]. It is not called for an omitted member.
func (m *Member[T]) UnmarshalJSON(raw []byte) error {
	m.given = true
	return json.Unmarshal(raw, &m.value)
}

// MarshalJSON implements [json.Marshaler].
func (m Member[T]) MarshalJSON() ([]byte, error) { return json.Marshal(m.value) }
