package upstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/apikey"
	"latchkey/internal/percent"
	"latchkey/internal/ratelimit"
)

// reply is an answer of the validate route, as far as it is read. Only Valid is required.
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
		Window    int64 `json:"window"` // in seconds
		Remaining hint  `json:"remaining"`
		Reset     hint  `json:"reset"` // in Unix seconds
		Unlimited bool  `json:"unlimited"`
	} `json:"rateLimit"`
	ExpiresAt  string `json:"expiresAt"`
	RetryAfter hint   `json:"retryAfter"` // in seconds
}

// name is a JSON string, or a JSON number in its place.
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

// hint is a positive number, rounded up. Every other value is 0 and no error, because no verdict
// depends on a hint.
type hint int64

// UnmarshalJSON see [json.Unmarshaler].
func (h *hint) UnmarshalJSON(raw []byte) error {
	var number float64
	if err := json.Unmarshal(raw, &number); err == nil && number > 0 && number < math.MaxInt32*1000 {
		*h = hint(math.Ceil(number))
	}
	return nil
}

// verdict turns a reply into a verdict of the gate. It returns an error for a reply with a value out
// of bounds, because a limit that cannot be enforced must not be ignored. asked is when the request
// was sent.
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
	return apikey.Verdict{Code: code, Text: displayable(r.Error)}, nil
}

// code returns the code of the reply. A refusal with an unknown code is CodeUnknown. A reply that
// contradicts itself, or says that the service could not decide, is an error.
func (r *reply) code() (apikey.Code, error) {
	code := apikey.Code(strings.ToLower(r.Code))
	if *r.Valid {
		if code != "" && code != apikey.CodeValid {
			return "", errors.New("valid is true, but code is a refusal")
		}
		return apikey.CodeValid, nil
	}
	switch code {
	case apikey.CodeValid:
		return "", errors.New("valid is false, but code is valid")
	case apikey.CodeMalformed, apikey.CodeUnknown, apikey.CodeRevoked, apikey.CodeDisabled, apikey.CodeUserSuspended,
		apikey.CodeInactive, apikey.CodeExpired, apikey.CodeIdle, apikey.CodeWrongEnvironment,
		apikey.CodeAddressNotAllowed, apikey.CodeInsufficientScope:
		return code, nil
	case apikey.CodeRateLimited, apikey.CodeRateLimitExceeded:
		return apikey.CodeRateLimited, nil
	case apikey.CodeQuotaExceeded, apikey.CodeInsufficientQuota:
		return apikey.CodeQuotaExceeded, nil
	case apikey.CodeUnavailable:
		return "", errors.New("the service could not decide")
	}
	return apikey.CodeUnknown, nil
}

// idPrefix begins the id of each key of the upstream. No key in the table has such an id. unnamedID
// is the id of a refused key whose reply gives none.
const (
	idPrefix  = "upstream-"
	unnamedID = idPrefix + "unnamed"
)

// key returns the key that a reply describes. It returns an error if a value is out of bounds.
func (r *reply) key(asked time.Time) (*apikey.Key, error) {
	k := &apikey.Key{
		Name: string(r.Name), UserID: string(cmp.Or(r.UserID, r.Name, r.KeyID)), Enabled: true,
		Rev: asked.Unix(), // meters go by the newest revision, so the newest answer counts
	}
	id := string(cmp.Or(r.KeyID, r.UserID, r.Name))
	k.ID = idPrefix + inLog.Encode(id)
	if id == "" {
		return nil, errors.New("one of keyId, userId and name is required")
	}
	for _, text := range []string{id, k.UserID, k.Name} {
		if len(text) > apikey.MaxName || !apikey.LegibleName(text) {
			return nil, fmt.Errorf("keyId, userId and name must be at most %d bytes of visible characters", apikey.MaxName)
		}
	}
	if strings.EqualFold(k.UserID, apikey.AnonymousUser) {
		return nil, fmt.Errorf("userId must not be %s, which stands for no user", apikey.AnonymousUser)
	}
	var err error
	if k.Limit, k.Unlimited, err = r.limit(); err != nil {
		return nil, err
	}
	if k.Scopes, err = r.scopes(); err != nil {
		return nil, err
	}
	if k.ExpiresAt, err = r.expiry(); err != nil {
		return nil, err
	}
	return k, nil
}

