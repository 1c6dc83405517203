package api

// Line is a limit: how many requests may be made in any interval of a length.
type Line struct {
	Amount Integer `json:"amount" minimum:"1" maximum:"1000000" doc:"Requests in any interval of the length of the window" example:"1000"`
	Window Integer `json:"window" minimum:"1" maximum:"86400" doc:"Seconds" example:"60"`
}

// UsedLine is a limit of a key, with its window status if the meter was read.
type UsedLine struct {
	Amount    int64  `json:"amount" doc:"Requests in any interval of the length of the window" example:"1000"`
	Window    int64  `json:"window" doc:"Seconds" example:"60"`
	Remaining *int64 `json:"remaining,omitempty" example:"999"`
	Reset     *int64 `json:"reset,omitempty" doc:"Epoch second at which all present requests will have left the window" example:"1795521660"`
}

// Bound is the window status of one limit or quota that a request keeps to. It has either a window
// or a period.
type Bound struct {
	Of        Level  `json:"of" doc:"key: of the key alone; user: of all keys of the user together" example:"user"`
	Amount    int64  `json:"amount" doc:"Requests in any interval of the length of the window, or in each period" example:"1000"`
	Window    int64  `json:"window,omitempty" doc:"Seconds. Present if it is a limit" example:"60"`
	Period    Period `json:"period,omitempty" doc:"The calendar period, in UTC, or lifetime. Present if it is a quota" example:"month"`
	Used      int64  `json:"used" example:"1"`
	Remaining int64  `json:"remaining" example:"999"`
	Reset     int64  `json:"reset,omitempty" doc:"Epoch second at which all present requests will have left the window, or at which the period ends. A lifetime quota omits it" example:"1795521660"`
}

// Bounds are limits and a quota. They bound nothing if they have none.
type Bounds struct {
	Limits []Line      `json:"limits" nullable:"false" doc:"The shortest window first"`
	Quota  *QuotaInput `json:"quota,omitempty"`
}

// BoundsInput are the limits and the quota that a request asks for. A nil pointer omits the field.
type BoundsInput struct {
	Limits *[]Line     `json:"limits,omitempty" maxItems:"4" nullable:"false" doc:"At most one for each window. If omitted, none"`
	Quota  *QuotaInput `json:"quota,omitempty" doc:"If omitted, none"`
}

// Plan is a named set of bounds for many keys.
type Plan struct {
	Name        string   `json:"name" example:"pro"`
	Scopes      []string `json:"scopes" nullable:"false" doc:"The most that a key may do. If empty, the plan allows any scope."`
	Key         Bounds   `json:"key" doc:"The bounds of each key"`
	User        Bounds   `json:"user" doc:"The bounds of each user, for all of the user's keys together"`
	MaxDays     int64    `json:"maxDays,omitempty" doc:"A key expires at most so many days after its creation" example:"365"`
	DefaultDays int64    `json:"defaultDays,omitempty" doc:"A key without an expiry expires so many days after its creation" example:"90"`
	IdleDays    int64    `json:"idleDays,omitempty" doc:"A key that was not used for so many days is refused" example:"30"`
}

// PlanRequest sets a plan as a whole: an omitted field is empty. A [Plan] is a PlanRequest too.
type PlanRequest struct {
	Name        *string      `json:"name,omitempty" doc:"If given, the name in the path" example:"pro"`
	Scopes      *[]string    `json:"scopes,omitempty" maxItems:"50" nullable:"false" doc:"The most that a key may do. If empty, the plan allows any scope."`
	Key         *BoundsInput `json:"key,omitempty" doc:"The bounds of each key"`
	User        *BoundsInput `json:"user,omitempty" doc:"The bounds of each user, for all of the user's keys together"`
	MaxDays     *Integer     `json:"maxDays,omitempty" minimum:"0" maximum:"36500" doc:"A key expires at most so many days after its creation. If omitted or 0, the plan sets no such bound" example:"365"`
	DefaultDays *Integer     `json:"defaultDays,omitempty" minimum:"0" maximum:"36500" doc:"A key without an expiry expires so many days after its creation. If omitted or 0, never" example:"90"`
	IdleDays    *Integer     `json:"idleDays,omitempty" minimum:"0" maximum:"36500" doc:"A key that was not used for so many days is refused. If omitted or 0, the deployment's number of days holds" example:"30"`
}

// PlansResponse lists all plans by their names.
type PlansResponse struct {
	Data []Plan `json:"data" nullable:"false"`
}

// PlanStatsResponse is one page of the users of a plan, by their ids.
type PlanStatsResponse struct {
	Data       []User `json:"data" nullable:"false"`
	NextCursor string `json:"nextCursor,omitempty" doc:"Present if another page may follow"`
}

