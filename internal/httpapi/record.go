package httpapi

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/apikey"
	"latchkey/internal/audit"
	"latchkey/internal/ratelimit"
)

// Record is a key as its owner sees it.
type Record struct {
	ID           string              `json:"id" example:"3fGq8ZpLw1xKc0Ty"`
	UserID       string              `json:"userId" example:"u1"`
	Name         string              `json:"name" example:"ci"`
	Description  string              `json:"description" example:"Builds and deploys"`
	Environment  oneOf[environments] `json:"environment" example:"live"`
	Status       oneOf[statuses]     `json:"status" example:"active"`
	KeyPrefix    string              `json:"keyPrefix" doc:"How the key begins, for people to recognise it; empty if it was imported by its hash alone" example:"sk_live_3fGq"`
	PublicKey    string              `json:"publicKey" doc:"Names the key in public; it opens nothing by itself" example:"pk_live_3fGq8ZpLw1xKc0Ty"`
	Scopes       []string            `json:"scopes" nullable:"false"`
	RateLimit    nullable[rateLimit] `json:"rateLimit" doc:"null for a key without a limit"`
	Unlimited    bool                `json:"unlimited,omitempty" doc:"There, and true, for a key without a limit"`
	Quota        *quota              `json:"quota,omitempty"`
	AllowedCIDRs []string            `json:"allowedCidrs" nullable:"false"`
	Metadata     map[string]string   `json:"metadata" nullable:"false"`
	Enabled      bool                `json:"enabled"`
	NotBefore    string              `json:"notBefore,omitempty" format:"date-time" example:"2026-12-01T00:00:00Z"`
	ExpiresAt    string              `json:"expiresAt,omitempty" format:"date-time" example:"2027-01-31T12:00:00Z"`
	CreatedAt    string              `json:"createdAt" format:"date-time" example:"2026-11-24T12:00:00.000Z"`
	RevokedAt    string              `json:"revokedAt,omitempty" format:"date-time"`
	LastUsedAt   *nullable[string]   `json:"lastUsedAt,omitempty" nullable:"true" format:"date-time" doc:"null if the key was never used. Answers that issue a key omit it. For a key without a limit it may be up to 15 minutes old." example:"2026-11-24T12:00:00.000Z"`

	PreviousKeyValidUntil string `json:"previousKeyValidUntil,omitempty" format:"date-time" doc:"The time until which a replaced key still works; absent if none does" example:"2027-01-31T12:00:00.000Z"`
	Left
}

// Left is the window status of the tighter one of rateLimit and quota: the one with fewer requests remaining. If they
// are equal, it is the one with the later reset.
type Left struct {
	Limit     *int64 `json:"limit,omitempty" doc:"This, remaining and reset are of the tighter one of rateLimit and quota: the one with fewer requests remaining or, of as many, the later reset. They are left out for a key without a limit, and by answers that issue a key." example:"100"`
	Remaining *int64 `json:"remaining,omitempty" example:"99"`
	Reset     *int64 `json:"reset,omitempty" doc:"Epoch second" example:"1795521660"`
}

func leftOf(k *apikey.Key, u ratelimit.Usage) Left {
	if k.Unlimited {
		return Left{}
	}
	reset := u.Reset.Unix()
	return Left{Limit: &u.Limit, Remaining: &u.Remaining, Reset: &reset}
}

// usedAtOf is null for a key that was never used.
func usedAtOf(r apikey.Record) nullable[string] {
	used := r.LastUsed()
	if used.IsZero() {
		return nullable[string]{}
	}
	at := stamp(used)
	return nullable[string]{&at}
}

// nullable is a value that is null in JSON where it is not there.
type nullable[T any] struct{ Value *T }

// MarshalJSON see [json.Marshaler].
func (n nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value) }

// UnmarshalJSON see [json.Unmarshaler].
func (n *nullable[T]) UnmarshalJSON(raw []byte) error { return json.Unmarshal(raw, &n.Value) }

// Schema describes the type to huma, which would take it for an object.
func (nullable[T]) Schema(r huma.Registry) *huma.Schema { return orNull[T](r) }

// rateLimit is the limit of a key, with its window status if the meter was read.
type rateLimit struct {
	Requests  int64  `json:"requests" doc:"Requests in any interval as long as the window" example:"100"`
	Window    int64  `json:"window" doc:"Seconds" example:"60"`
	Remaining *int64 `json:"remaining,omitempty" example:"99"`
	Reset     *int64 `json:"reset,omitempty" doc:"Epoch second at which the window will be empty of what is now in it" example:"1795521660"`
}

