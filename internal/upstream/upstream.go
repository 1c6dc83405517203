// Package upstream asks another key service about tokens that nobody here knows.
// The other service speaks the validate route of our own API, so that it may be
// another latchkey.
//
// Its answers are remembered for a while, so a key that is revoked there goes on
// working here for as long: the promise about revocations is not about these.
// Questions that are asked at the same time about the same token are asked once.
package upstream

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"latchkey/internal/apikey"
	"latchkey/internal/httperr"
	"latchkey/internal/ratelimit"
)

// Options say where the other service is. All are required but where noted.
type Options struct {
	// URL is the service's own, to which the path of the validate route is added
	// unless it ends in /validate.
	URL string
	// Prefix is how the tokens begin that are worth asking about. Empty: all.
	Prefix   string
	Remember time.Duration // answers, for so long; 0 asks every time
	Timeout  time.Duration
	Size     int // how many answers are remembered
	Now      func() time.Time
	// Transport carries the questions; nil: the standard one.
	Transport http.RoundTripper
}

// Service is the other key service. It is safe for concurrent use.
type Service struct {
	options  Options
	endpoint string
	client   *http.Client
	asking   singleflight.Group

	mu      sync.Mutex
	answers *simplelru.LRU[question, answer]
}

var _ apikey.Upstream = (*Service)(nil)

// question is the hash of a token and the public key that came with it, so that
// no token stays in memory.
type question [sha256.Size]byte

type answer struct {
	verdict apikey.Verdict
	asked   time.Time
	until   time.Time
}

// Path is where the validate route is.
const Path = "/api/v1/api-keys/validate"

// New returns a service without speaking to it.
func New(o Options) (*Service, error) {
	endpoint := strings.TrimRight(o.URL, "/")
	if !strings.HasSuffix(endpoint, "/validate") {
		endpoint += Path
	}
	if _, err := url.Parse(endpoint); err != nil {
		return nil, errors.New("the URL of the upstream cannot be read")
	}
	answers, err := simplelru.NewLRU[question, answer](o.Size, nil)
	if err != nil {
		return nil, fmt.Errorf("remember upstream's answers: %w", err)
	}
	return &Service{
		options: o, endpoint: endpoint, answers: answers,
		client: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a token goes where it was sent, and nowhere else
		}},
	}, nil
}

// Ask see [apikey.Upstream].
func (s *Service) Ask(ctx context.Context, token apikey.Token, public string, fresh bool) (apikey.Verdict, error) {
	if !strings.HasPrefix(token.Reveal(), s.options.Prefix) {
		return apikey.Verdict{Code: apikey.CodeUnknown}, nil
	}
	q := question(sha256.Sum256([]byte(public + "\x00" + token.Reveal())))
	if !fresh {
		s.mu.Lock()
		a, ok := s.answers.Get(q)
		s.mu.Unlock()
		// A clock that is set back does not make it last longer.
		if now := s.now(); ok && !now.Before(a.asked) && now.Before(a.until) {
			return a.verdict, nil
		}
	}
	// Whoever asked first may hang up; the others still want to know.
	done := s.asking.DoChan(string(q[:]), func() (any, error) {
		return s.ask(context.WithoutCancel(ctx), q, token, public)
	})
	select {
	case r := <-done:
		v, _ := r.Val.(apikey.Verdict)
		return v, r.Err
	case <-ctx.Done():
		return apikey.Verdict{}, ctx.Err()
	}
}

