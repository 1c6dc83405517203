package upstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/apikey"
	"latchkey/internal/percent"
	"latchkey/internal/ratelimit"
)

// reply holds the fields that are read from an answer of the validate route.
type reply struct {
	Valid     *bool    `json:"valid"`
	Code      string   `json:"code"`
	Error     string   `json:"error"`
	KeyID     name     `json:"keyId"`
	UserID    name     `json:"userId"`
	Name      name     `json:"name"`
	Scopes    []string `json:"scopes"`
	Unlimited bool     `json:"unlimited"`
	RateLimit *struct {
		Requests  int64 `json:"requests"`
		Window    int64 `json:"window"`
		Remaining hint  `json:"remaining"`
		Reset     hint  `json:"reset"`
		Unlimited bool  `json:"unlimited"`
	} `json:"rateLimit"`
	ExpiresAt  string `json:"expiresAt"`
	RetryAfter hint   `json:"retryAfter"`
}

// name is a text, or a number that is used as one.
type name string

// UnmarshalJSON see [json.Unmarshaler].
func (n *name) UnmarshalJSON(raw []byte) error {
	var number json.Number
	if err := json.Unmarshal(raw, &number); err == nil && len(raw) > 0 && raw[0] != '"' {
		*n = name(number)
		return nil
	}
	return json.Unmarshal(raw, (*string)(n))
}

// hint is a number that is good to know, rounded up. Anything else is 0, since it
// decides nothing.
type hint int64

// UnmarshalJSON see [json.Unmarshaler].
func (h *hint) UnmarshalJSON(raw []byte) error {
	var number float64
	if err := json.Unmarshal(raw, &number); err == nil && number > 0 && number < math.MaxInt32*1000 {
		*h = hint(math.Ceil(number))
	}
	return nil
}

// verdict turns a reply into a verdict of the gate. A reply with values out of bounds is an error,
// since a limit that cannot be enforced must not be ignored.
func (r *reply) verdict(asked time.Time) (apikey.Verdict, error) {
	code, err := r.code()
	if err != nil {
		return apikey.Verdict{}, err
	}
	switch code {
	case apikey.CodeValid:
		k, err := r.key(asked)
		if err != nil {
			return apikey.Verdict{}, err
		}
		return apikey.Verdict{Code: code, Key: k}, nil
	case apikey.CodeRateLimited, apikey.CodeQuotaExceeded:
		return r.limited(code, asked), nil
	}
	return apikey.Verdict{Code: code, Text: sentence(r.Error)}, nil
}

// code returns the code of the reply. A refusal by a code that is not known here is CodeUnknown. A
// reply that contradicts itself, or says that it could not decide, is an error.
func (r *reply) code() (apikey.Code, error) {
	code := apikey.Code(strings.ToLower(r.Code))
	switch {
	case *r.Valid && (code == "" || code == apikey.CodeValid):
		return apikey.CodeValid, nil
	case *r.Valid || code == apikey.CodeValid:
		return "", errors.New("its valid and its code contradict each other")
	}
	switch code {
	case apikey.CodeMalformed, apikey.CodeUnknown, apikey.CodeRevoked, apikey.CodeDisabled, apikey.CodeInactive, apikey.CodeExpired,
		apikey.CodeWrongEnvironment, apikey.CodeAddressNotAllowed, apikey.CodeInsufficientScope:
		return code, nil
	case apikey.CodeRateLimited, "rate_limit_exceeded":
		return apikey.CodeRateLimited, nil
	case apikey.CodeQuotaExceeded, "insufficient_quota":
		return apikey.CodeQuotaExceeded, nil
	case "unavailable":
		return "", errors.New("it could not decide")
	}
	return apikey.CodeUnknown, nil
}

// ids begins the id of each key of the upstream, and of no key in the table. unnamed is the id of a
// refused key if the reply gives none.
const (
	ids     = "upstream-"
	unnamed = ids + "unnamed"
)