// User is what an operator has set for one user. A user for whom nothing is set has the empty
// values.
type User struct {
	UserID    string            `json:"userId" example:"u1"`
	Plan      string            `json:"plan,omitempty" doc:"The plan of the user's keys that name no other" example:"pro"`
	Suspended bool              `json:"suspended" doc:"If true, all keys of the user are refused"`
	Limits    []Line            `json:"limits" nullable:"false" doc:"Of all keys of the user together, the shortest window first. Those of the plan hold too."`
	Quota     *QuotaInput       `json:"quota,omitempty" doc:"Of all keys of the user together"`
	MaxKeys   int64             `json:"maxKeys,omitempty" doc:"How many places the user's keys may take. If absent, the deployment's number holds" example:"20"`
	Scopes    []string          `json:"scopes" nullable:"false" doc:"The most that the user may grant without an admin. If empty, the deployment's scopes hold."`
	Metadata  map[string]string `json:"metadata" nullable:"false"`
	Bounds    []Bound           `json:"bounds,omitempty" doc:"The window status of every limit and quota that the user's keys share, those of the plan included. Read only"`
}

// UsersResponse is one page of the users who have keys, by their ids.
type UsersResponse struct {
	Data       []Owner `json:"data" nullable:"false"`
	NextCursor string  `json:"nextCursor,omitempty" doc:"Present if another page may follow"`
}

// Owner sums up the keys of one user.
type Owner struct {
	UserID     string           `json:"userId" example:"u1"`
	Keys       int              `json:"keys" doc:"How many keys the user has, whatever their status is" example:"3"`
	Active     int              `json:"active" doc:"How many of them are active" example:"2"`
	LastUsedAt Nullable[string] `json:"lastUsedAt" format:"date-time" doc:"The last use of any of them. null if none was used" example:"2026-11-24T12:00:00.000Z"`
}

// UserRequest sets a user as a whole: an omitted field is empty.
type UserRequest struct {
	UserID    *string            `json:"userId,omitempty" doc:"If given, the user in the path" example:"u1"`
	Plan      *string            `json:"plan,omitempty" doc:"The plan of the user's keys that name no other. It must exist. If empty, none" example:"pro"`
	Suspended *bool              `json:"suspended,omitempty" doc:"If true, all keys of the user are refused"`
	Limits    *[]Line            `json:"limits,omitempty" maxItems:"4" nullable:"false" doc:"Of all keys of the user together, at most one for each window"`
	Quota     *QuotaInput        `json:"quota,omitempty" doc:"Of all keys of the user together"`
	MaxKeys   *Integer           `json:"maxKeys,omitempty" minimum:"0" maximum:"10000" doc:"How many places the user's keys may take. If omitted or 0, the deployment's number holds" example:"20"`
	Scopes    *[]string          `json:"scopes,omitempty" maxItems:"50" nullable:"false" doc:"The most that the user may grant without an admin. If empty, the deployment's scopes hold."`
	Metadata  *map[string]string `json:"metadata,omitempty" nullable:"false" doc:"At most 2 KB in all"`
}

// UserPatch is a JSON merge patch (RFC 7396) of a user. The zero value changes nothing.
type UserPatch struct {
	Plan      Member[string]             `json:"plan,omitzero" doc:"The plan of the user's keys that name no other. It must exist. null or empty: none" example:"pro"`
	Suspended Member[bool]               `json:"suspended,omitzero" nullable:"false" doc:"If true, all keys of the user are refused within FRESHNESS"`
	Limits    Member[[]Line]             `json:"limits,omitzero" maxItems:"4" doc:"Of all keys of the user together, at most one for each window; replaces the present limits. null removes all"`
	Quota     Member[QuotaPatch]         `json:"quota,omitzero" doc:"Of all keys of the user together. null removes it. Omitted members stay."`
	MaxKeys   Member[Integer]            `json:"maxKeys,omitzero" minimum:"0" maximum:"10000" doc:"How many places the user's keys may take. null or 0: the deployment's number" example:"20"`
	Scopes    Member[[]string]           `json:"scopes,omitzero" maxItems:"50" doc:"The most that the user may grant without an admin; replaces the present scopes. null or empty: the deployment's scopes"`
	Metadata  Member[map[string]*string] `json:"metadata,omitzero" doc:"Merged by name: a name that is null is removed, an omitted name stays. null removes all"`
}

// CreditsRequest adds credits to the lifetime quota of a key or of a user.
type CreditsRequest struct {
	Add Integer `json:"add" minimum:"-1000000000000" maximum:"1000000000000" doc:"Requests to add to the quota, whose period must be lifetime. A negative number takes them away; at least 1 must be left of the quota" example:"500"`
}
