package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// trusted is how long keys are used: a key that an issuer has withdrawn opens
	// nothing after that.
	trusted = 15 * time.Minute
	// cooldown is how often keys may be asked for anew because a token was signed
	// by none of them: anybody can make up such tokens.
	cooldown = 30 * time.Second
	// retry is how long an issuer that did not answer is left alone.
	retry = time.Second
	// maxDocument bounds what is read of an issuer.
	maxDocument = 1 << 20
)

// secure reports whether nobody on the way can put in keys of their own: plain
// http is for this machine alone.
func secure(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// issuer is one provider with the keys that it had.
type issuer struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu     sync.Mutex // held while asking: one asks, the others wait for what it finds
	keys   []jose.JSONWebKey
	had    time.Time // when the keys were asked for
	anew   time.Time // when they were last asked for although they were trusted
	failed time.Time // when the issuer last did not answer, and how
	err    error
}

var errUnknownSignature = errors.New("signed by no key of the issuer")

// open returns the payload of a token that one of the issuer's keys has signed,
// else errUnknownSignature. Any other error is an outage.
func (i *issuer) open(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now().Round(0) // wall clock: an environment may have been frozen
	have := within(now, i.had, trusted)
	if have {
		if payload := i.payload(jws); payload != nil {
			return payload, nil
		}
		if within(now, i.anew, cooldown) {
			return nil, errUnknownSignature
		}
	}
	if within(now, i.failed, retry) {
		return nil, i.err
	}
	keys, err := i.load(ctx)
	if err != nil {
		i.failed, i.err = i.now().Round(0), err
		return nil, err
	}
	if have {
		i.anew = now
	}
	i.keys, i.had = keys, now
	if payload := i.payload(jws); payload != nil {
		return payload, nil
	}
	return nil, errUnknownSignature
}

func within(now, since time.Time, d time.Duration) bool {
	age := now.Sub(since)
	return 0 <= age && age < d
}

func (i *issuer) payload(jws *jose.JSONWebSignature) []byte {
	kid := jws.Signatures[0].Header.KeyID
	for _, key := range i.keys {
		if kid != "" && kid != key.KeyID {
			continue
		}
		if payload, err := jws.Verify(key); err == nil {
			return payload
		}
	}
	return nil
}

// load asks the issuer where its keys are, and for them.
func (i *issuer) load(ctx context.Context) ([]jose.JSONWebKey, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.url)
	if err != nil {
		return nil, fmt.Errorf("discover issuer %s: %w", i.url, err)
	}
	var document struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("discover issuer %s: %w", i.url, err)
	}
	keys, err := i.fetch(ctx, document.KeysURL)
	if err != nil {
		return nil, fmt.Errorf("keys of issuer %s: %w", i.url, err)
	}
	return keys, nil
}

func (i *issuer) fetch(ctx context.Context, from string) ([]jose.JSONWebKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	response, err := i.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// One of a kind that is not known here must not take the others with it.
		if key.UnmarshalJSON(raw) == nil && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are none")
	}
	return keys, nil
}

// newClient is for asking issuers: so seldom that a connection which is kept would
// be stale when it is needed again.
func newClient() *http.Client {
	return &http.Client{Transport: bounded{&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}}
}

// bounded asks securely or not at all, wherever a document or a redirect leads,
// and reads no more of an answer than an honest one has. One that is an error has
// nothing to read: it would only be repeated in the log.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !secure(r.URL) {
		return nil, errors.New("not over TLS")
	}
	response, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxDocument), response.Body}
	if response.StatusCode >= 400 {
		body.Reader = http.NoBody
	}
	response.Body = body
	return response, nil
}

// keySet is an issuer's keys, for one token. The library makes a text of whatever
// error it gets, so that what came of it is left here.
type keySet struct {
	*issuer
	refused bool
	outage  error
}

// VerifySignature is oidc.KeySet's.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	var accepted []jose.SignatureAlgorithm
	for _, a := range algorithms {
		accepted = append(accepted, jose.SignatureAlgorithm(a))
	}
	jws, err := jose.ParseSignedCompact(token, accepted)
	if err != nil {
		return nil, err
	}
	payload, err := k.open(ctx, jws)
	switch {
	case errors.Is(err, errUnknownSignature):
		k.refused = true
	case err != nil:
		k.outage = err
	}
	return payload, err
}
