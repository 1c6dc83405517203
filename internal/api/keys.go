package api

// Fields are the fields of a key that its creator chooses. A nil pointer omits the field.
type Fields struct {
	Name          *string            `json:"name,omitempty" maxLength:"255" example:"ci"`
	Description   *string            `json:"description,omitempty" maxLength:"1000" example:"Builds and deploys"`
	Scopes        *[]string          `json:"scopes,omitempty" maxItems:"50" nullable:"false" doc:"What the key may do. If empty, no scoped route."`
	RateLimit     *LimitInput        `json:"rateLimit,omitempty" doc:"If omitted, the key keeps to the limits of its plan and its user or, if there are none, to 60 requests in 60 seconds. limits hold beside these"`
	Limits        *[]Line            `json:"limits,omitempty" maxItems:"4" nullable:"false" doc:"Limits besides rateLimit, at most one for each window"`
	Plan          *string            `json:"plan,omitempty" doc:"The key's plan. Only admins may name one. If omitted or empty, that of the user" example:"pro"`
	Quota         *QuotaInput        `json:"quota,omitempty" doc:"If omitted, none"`
	Unlimited     *bool              `json:"unlimited,omitempty" doc:"Only admins may set it to true; not with rateLimit or quota"`
	AllowedCIDRs  *[]string          `json:"allowedCidrs,omitempty" maxItems:"20" nullable:"false" doc:"Networks from which the key may be used. If empty, any."`
	Metadata      *map[string]string `json:"metadata,omitempty" nullable:"false" doc:"At most 2 KB in all"`
	Enabled       *bool              `json:"enabled,omitempty"`
	NotBefore     *string            `json:"notBefore,omitempty" doc:"RFC 3339, before expiresAt; empty clears it" example:"2026-12-01T00:00:00Z"`
	ExpiresAt     *string            `json:"expiresAt,omitempty" doc:"RFC 3339; empty clears it" example:"2027-01-31T12:00:00Z"`
	ExpiresInDays *Integer           `json:"expiresInDays,omitempty" minimum:"1" maximum:"365" example:"90"`
}

// LimitInput is the rate limit that a request asks for.
type LimitInput struct {
	Requests Integer `json:"requests" minimum:"1" maximum:"1000000" example:"100"`
	Window   Integer `json:"window" minimum:"1" maximum:"86400" doc:"Seconds" example:"60"`
}

// QuotaInput is the quota that a request asks for.
type QuotaInput struct {
	Requests Integer `json:"requests" minimum:"1" maximum:"1000000000000" example:"100"`
	Period   Period  `json:"period" doc:"The calendar period, in UTC, or lifetime, which never ends" example:"month"`
}

// CreateRequest asks for a new key.
type CreateRequest struct {
	UserID      *string      `json:"userId,omitempty" doc:"The user who owns the key. If omitted, the caller. Only admins, and members of its group for team:…, may name another." example:"u1"`
	Environment *Environment `json:"environment,omitempty" doc:"If omitted, that of the caller's own key, and live for admins and users without a key. Only admins may name another one." example:"live"`
	Fields
}

// CreateResponse is a new key and its token.
type CreateResponse struct {
	Record
	Key Token `json:"key" doc:"The key itself. It is never shown again."`
}

// ListResponse is one page of a list of keys.
type ListResponse struct {
	Data       []Record `json:"data" nullable:"false"`
	NextCursor string   `json:"nextCursor,omitempty" doc:"Present if another page may follow"`
}

// RotateRequest asks for another token of a key.
type RotateRequest struct {
	GracePeriod *Integer `json:"gracePeriod,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds for which the present key still works. If omitted, 86400. 0 ends it and every older one at once." example:"3600"`
}

// RotateResponse is a key with its new token.
type RotateResponse struct {
	Record
	Key Token `json:"key" doc:"The new key itself. It is never shown again."`
}

// TokenRequest names a key by one of its tokens.
type TokenRequest struct {
	Key Token `json:"key" doc:"A key as it was issued or imported, or pk…:sk…" example:"sk_live_3fGq8ZpLw1xKc0Ty7bNvRmJ2uQeHsD9aXoYi5VtE6kWzBgFr2U0NGI"`
}

// RevokeRequest says why a key is revoked, or all keys of a user.
type RevokeRequest struct {
	Reason *string `json:"reason,omitempty" doc:"Why, in at most 200 characters, for the owner and for whoever still presents the key. A key that is revoked already keeps its reason." example:"laptop was stolen"`
}

// RevokedResponse counts the keys that one call has revoked.
type RevokedResponse struct {
	Revoked    int    `json:"revoked" doc:"How many keys this call has revoked" example:"3"`
	NextCursor string `json:"nextCursor,omitempty" doc:"Present if more keys may follow: call again with it"`
}