// key returns the key of a valid reply.
func (r *reply) key(asked time.Time) (*apikey.Key, error) {
	k := &apikey.Key{
		Name: string(r.Name), UserID: string(r.UserID), Enabled: true, Limit: apikey.DefaultLimit(), Unlimited: r.Unlimited,
		// Terms that were heard of later count.
		Rev: asked.Unix(),
	}
	id := string(cmp.Or(r.KeyID, r.UserID, r.Name))
	if k.UserID == "" {
		k.UserID = string(cmp.Or(r.Name, r.KeyID))
	}
	if l := r.RateLimit; l != nil && !(r.Unlimited || l.Unlimited) {
		k.Limit = ratelimit.Limit{Requests: l.Requests, Window: time.Duration(l.Window) * time.Second}
		if l.Requests < 1 || l.Requests > apikey.MaxRequests || l.Window < 1 || l.Window > int64(apikey.MaxWindow/time.Second) {
			return nil, errors.New("its rateLimit is out of bounds")
		}
	} else if l != nil {
		k.Unlimited = true
	}
	k.ID = ids + inLog.Encode(id)
	for _, text := range []string{id, k.UserID, k.Name} {
		if len(text) > apikey.MaxName || !apikey.LegibleName(text) {
			return nil, errors.New("its keyId, userId or name is out of bounds")
		}
	}
	if strings.EqualFold(k.UserID, apikey.AnonymousUser) {
		return nil, errors.New("its userId is anonymous, which stands for no user")
	}
	if k.ID == ids {
		return nil, errors.New("it names neither keyId, userId nor name")
	}
	for _, scope := range r.Scopes {
		// The right to manage keys here never comes from an upstream.
		if apikey.ValidScope(scope) && !strings.HasPrefix(scope, "keys:") {
			k.Scopes = append(k.Scopes, scope)
		}
	}
	if len(k.Scopes) > apikey.MaxScopes {
		return nil, errors.New("its scopes are out of bounds")
	}
	if r.ExpiresAt != "" {
		at, err := time.Parse(time.RFC3339Nano, r.ExpiresAt)
		if err != nil {
			// Python's isoformat leaves the zone out of a time that was made without one.
			at, err = time.Parse("2006-01-02T15:04:05", r.ExpiresAt)
		}
		if err != nil {
			return nil, errors.New("its expiresAt cannot be read")
		}
		k.ExpiresAt = at
	}
	return k, nil
}

// longestWait is the longest period of a quota.
const longestWait = 31 * 24 * time.Hour

// limited returns a refusal by a limit or a quota of the upstream. A missing value gets the most
// careful one: nothing remains, and the refusal ends in a second. The sentence is latchkey's own,
// since API Gateway puts it into JSON unescaped.
func (r *reply) limited(code apikey.Code, asked time.Time) apikey.Verdict {
	k, err := r.key(asked)
	if err != nil {
		k = &apikey.Key{ID: unnamed, Enabled: true, Limit: apikey.DefaultLimit()}
	}
	k.Unlimited = false // or there would be no limit to refuse
	v := apikey.Verdict{Code: code, Key: k, RetryAfter: time.Duration(min(int64(r.RetryAfter), int64(longestWait/time.Second))) * time.Second}
	v.Status.Limit = k.Limit.Requests
	if l := r.RateLimit; l != nil {
		v.Status.Remaining = min(int64(l.Remaining), v.Status.Limit)
		v.Status.Reset = time.Unix(int64(l.Reset), 0)
	}
	if until := v.Status.Reset.Sub(asked); until <= 0 || until > longestWait {
		v.Status.Reset = time.Unix(asked.Add(max(v.RetryAfter, time.Second)+time.Second-1).Unix(), 0)
	}
	if v.RetryAfter == 0 {
		v.RetryAfter = (v.Status.Reset.Sub(asked) + time.Second - 1).Truncate(time.Second)
	}
	v.Status.Rate = ratelimit.Bound{Limit: v.Status.Limit, Remaining: v.Status.Remaining, Reset: v.Status.Reset}
	return v
}

// inLog are the characters of an id that stand for themselves in an access log of API Gateway.
var inLog = percent.Set{}.With("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@+=/")

// maxSentence bounds the text of a refusal that is passed on.
const maxSentence = 200

// sentence returns a text without invisible characters and without those that change how other text
// looks.
func sentence(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxSentence {
		return string(runes[:maxSentence])
	}
	return text
}