// quota is there where the key has one, and its use where the meter was read.
type quota struct {
	Requests  int64          `json:"requests" doc:"Requests in each period" example:"100"`
	Period    oneOf[periods] `json:"period" doc:"By the calendar, UTC" example:"month"`
	Used      *int64         `json:"used,omitempty" example:"1"`
	Remaining *int64         `json:"remaining,omitempty" example:"99"`
	Reset     *int64         `json:"reset,omitempty" doc:"Epoch second at which the period ends" example:"1795521660"`
}

// The limit that a key without one shows to clients that need numbers; see [Options].
const (
	unlimitedRequests = 999_999
	unlimitedWindow   = 60
)

func (a *api) recordOf(k *apikey.Key, now time.Time) Record {
	r := Record{
		ID: k.ID, UserID: k.UserID, Name: k.Name, Description: k.Description, Environment: oneOf[environments](k.Environment),
		Status: oneOf[statuses](k.Status(now)), KeyPrefix: k.KeyPrefix, PublicKey: k.PublicKey().String(),
		Scopes: append([]string{}, k.Scopes...), RateLimit: a.limitOf(k), Unlimited: k.Unlimited, Quota: quotaOf(k),
		AllowedCIDRs: []string{}, Metadata: k.Metadata, Enabled: k.Enabled,
		NotBefore: stamp(k.NotBefore), ExpiresAt: stamp(k.ExpiresAt), CreatedAt: stamp(k.CreatedAt), RevokedAt: stamp(k.RevokedAt),
		PreviousKeyValidUntil: stamp(k.PreviousUntil(now)),
	}
	if r.Metadata == nil {
		r.Metadata = map[string]string{}
	}
	for _, p := range k.AllowedCIDRs {
		r.AllowedCIDRs = append(r.AllowedCIDRs, p.String())
	}
	return r
}

// limitOf is null for a key without a limit, unless clients need numbers.
func (a *api) limitOf(k *apikey.Key) nullable[rateLimit] {
	switch {
	case !k.Unlimited:
		return nullable[rateLimit]{&rateLimit{Requests: k.Limit.Requests, Window: int64(k.Limit.Window / time.Second)}}
	case a.UnlimitedNumbers:
		return nullable[rateLimit]{&rateLimit{Requests: unlimitedRequests, Window: unlimitedWindow}}
	}
	return nullable[rateLimit]{}
}

// usedLimitOf returns the limit with its window status.
func (a *api) usedLimitOf(k *apikey.Key, u ratelimit.Usage) nullable[rateLimit] {
	l := a.limitOf(k)
	if l.Value != nil {
		remaining, reset := u.Rate.Remaining, u.Rate.Reset.Unix()
		if k.Unlimited {
			remaining, reset = unlimitedRequests, a.Now().Unix()
		}
		l.Value.Remaining, l.Value.Reset = &remaining, &reset
	}
	return l
}

// quotaOf is nil for a key without a quota.
func quotaOf(k *apikey.Key) *quota {
	if k.Quota == (ratelimit.Quota{}) {
		return nil
	}
	return &quota{Requests: k.Quota.Requests, Period: oneOf[periods](k.Quota.Period)}
}

// usedQuotaOf returns the quota with its window status.
func usedQuotaOf(k *apikey.Key, u ratelimit.Usage) *quota {
	q := quotaOf(k)
	if q != nil {
		used := u.Quota()
		reset := used.Reset.Unix()
		q.Used, q.Remaining, q.Reset = &used.Used, &used.Remaining, &reset
	}
	return q
}

// meteredRecord is a record with what was spent of it.
func (a *api) meteredRecord(r apikey.Record) Record {
	rec := a.recordOf(r.Key, a.Now())
	u := a.Registry.UsageOf(r)
	rec.RateLimit, rec.Quota, rec.Left = a.usedLimitOf(r.Key, u), usedQuotaOf(r.Key, u), leftOf(r.Key, u)
	used := usedAtOf(r)
	rec.LastUsedAt = &used
	return rec
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(audit.TimeLayout)
}

