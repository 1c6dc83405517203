// Package upstream asks another key service about tokens that are unknown here. The other service
// speaks latchkey's validate route, so it may be another latchkey.
//
// A key that the service knows is remembered for a while. If it is revoked there, it goes on
// working here for that time: the promise about revocations does not cover it. A refusal is
// remembered for at most a second, in a memory of its own, so that invalid tokens do not push out
// valid keys. Concurrent questions about one token are asked once.
package upstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httperr"
)

// Options say where the other service is. All are required but where noted.
type Options struct {
	// URL is the service's own, to which the path of the validate route is added
	// unless it ends in /validate.
	URL string
	// Prefix is how the tokens begin that are worth asking about. Empty: all.
	Prefix string
	// Remember is how long a key is remembered, and the most that a refusal is; 0 asks
	// every time.
	Remember time.Duration
	Timeout  time.Duration
	Size     int // how many keys are remembered, and how many refusals
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

	mu       sync.Mutex
	keys     *simplelru.LRU[question, answer]
	refusals *simplelru.LRU[question, answer]
}

var _ gate.Upstream = (*Service)(nil)

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
	keys, err := simplelru.NewLRU[question, answer](o.Size, nil)
	if err != nil {
		return nil, fmt.Errorf("remember upstream's answers: %w", err)
	}
	refusals, _ := simplelru.NewLRU[question, answer](o.Size, nil)
	return &Service{
		options: o, endpoint: endpoint, keys: keys, refusals: refusals,
		client: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a token goes where it was sent, and nowhere else
		}},
	}, nil
}

// Ask see [gate.Upstream].
func (s *Service) Ask(ctx context.Context, token apikey.Token, public string, fresh bool) (apikey.Verdict, error) {
	if !strings.HasPrefix(token.Reveal(), s.options.Prefix) {
		return apikey.Verdict{Code: apikey.CodeUnknown}, nil
	}
	q := question(sha256.Sum256([]byte(public + "\x00" + token.Reveal())))
	if !fresh {
		if v, ok := s.recall(q); ok {
			return v, nil
		}
	}
	// Whoever asked first may hang up; the others still want to know.
	done := s.asking.DoChan(string(q[:]), func() (v any, err error) {
		defer func() {
			if recover() != nil { // singleflight would end the process
				v, err = apikey.Verdict{}, errors.New("asking it has panicked")
			}
		}()
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
	s.remember(q, v, begun)
	return v, nil
}

// refusedFor is how long a refusal is remembered at most: a key may have been made
// there meanwhile, and a limit may be over.
const refusedFor = time.Second

// recall returns the remembered answer to a question. Setting back the clock does not make it last
// longer.
func (s *Service) recall(q question) (apikey.Verdict, bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.keys.Get(q)
	if !ok {
		a, ok = s.refusals.Get(q)
	}
	if !ok || now.Before(a.asked) || !now.Before(a.until) {
		return apikey.Verdict{}, false
	}
	return a.verdict, true
}

// remember keeps the newest answer to a question, and no other one.
func (s *Service) remember(q question, v apikey.Verdict, asked time.Time) {
	now, other, last := s.keys, s.refusals, s.options.Remember
	if !v.Valid() {
		now, other, last = s.refusals, s.keys, min(last, refusedFor)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	other.Remove(q)
	now.Add(q, answer{v, asked, asked.Add(last)})
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

func (s *Service) now() time.Time { return s.options.Now().Round(0) }