func (s *Service) ask(ctx context.Context, q question, token apikey.Token, public string) (apikey.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	begun := s.now()
	r, err := s.send(ctx, token, public)
	if err != nil {
		return apikey.Verdict{}, err
	}
	v, err := r.verdict(begun)
	if err != nil {
		return apikey.Verdict{}, err
	}
	until := begun.Add(s.options.Remember)
	if v.RetryAfter > 0 && v.RetryAfter < s.options.Remember {
		until = begun.Add(v.RetryAfter) // a limit of theirs, which is about now only
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers.Add(q, answer{v, begun, until})
	return v, nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

func (s *Service) send(ctx context.Context, token apikey.Token, public string) (*reply, error) {
	body, err := json.Marshal(struct {
		APIKey    string `json:"apiKey"`
		PublicKey string `json:"publicKey,omitempty"`
	}{token.Reveal(), public})
	if err != nil {
		return nil, errors.New("encode the question")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("make the request")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, httperr.Unquoted(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", response.StatusCode)
	}
	var r reply
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&r); err != nil || r.Valid == nil {
		return nil, errors.New("it did not answer with a verdict") // what it sent may be anything
	}
	return &r, nil
}

// reply is what is used of an answer of the validate route.
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
		Unlimited bool  `json:"unlimited"`
	} `json:"rateLimit"`
	ExpiresAt  string `json:"expiresAt"`
	RetryAfter int64  `json:"retryAfter"`
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

// ids begin so, which no id in the table does.
const ids = "upstream-"

// verdict makes of a reply what the gate works with. What does not fit our bounds
// is no verdict: a limit that cannot be kept must not be ignored.
func (r *reply) verdict(asked time.Time) (apikey.Verdict, error) {
	if !*r.Valid {
		v := apikey.Verdict{Code: apikey.CodeUnknown, Text: sentence(r.Error)}
		if code := apikey.Code(r.Code); slices.Contains(refusals, code) {
			v.Code = code
		}
		if r.RetryAfter > 0 {
			v.RetryAfter = time.Duration(min(r.RetryAfter, int64(apikey.MaxWindow/time.Second))) * time.Second
		}
		return v, nil
	}
	k := &apikey.Key{
		Name: string(r.Name), UserID: string(r.UserID), Enabled: true, Limit: apikey.DefaultLimit(), Unlimited: r.Unlimited,
		// Terms that were heard of later count.
		Rev: asked.Unix(),
	}
	k.ID = ids + string(cmp.Or(r.KeyID, r.UserID, r.Name))
	if k.UserID == "" {
		k.UserID = string(cmp.Or(r.Name, r.KeyID))
	}
	if l := r.RateLimit; l != nil && !(r.Unlimited || l.Unlimited) {
		k.Limit = ratelimit.Limit{Requests: l.Requests, Window: time.Duration(l.Window) * time.Second}
		if l.Requests < 1 || l.Requests > apikey.MaxRequests || l.Window < 1 || l.Window > int64(apikey.MaxWindow/time.Second) {
			return apikey.Verdict{}, errors.New("its rateLimit is out of bounds")
		}
	} else if l != nil {
		k.Unlimited = true
	}
	for _, text := range []string{k.ID, k.UserID, k.Name} {
		if len(text) > apikey.MaxName || !apikey.LegibleName(text) {
			return apikey.Verdict{}, errors.New("its keyId, userId or name is out of bounds")
		}
	}
	if strings.EqualFold(k.UserID, apikey.AnonymousUser) {
		return apikey.Verdict{}, errors.New("its userId is anonymous, which stands for no user")
	}
	if k.ID == ids {
		return apikey.Verdict{}, errors.New("it names neither keyId, userId nor name")
	}
	for _, scope := range r.Scopes {
		// Who manages keys here is nobody else's to say.
		if apikey.ValidScope(scope) && !strings.HasPrefix(scope, "keys:") {
			k.Scopes = append(k.Scopes, scope)
		}
	}
	if r.ExpiresAt != "" {
		at, err := time.Parse(time.RFC3339Nano, r.ExpiresAt)
		if err != nil {
			// Python's isoformat leaves the zone out of a time that was made without one.
			at, err = time.Parse("2006-01-02T15:04:05", r.ExpiresAt)
		}
		if err != nil {
			return apikey.Verdict{}, errors.New("its expiresAt cannot be read")
		}
		k.ExpiresAt = at
	}
	return apikey.Verdict{Code: apikey.CodeValid, Key: k}, nil
}

// refusals are the codes that are passed on; any other is an unknown key's.
var refusals = []apikey.Code{
	apikey.CodeMalformed, apikey.CodeUnknown, apikey.CodeRevoked, apikey.CodeDisabled, apikey.CodeInactive, apikey.CodeExpired,
	apikey.CodeWrongEnvironment, apikey.CodeAddressNotAllowed,
}

// maxSentence bounds the text of a refusal that is passed on.
const maxSentence = 200

func sentence(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxSentence {
		return string(runes[:maxSentence])
	}
	return text
}

func (s *Service) now() time.Time { return s.options.Now().Round(0) }