// Fields are what create and update have in common.
type Fields struct {
	Name          *string            `json:"name,omitempty" maxLength:"255" example:"ci"`
	Description   *string            `json:"description,omitempty" maxLength:"1000" example:"Builds and deploys"`
	Scopes        *[]string          `json:"scopes,omitempty" maxItems:"50" nullable:"false" doc:"What the key may do. None: no scoped route."`
	RateLimit     *limitInput        `json:"rateLimit,omitempty" doc:"60 requests in 60 seconds where it is left out"`
	Quota         *quotaInput        `json:"quota,omitempty" doc:"None where it is left out"`
	Unlimited     *bool              `json:"unlimited,omitempty" doc:"An admin's to give; without rateLimit and quota"`
	AllowedCIDRs  *[]string          `json:"allowedCidrs,omitempty" maxItems:"20" nullable:"false" doc:"Networks the key may be used from. None: anywhere."`
	Metadata      *map[string]string `json:"metadata,omitempty" nullable:"false" doc:"At most 2 KB in all"`
	Enabled       *bool              `json:"enabled,omitempty"`
	NotBefore     *string            `json:"notBefore,omitempty" doc:"RFC 3339, before expiresAt; empty clears it" example:"2026-12-01T00:00:00Z"`
	ExpiresAt     *string            `json:"expiresAt,omitempty" doc:"RFC 3339; empty clears it" example:"2027-01-31T12:00:00Z"`
	ExpiresInDays *integer           `json:"expiresInDays,omitempty" minimum:"1" maximum:"365" example:"90"`
}

type limitInput struct {
	Requests integer `json:"requests" minimum:"1" maximum:"1000000" example:"100"`
	Window   integer `json:"window" minimum:"1" maximum:"86400" doc:"Seconds" example:"60"`
}

type quotaInput struct {
	Requests integer        `json:"requests" minimum:"1" maximum:"1000000000000" example:"100"`
	Period   oneOf[periods] `json:"period" doc:"By the calendar, UTC" example:"month"`
}

// change is what the fields ask for.
func (f Fields) change(now time.Time) (apikey.Change, error) {
	c := apikey.Change{
		Description: f.Description, Unlimited: f.Unlimited, Metadata: f.Metadata, Enabled: f.Enabled,
	}
	if f.Name != nil {
		trimmed := strings.TrimSpace(*f.Name)
		c.Name = &trimmed
	}
	if f.Scopes != nil {
		scopes := apikey.Scopes(*f.Scopes)
		c.Scopes = &scopes
	}
	if f.RateLimit != nil {
		c.Limit = &ratelimit.Limit{
			Requests: int64(f.RateLimit.Requests), Window: time.Duration(f.RateLimit.Window) * time.Second,
		}
	}
	if f.Quota != nil {
		c.Quota = &ratelimit.Quota{Requests: int64(f.Quota.Requests), Period: ratelimit.Period(f.Quota.Period)}
	}
	if f.RateLimit != nil && f.Unlimited != nil && *f.Unlimited {
		return c, wrong("unlimited", "must not be given with rateLimit")
	}
	if f.AllowedCIDRs != nil {
		networks := []netip.Prefix{}
		for _, text := range *f.AllowedCIDRs {
			p, err := apikey.ParseNetwork(text)
			if err != nil {
				return c, wrong("allowedCidrs", "must be networks such as 192.0.2.0/24, or addresses")
			}
			networks = append(networks, p)
		}
		c.AllowedCIDRs = &networks
	}
	var err error
	if c.NotBefore, err = moment("notBefore", f.NotBefore); err != nil {
		return c, err
	}
	if c.ExpiresAt, err = moment("expiresAt", f.ExpiresAt); err != nil {
		return c, err
	}
	if f.ExpiresInDays != nil {
		if f.ExpiresAt != nil {
			return c, wrong("expiresInDays", "must not be given with expiresAt")
		}
		at := now.UTC().Truncate(time.Millisecond).AddDate(0, 0, int(*f.ExpiresInDays))
		c.ExpiresAt = &at
	}
	return c, nil
}

// moment reads a time; an empty text is the zero time, which clears it.
func moment(field string, text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		if text == nil {
			return nil, nil
		}
		return &time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		return nil, wrong(field, "must be a time such as 2027-01-31T12:00:00Z")
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1970 || t.Year() > 9999 {
		return nil, wrong(field, "must be between the years 1970 and 9999")
	}
	return &t, nil
}

func wrong(field, problem string) error {
	return &apikey.FieldError{Field: field, Problem: problem, Kind: apikey.ErrInvalid}
}
