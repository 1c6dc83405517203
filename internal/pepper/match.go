package pepper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/apikey"
)

// Names reports whether a public key that came beside a token names this key. An empty one names
// every key.
func (h Hasher) Names(k *apikey.Key, public string) bool {
	return public == "" || public == k.PublicKey().String() || slices.Contains(k.PublicAliases, h.PublicAlias(public))
}

// Match returns the index of the secret of k that the credential matches, preferring a live one, or
// -1 if there is none. It returns ErrCannotJudge if no secret matches and one could not be
// compared.
func (h Hasher) Match(k *apikey.Key, c *apikey.Credential, now time.Time) (int, error) {
	if !h.Names(k, c.Public()) {
		return -1, nil
	}
	over := -1
	var unjudged error
	for n := range k.Secrets {
		s := &k.Secrets[n]
		if s.Forgotten(now) {
			continue
		}
		ok, err := h.Matches(c.Token(), s)
		switch {
		case s.Over(now):
			if ok {
				over = n
			}
		case ok:
			return n, nil
		case err != nil:
			unjudged = err
		}
	}
	if over >= 0 {
		return over, nil
	}
	return -1, unjudged
}

// MatchOrReread is Match. If a pepper is missing, it rereads the deployment's secret and tries once
// more. It returns the hasher that decided.
func (h Hasher) MatchOrReread(
	ctx context.Context, reread func(context.Context) (Hasher, error), k *apikey.Key, c *apikey.Credential, now time.Time,
) (int, Hasher, error) {
	n, err := h.Match(k, c, now)
	if !errors.Is(err, ErrCannotJudge) {
		return n, h, err
	}
	if h, err = reread(ctx); err != nil {
		return -1, h, fmt.Errorf("load the secret: %w", err)
	}
	n, err = h.Match(k, c, now)
	return n, h, err
}
