package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// keysLifetime is how long fetched keys are used. A key that an issuer has withdrawn verifies
	// no token after that.
	keysLifetime = 15 * time.Minute
	// refetchInterval is the shortest time between two fetches for tokens that no known key has
	// signed. Anybody can make such tokens.
	refetchInterval = 30 * time.Second
	// outageInterval is how long an issuer is not asked again after it failed.
	outageInterval = time.Second
)

// issuer is one issuer and its keys. It is safe for concurrent use.
type issuer struct {
	url    string
	client *http.Client
	now    func() time.Time

	// mu is held during a fetch, so that one caller asks the issuer and the others wait.
	mu        sync.Mutex
	keys      []jose.JSONWebKey
	fetched   time.Time // the last successful fetch
	refetched time.Time // the last successful fetch while the keys were within their lifetime
	failed    time.Time // the last failed fetch
	failure   error     // its error
}

// errUnknownSignature means that none of the issuer's keys has signed a token.
var errUnknownSignature = errors.New("signed by no key of the issuer")

// payload returns the payload of a token that one of the issuer's keys has signed. If none has, it
// returns errUnknownSignature. Any other error means that the issuer could not be asked.
func (i *issuer) payload(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	// Round(0) makes this wall-clock time: the monotonic clock may stop while an instance is frozen.
	now := i.now().Round(0)
	usable := within(keysLifetime, i.fetched, now)
	if usable {
		if payload := verified(token, i.keys); payload != nil {
			return payload, nil
		}
		if within(refetchInterval, i.refetched, now) {
			return nil, errUnknownSignature
		}
	}
	if within(outageInterval, i.failed, now) {
		return nil, i.failure
	}
	keys, err := i.fetch(ctx)
	if err != nil {
		i.failed, i.failure = i.now().Round(0), err
		return nil, err
	}
	if usable {
		i.refetched = now
	}
	i.keys, i.fetched = keys, now
	if payload := verified(token, keys); payload != nil {
		return payload, nil
	}
	return nil, errUnknownSignature
}

// within reports whether less than d has passed since then. It reports false if then is in the
// future, because the clock was set back.
func within(d time.Duration, then, now time.Time) bool {
	age := now.Sub(then)
	return 0 <= age && age < d
}

// verified returns the payload of the token if one of the keys has signed it, else nil. If the token
// names a key, only keys of that name count.
func verified(token *jose.JSONWebSignature, keys []jose.JSONWebKey) []byte {
	name := token.Signatures[0].Header.KeyID
	for _, key := range keys {
		if name != "" && name != key.KeyID {
			continue
		}
		if payload, err := token.Verify(key); err == nil {
			return payload
		}
	}
	return nil
}

// fetch asks the issuer where its keys are, and then for the keys.
func (i *issuer) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
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
	keys, err := i.fetchKeys(ctx, document.KeysURL)
	if err != nil {
		return nil, fmt.Errorf("keys of issuer %s: %w", i.url, err)
	}
	return keys, nil
}

// fetchKeys returns the public keys at a URL. It skips keys of unknown kinds, and returns an error
// if no key is left.
func (i *issuer) fetchKeys(ctx context.Context, from string) ([]jose.JSONWebKey, error) {
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
		if key.UnmarshalJSON(raw) == nil && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are none that can be used")
	}
	return keys, nil
}
