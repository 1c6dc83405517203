package oidc

import (
	"context"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// keySet is an oidc.KeySet over an issuer's keys, for one token. The library turns every error of
// VerifySignature into text, so the keySet remembers which kind it was.
type keySet struct {
	issuer *issuer
	// unknown is whether none of the issuer's keys has signed the token.
	unknown bool
	// outage is why the issuer could not be asked, or nil.
	outage error
}

// VerifySignature returns the payload of a token that the issuer has signed.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	var accepted []jose.SignatureAlgorithm
	for _, a := range algorithms {
		accepted = append(accepted, jose.SignatureAlgorithm(a))
	}
	signed, err := jose.ParseSignedCompact(token, accepted)
	if err != nil {
		return nil, err
	}
	payload, err := k.issuer.payload(ctx, signed)
	switch {
	case errors.Is(err, errUnknownSignature):
		k.unknown = true
	case err != nil:
		k.outage = err
	}
	return payload, err
}
