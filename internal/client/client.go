// Package client speaks the HTTP API from outside, as any user of it does.
package client

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

	"latchkey/internal/redact"
)

const (
	timeout    = 30 * time.Second // API Gateway waits 29
	mostAnswer = 8 << 20
)

// Client is safe for concurrent use. It prints no key.
type Client struct {
	base string
	key  redact.Secret[string] // empty: none
	http *http.Client
}

// New returns a client of the service at base, such as
// "https://keys.example.com/prod". An empty key is none.
func New(base, key string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must be an http or https URL without user, query and fragment")
	}
	return &Client{
		base: strings.TrimRight(base, "/"),
		key:  redact.New(key),
		// Nobody but who was asked gets to see the key.
		http: &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Error is an answer other than the one that was hoped for.
type Error struct {
	Status  int
	Code    string // a word for programs; empty where the answer is nobody's of ours
	Message string
	Param   string
}

func (e *Error) Error() string { return e.Message }

// Do makes one request, with body as JSON unless it is nil, and returns the
// answer's. An error is an [*Error] if there was an answer.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key := c.key.Reveal(); key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, explain(response, answer)
	}
	return answer, nil
}

func explain(response *http.Response, answer []byte) *Error {
	var envelope struct {
		Error struct{ Message, Param, Code string }
	}
	e := &Error{Status: response.StatusCode}
	if json.Unmarshal(answer, &envelope) == nil {
		e.Code, e.Message, e.Param = envelope.Error.Code, envelope.Error.Message, envelope.Error.Param
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the answer is %s, and none of latchkey's", response.Status)
	}
	return e
}