// limit returns the limit of the key, and whether the key is unlimited. A reply without a limit has
// the default limit.
func (r *reply) limit() (l ratelimit.Limit, unlimited bool, err error) {
	if r.Unlimited || r.RateLimit != nil && r.RateLimit.Unlimited {
		return apikey.DefaultLimit(), true, nil
	}
	if r.RateLimit == nil {
		return apikey.DefaultLimit(), false, nil
	}
	const maxWindow = int64(apikey.MaxWindow / time.Second)
	requests, window := r.RateLimit.Requests, r.RateLimit.Window
	if requests < 1 || requests > apikey.MaxRequests || window < 1 || window > maxWindow {
		return l, false, fmt.Errorf("rateLimit must have 1 to %d requests, and a window of 1 to %d seconds",
			apikey.MaxRequests, maxWindow)
	}
	return ratelimit.Limit{Requests: requests, Window: time.Duration(window) * time.Second}, false, nil
}

// scopes returns the scopes of the key. It leaves out texts that are no scopes, and scopes for
// managing keys: an upstream must never grant those.
func (r *reply) scopes() (scopes apikey.Scopes, err error) {
	for _, scope := range r.Scopes {
		if apikey.ValidScope(scope) && !strings.HasPrefix(scope, "keys:") {
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) > apikey.MaxScopes {
		return nil, fmt.Errorf("scopes must be at most %d", apikey.MaxScopes)
	}
	return scopes, nil
}

// expiry returns the expiry of the key, or the zero time. A time without a zone is UTC: Python's
// isoformat writes such times.
func (r *reply) expiry() (time.Time, error) {
	if r.ExpiresAt == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, r.ExpiresAt); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("expiresAt must be a time as in 2031-01-31T12:00:00Z")
}

// maxWait is the longest wait that is passed on, which is the longest period of a quota.
const maxWait = 31 * 24 * time.Hour

// limited returns a refusal because of a limit or a quota of the upstream. If a value is missing or
// out of bounds, the most careful one takes its place: nothing remains, and the wait is a second. The
// text is latchkey's own, since API Gateway writes it into JSON unescaped.
func (r *reply) limited(code apikey.Code, asked time.Time) apikey.Verdict {
	k, err := r.key(asked)
	if err != nil {
		k = &apikey.Key{ID: unnamedID, Enabled: true, Limit: apikey.DefaultLimit()}
	}
	k.Unlimited = false // an unlimited key could not be refused
	v := apikey.Verdict{Code: code, Key: k}
	v.RetryAfter = time.Duration(min(int64(r.RetryAfter), int64(maxWait/time.Second))) * time.Second
	v.Status.Limit = k.Limit.Requests
	if l := r.RateLimit; l != nil {
		v.Status.Remaining = min(int64(l.Remaining), v.Status.Limit)
		v.Status.Reset = time.Unix(int64(l.Reset), 0)
	}
	if wait := v.Status.Reset.Sub(asked); wait <= 0 || wait > maxWait {
		v.Status.Reset = ceilSecond(asked.Add(max(v.RetryAfter, time.Second)))
	}
	if v.RetryAfter == 0 {
		v.RetryAfter = (v.Status.Reset.Sub(asked) + time.Second - 1).Truncate(time.Second)
	}
	v.Status.Rate = ratelimit.Bound{Limit: v.Status.Limit, Remaining: v.Status.Remaining, Reset: v.Status.Reset}
	return v
}

// ceilSecond returns the first full second that is not before t.
func ceilSecond(t time.Time) time.Time {
	return time.Unix(t.Add(time.Second-1).Unix(), 0)
}

// inLog holds the characters of an id that an access log of API Gateway writes as they are.
var inLog = percent.Set{}.With("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@+=/")

// maxText is the length of a refusal's text that is passed on, in characters.
const maxText = 200

// displayable returns a text without invisible characters, and without characters that change how
// other text looks. It cuts the text after maxText characters.
func displayable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxText {
		return string(runes[:maxText])
	}
	return text
}
