// Package upstream asks another key service about tokens that are unknown here. That service must
// answer latchkey's validate route, so it may be another latchkey. Make a [Service] with [New], and
// give it to the gate.
//
// A key that the service knows is remembered for a while. If the service revokes it, it works here
// until that time is over: latchkey's promise about revocations does not cover it. A refusal is
// remembered for at most a second. Several callers who ask about one token at the same time share
// one request.
package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httperr"
)

// Options are the settings of a [Service]. URL, Timeout, Size and Now are required.
type Options struct {
	// URL is the URL of the service. The path of the validate route is added to it, unless it ends in
	// /validate.
	URL string
	// Prefix is how a token must begin for the service to be asked. If empty, the service is asked
	// about all tokens.
	Prefix string
	// Remember is how long a valid key is remembered. A refusal is remembered for this time, but at
	// most for a second. If zero, the service is asked every time.
	Remember time.Duration
	// Timeout bounds one request to the service.
	Timeout time.Duration
	// Size is the number of keys that are remembered, and also the number of refusals.
	Size int
	// Now is the clock. It must be safe for concurrent use.
	Now func() time.Time
	// Transport sends the requests. If nil, it is [http.DefaultTransport].
	Transport http.RoundTripper
}

// Service is the other key service. It is safe for concurrent use.
type Service struct {
	options  Options
	endpoint string
	client   *http.Client
	memory   *memory
	asking   singleflight.Group // by question
}

var _ gate.Upstream = (*Service)(nil)

// validatePath is the path of the validate route.
const validatePath = "/api/v1/api-keys/validate"

// maxAnswer is the number of bytes that are read of an answer.
const maxAnswer = 64 << 10

// New returns a service. It sends no request. It returns an error if the URL cannot be parsed or Size
// is not positive.
func New(o Options) (*Service, error) {
	endpoint := strings.TrimRight(o.URL, "/")
	if !strings.HasSuffix(endpoint, "/validate") {
		endpoint += validatePath
	}
	if _, err := url.Parse(endpoint); err != nil {
		return nil, errors.New("the URL of the upstream cannot be parsed") // err quotes the URL
	}
	memory, err := newMemory(o.Size, o.Remember)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a redirect must not get the token
	}}
	return &Service{options: o, endpoint: endpoint, client: client, memory: memory}, nil
}

// Ask returns the service's verdict on a token; see [gate.Upstream]. public is the public key that
// came with the token, or empty. If fresh is true, it never answers from memory. An error means that
// the service gave no usable answer. It quotes nothing that the service sent.
func (s *Service) Ask(ctx context.Context, token apikey.Token, public string, fresh bool) (apikey.Verdict, error) {
	if !strings.HasPrefix(token.Reveal(), s.options.Prefix) {
		return apikey.Verdict{Code: apikey.CodeUnknown}, nil
	}
	q := newQuestion(token, public)
	if !fresh {
		if v, ok := s.memory.recall(q, s.now()); ok {
			return v, nil
		}
	}
	// The request goes on if its first caller goes away, because others may wait for it.
	done := s.asking.DoChan(string(q), func() (v any, err error) {
		defer func() {
			if recover() != nil { // singleflight would end the process
				v, err = apikey.Verdict{}, errors.New("the request panicked")
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

// ask sends one request, and remembers the verdict.
func (s *Service) ask(ctx context.Context, q question, token apikey.Token, public string) (apikey.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	asked := s.now()
	r, err := s.send(ctx, token, public)
	if err != nil {
		return apikey.Verdict{}, err
	}
	v, err := r.verdict(asked)
	if err != nil {
		return apikey.Verdict{}, err
	}
	s.memory.remember(q, v, asked)
	return v, nil
}

// send sends one request, and returns the service's reply.
func (s *Service) send(ctx context.Context, token apikey.Token, public string) (*reply, error) {
	body, err := json.Marshal(struct {
		APIKey    string `json:"apiKey"`
		PublicKey string `json:"publicKey,omitempty"`
	}{token.Reveal(), public})
	if err != nil {
		return nil, errors.New("encode the request") // err could quote the token
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("make the request") // err could quote the URL
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, httperr.Unquoted(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answered with status %d, not 200", response.StatusCode)
	}
	var r reply
	err = json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&r)
	if err != nil || r.Valid == nil {
		return nil, errors.New("the answer is not JSON with a boolean member valid") // err could quote it
	}
	return &r, nil
}

// now returns wall-clock time: the monotonic clock may stop while an instance is frozen.
func (s *Service) now() time.Time { return s.options.Now().Round(0) }
