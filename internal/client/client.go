// Package client calls latchkey's HTTP API from outside, as any user of the API does.
// Call [New] for a client, then [Client.Do] for each request.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"latchkey/internal/api"
	"latchkey/internal/redact"
)

const (
	timeout    = 30 * time.Second // API Gateway answers within 29 s
	mostAnswer = 8 << 20          // in bytes; the rest of an answer is dropped
)

// Client calls the API of one service with one key. It is safe for concurrent use. Printing it does
// not show the key.
type Client struct {
	base string
	key  redact.Secret[string] // empty if requests carry no key
	with http.Header           // more headers of each request
	http *http.Client
}

// New returns a client of the service at base, such as "https://keys.example.com/prod".
// If key is empty, requests carry no key. The error says what base must be.
func New(base, key string) (*Client, error) {
	if u, err := url.Parse(base); err != nil || !isService(u) {
		return nil, errors.New("must be an http or https URL without user, query and fragment")
	}
	return &Client{
		base: strings.TrimRight(base, "/"),
		key:  redact.New(key),
		http: &http.Client{Timeout: timeout, CheckRedirect: noRedirect},
	}, nil
}

// With returns a client whose requests have one more header, and otherwise is c. If value is empty, it
// returns c.
func (c *Client) With(header, value string) *Client {
	if value == "" {
		return c
	}
	more := *c
	more.with = c.with.Clone()
	if more.with == nil {
		more.with = make(http.Header)
	}
	more.with.Set(header, value)
	return &more
}

// Through returns a client whose requests pass through what wrap returns, and otherwise is c.
func (c *Client) Through(wrap func(http.RoundTripper) http.RoundTripper) *Client {
	wrapped, own := *c, *c.http
	own.Transport = wrap(http.DefaultTransport)
	wrapped.http = &own
	return &wrapped
}

func isService(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return false
	}
	return u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// noRedirect makes a redirect the answer. Following it would send the key to another service.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Error is an answer with a status other than 2xx. Its text is Message.
type Error struct {
	Status  int
	Code    api.ErrorCode // for programs; empty if the answer did not come from latchkey
	Message string        // never empty
	Param   string        // the field, parameter or header that is wrong, if any
}

func (e *Error) Error() string { return e.Message }

// Answer is an answer with a status of 2xx.
type Answer struct {
	Body   json.RawMessage
	Header http.Header
}

// Do makes one request as [Client.Send] does, and returns the body of the answer.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	answer, err := c.Send(ctx, method, path, query, body)
	return answer.Body, err
}

// Send makes one request and returns the answer, which must have a status of 2xx.
// body is sent as JSON unless it is nil. The error is an [*Error] if there was an answer with
// another status; otherwise there was no answer. Send never retries.
func (c *Client) Send(ctx context.Context, method, path string, query url.Values, body any) (Answer, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Answer{}, fmt.Errorf("encode the request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return Answer{}, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key := c.key.Reveal(); key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	maps.Copy(r.Header, c.with)
	response, err := c.http.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return Answer{}, explain(response, answer)
	}
	return Answer{Body: answer, Header: response.Header}, nil
}

// explain reads the error envelope of an answer.
func explain(response *http.Response, answer []byte) *Error {
	e := &Error{Status: response.StatusCode}
	var envelope api.Envelope
	if json.Unmarshal(answer, &envelope) == nil {
		e.Code, e.Message = envelope.Detail.Code, envelope.Detail.Message
		if envelope.Detail.Param != nil {
			e.Param = *envelope.Detail.Param
		}
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the answer is not from latchkey: %s", response.Status)
	}
	return e
}
