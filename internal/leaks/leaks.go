// Package leaks verifies the reports of leak scanners. Call [New] once, and [Verifier.Signed] for each
// report.
//
// GitHub's secret scanning signs the body of a report with ECDSA on the curve P-256 and SHA-256. It
// names the key by an identifier, and publishes the public keys at a URL.
package leaks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// lifetime is how long fetched keys are used. A key that was withdrawn signs no report after that.
	lifetime = time.Hour
	// refetchInterval is the shortest time between two fetches for reports whose key is not known.
	// Anybody can send such reports, and GitHub answers 60 requests an hour of one address.
	refetchInterval = 5 * time.Minute
	// outageInterval is how long the keys are not fetched again after that failed.
	outageInterval = 5 * time.Second
	// fetchTimeout bounds one fetch.
	fetchTimeout = 2 * time.Second
	// maxDocument is how many bytes of the document with the keys are read, and maxKeys how many keys.
	maxDocument = 256 << 10
	maxKeys     = 100
)

// Options say where the public keys are. All are required unless noted.
type Options struct {
	// URL has the public keys. It must be https, or http of this machine.
	URL string
	// Now reads the wall clock.
	Now func() time.Time
	// Transport sends the requests. If nil, it is the default one of net/http without kept connections.
	Transport http.RoundTripper
}

// Verifier verifies reports by the keys of one URL. It is safe for concurrent use.
type Verifier struct {
	url    string
	client *http.Client
	now    func() time.Time

	// mu is held during a fetch, so that one caller fetches the keys and the others wait.
	mu        sync.Mutex
	keys      map[string]*ecdsa.PublicKey
	fetched   time.Time // the last successful fetch
	refetched time.Time // the last successful fetch while the keys were within their lifetime
	failed    time.Time // the last failed fetch
	failure   error     // its error
}

// New returns a verifier. It sends no request before the first report comes.
func New(o Options) *Verifier {
	if o.Transport == nil {
		o.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	}
	return &Verifier{url: o.URL, now: o.Now, client: &http.Client{
		Transport: o.Transport, Timeout: fetchTimeout,
		// A redirect could lead to any host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Signed reports whether the key with this identifier has signed the body. The signature is in base64, as
// the header of the report has it. An error means that the keys could not be fetched, so that nothing
// is known about the report.
func (v *Verifier) Signed(ctx context.Context, keyID, signature string, body []byte) (bool, error) {
	sum, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || len(sum) == 0 || keyID == "" {
		return false, nil
	}
	key, err := v.key(ctx, keyID)
	if key == nil || err != nil {
		return false, err
	}
	digest := sha256.Sum256(body)
	return ecdsa.VerifyASN1(key, digest[:], sum), nil
}

// key returns the public key with an identifier, or nil if there is none.
func (v *Verifier) key(ctx context.Context, id string) (*ecdsa.PublicKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	// Round(0) makes this wall-clock time: the monotonic clock may stop while an instance is frozen.
	now := v.now().Round(0)
	usable := within(lifetime, v.fetched, now)
	if usable && (v.keys[id] != nil || within(refetchInterval, v.refetched, now)) {
		return v.keys[id], nil
	}
	if within(outageInterval, v.failed, now) {
		return nil, v.failure
	}
	keys, err := v.fetch(ctx)
	if err != nil {
		v.failed, v.failure = v.now().Round(0), fmt.Errorf("public keys of the leak scanner: %w", err)
		return nil, v.failure
	}
	if usable {
		v.refetched = now
	}
	v.keys, v.fetched = keys, now
	return keys[id], nil
}

// within reports whether less than d has passed since then. It reports false if then is in the
// future, because the clock was set back.
func within(d time.Duration, then, now time.Time) bool {
	age := now.Sub(then)
	return 0 <= age && age < d
}

// fetch returns the keys at the URL, by their identifiers. It skips keys of other kinds, and returns an
// error if no key is left.
func (v *Verifier) fetch(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := v.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	var document struct {
		Keys []struct {
			ID  string `json:"key_identifier"`
			Key string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(&document); err != nil {
		return nil, err
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, k := range document.Keys[:min(len(document.Keys), maxKeys)] {
		if key := parseKey(k.Key); key != nil && k.ID != "" {
			keys[k.ID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are none that can be used")
	}
	return keys, nil
}

// parseKey returns the public key in a text, or nil if it is none of ECDSA on P-256.
func parseKey(text string) *ecdsa.PublicKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}
