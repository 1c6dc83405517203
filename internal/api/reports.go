package api

// TrailResponse is one page of audit entries, newest first.
type TrailResponse struct {
	Data       []TrailEntry `json:"data" nullable:"false"`
	NextCursor string       `json:"nextCursor,omitempty" doc:"Present if another page may follow"`
}

// TrailEntry is one audit entry: a recorded change of a key, of a user's record or of a plan.
type TrailEntry struct {
	At        string                 `json:"at" format:"date-time" example:"2026-11-24T12:00:00.000Z"`
	Actor     TrailActor             `json:"actor"`
	Action    Action                 `json:"action" example:"update"`
	KeyID     string                 `json:"keyId" doc:"The key that was changed, or user#… for a user's record, or plan#… for a plan" example:"3fGq8ZpLw1xKc0Ty"`
	Changes   map[string]TrailChange `json:"changes" nullable:"false" doc:"The changed fields by their names in the record. tokens is the number of tokens that open the key. endedTokens lists the ended tokens, each by the time until which it would have worked, and with the reason and the source if a leak scanner has found it. Of metadata and a long description, only the changed part is shown."`
	RequestID string                 `json:"requestId,omitempty" doc:"extendedRequestId of API Gateway, which no client can choose" example:"UK1abcDEFghiJKL="`
	SourceIP  string                 `json:"sourceIp,omitempty" example:"203.0.113.7"`
	Flaw      string                 `json:"flaw,omitempty" doc:"The problem that latchkey audit verify reports. Present if the key had been altered or put back outside the service" example:"was written although entry 2026-11-24T12:00:00.000Z#000000001 was altered"`
}

// TrailActor is the caller that made a change.
type TrailActor struct {
	Type ActorType `json:"type" doc:"token: a caller of revoke-by-token; scanner: a leak scanner; cli: an operator who may write to the table"`
	ID   string    `json:"id" doc:"The id of the key, the key of the token, the user, the scanner such as github, or the command" example:"0Ty7bNvRmJ2uQeHs"`
	Name string    `json:"name,omitempty" doc:"The name of that key. Absent if it has none or is gone, and if the caller may not read the key" example:"ci"`
}

// TrailChange is the value of a field before and after a change.
type TrailChange struct {
	Before any `json:"before" doc:"null if there is none" example:"\"staging\""`
	After  any `json:"after" doc:"null if there is none" example:"\"production\""`
}

// UsageResponse is the usage on each day of a span.
type UsageResponse struct {
	Data  []DayUsage `json:"data" nullable:"false" doc:"Every day of the span, also those without requests"`
	Total int64      `json:"total"`
}

// DayUsage is the usage on one day, which ends at midnight UTC.
type DayUsage struct {
	Date     string           `json:"date" format:"date" example:"2026-11-24"`
	Requests int64            `json:"requests" example:"1234"`
	Refused  map[string]int64 `json:"refused,omitempty" doc:"Refused requests by the code of the verdict, a lower bound. Absent if none is known" example:"{\"rate_limited\":3}"`
}

// StatsResponse is one page of the window status of a user's keys, newest first.
type StatsResponse struct {
	Data       []Stats `json:"data" nullable:"false"`
	NextCursor string  `json:"nextCursor,omitempty" doc:"Present if another page may follow"`
}

// Stats is the window status of a key.
type Stats struct {
	KeyID      string           `json:"keyId" example:"3fGq8ZpLw1xKc0Ty"`
	Name       string           `json:"name" example:"ci"`
	KeyPrefix  string           `json:"keyPrefix" doc:"The beginning of the key, for people to recognise it; empty if it was imported by its hash alone" example:"sk_live_3fGq"`
	UserID     string           `json:"userId" example:"u1"`
	Plan       string           `json:"plan,omitempty" doc:"The plan of the key or, if it has none, of its user" example:"pro"`
	Internal   bool             `json:"internal"`
	Unlimited  bool             `json:"unlimited,omitempty" doc:"The key has no limit, and its requests are not counted: the next four are null"`
	Requests   *int64           `json:"requests" doc:"Requests that were admitted in the present window, and those that functions have leased" example:"100"`
	Window     *int64           `json:"window" doc:"Seconds" example:"60"`
	Limits     []Bound          `json:"limits,omitempty" doc:"Every limit and quota that the key keeps to, those of its plan and its user included. Present if these are more than rateLimit and quota"`
	Limit      *int64           `json:"limit" doc:"Requests in any interval of the length of the window" example:"100"`
	Remaining  *int64           `json:"remaining" doc:"Requests that the limit still allows, whatever the quota allows" example:"99"`
	LastUsedAt Nullable[string] `json:"lastUsedAt" format:"date-time" doc:"null if the key was never used" example:"2026-11-24T12:00:00.000Z"`
}
