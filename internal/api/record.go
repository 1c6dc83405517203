package api

// Record is a key as its owner sees it.
type Record struct {
	ID           string              `json:"id" example:"3fGq8ZpLw1xKc0Ty"`
	UserID       string              `json:"userId" example:"u1"`
	Name         string              `json:"name" example:"ci"`
	Description  string              `json:"description" example:"Builds and deploys"`
	Environment  Environment         `json:"environment" example:"live"`
	Status       Status              `json:"status" example:"active"`
	KeyPrefix    string              `json:"keyPrefix" doc:"The beginning of the key, for people to recognise it; empty if it was imported by its hash alone" example:"sk_live_3fGq"`
	PublicKey    string              `json:"publicKey" doc:"Names the key in public; it opens nothing by itself" example:"pk_live_3fGq8ZpLw1xKc0Ty"`
	Scopes       []string            `json:"scopes" nullable:"false"`
	RateLimit    Nullable[RateLimit] `json:"rateLimit" doc:"null for a key without a limit of its own"`
	Limits       []UsedLine          `json:"limits,omitempty" doc:"Limits besides rateLimit, the shortest window first"`
	Unlimited    bool                `json:"unlimited,omitempty" doc:"true for a key without a limit; otherwise absent"`
	Quota        *Quota              `json:"quota,omitempty"`
	Plan         string              `json:"plan,omitempty" doc:"The key's plan. If absent, that of the user" example:"pro"`
	Shared       *Bounds             `json:"shared,omitempty" doc:"What all such keys of the user keep to together. The limits of the user and of the plan replace it. Read only"`
	AllowedCIDRs []string            `json:"allowedCidrs" nullable:"false"`
	Metadata     map[string]string   `json:"metadata" nullable:"false"`
	Enabled      bool                `json:"enabled"`
	NotBefore    string              `json:"notBefore,omitempty" format:"date-time" example:"2026-12-01T00:00:00Z"`
	ExpiresAt    string              `json:"expiresAt,omitempty" format:"date-time" example:"2027-01-31T12:00:00Z"`
	CreatedAt    string              `json:"createdAt" format:"date-time" example:"2026-11-24T12:00:00.000Z"`
	RevokedAt    string              `json:"revokedAt,omitempty" format:"date-time"`

	RevocationReason string `json:"revocationReason,omitempty" doc:"Why the key was revoked; leaked if a leak scanner found it in public. Absent if nobody said" example:"laptop was stolen"`
	RevocationSource string `json:"revocationSource,omitempty" doc:"Where a leaked key was found. Absent if that is not known" example:"https://github.com/example/app/blob/main/config.py"`

	LastUsedAt *Nullable[string] `json:"lastUsedAt,omitempty" nullable:"true" format:"date-time" doc:"null if the key was never used. Answers that issue a key omit it. For a key without a limit it may be up to 15 minutes old." example:"2026-11-24T12:00:00.000Z"`

	Bounds []Bound `json:"bounds,omitempty" doc:"The window status of every limit and quota that the key keeps to, those of its plan and its user included. Present if these are more than rateLimit and quota. Answers that issue a key omit it. Read only"`

	Usage []DayUsage `json:"usage,omitempty" nullable:"false" doc:"The usage of the last 30 days, oldest first. Present if the request has include=usage. Today's number includes leased tokens. Read only"`

	PreviousKeyValidUntil string `json:"previousKeyValidUntil,omitempty" format:"date-time" doc:"The time until which a replaced key still works; absent if none does" example:"2027-01-31T12:00:00.000Z"`

	PreviousKeyLastUsedAt *Nullable[string] `json:"previousKeyLastUsedAt,omitempty" nullable:"true" format:"date-time" doc:"The last use of the replaced key, accurate to a minute; null if it was not used since. Absent if none still works, and in answers that issue a key" example:"2026-11-24T12:00:00.000Z"`
	WindowStatus
}

// WindowStatus is the window status of the tightest limit or quota that the key keeps to: the one with
// the fewest requests remaining. If several have as many, it is the one with the latest reset. Keys
// without a limit omit all three fields.
type WindowStatus struct {
	Limit     *int64 `json:"limit,omitempty" doc:"limit, remaining and reset are the window status of the tightest limit or quota that the key keeps to, those of its plan and its user included: the one with the fewest requests remaining or, of several, the latest reset. A key without a limit, and answers that issue a key, omit them." example:"100"`
	Remaining *int64 `json:"remaining,omitempty" example:"99"`
	Reset     *int64 `json:"reset,omitempty" doc:"Epoch second. A lifetime quota omits it" example:"1795521660"`
}

// RateLimit is the limit of a key, with its window status if the meter was read.
type RateLimit struct {
	Requests  int64  `json:"requests" doc:"Requests in any interval of the length of the window" example:"100"`
	Window    int64  `json:"window" doc:"Seconds" example:"60"`
	Remaining *int64 `json:"remaining,omitempty" example:"99"`
	Reset     *int64 `json:"reset,omitempty" doc:"Epoch second at which all present requests will have left the window" example:"1795521660"`
}

// Quota is the quota of a key, with its window status if the meter was read.
type Quota struct {
	Requests  int64  `json:"requests" doc:"Requests in each period" example:"100"`
	Period    Period `json:"period" doc:"The calendar period, in UTC, or lifetime, which never ends" example:"month"`
	Used      *int64 `json:"used,omitempty" example:"1"`
	Remaining *int64 `json:"remaining,omitempty" example:"99"`
	Reset     *int64 `json:"reset,omitempty" doc:"Epoch second at which the period ends. A lifetime quota omits it" example:"1795521660"`
}
