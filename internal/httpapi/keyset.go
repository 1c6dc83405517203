package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
)

// keySetCache is for how long a backend may use the key set again. A new key signs at once, so a
// backend that meets an unknown key must ask again.
const keySetCache = "public, max-age=60"

type keySetOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         api.KeySet
}

func (a *server) registerKeySet() {
	handleOpen(a, &huma.Operation{
		OperationID: "key-set", Method: http.MethodGet, Path: api.KeySetPath, Tags: []string{"service"},
		Summary: "The keys that verify assertions",
		Description: "A JSON Web Key Set. It is at " + api.OwnPrefix + api.KeySetPath + " in every deployment. " +
			"With a key of it, a backend verifies X-Latchkey-Assertion. A removed key disappears within 10 seconds.",
		Errors: []int{400, 503},
	}, a.keySet)
}

func (a *server) keySet(ctx context.Context, _ *struct{}) (*keySetOutput, error) {
	keys, err := a.PublicKeys(ctx)
	if err != nil {
		return nil, err
	}
	out := &keySetOutput{CacheControl: keySetCache, Body: api.KeySet{Keys: []api.PublicKey{}}}
	for _, k := range keys {
		out.Body.Keys = append(out.Body.Keys, api.PublicKey{
			Type: k.Type, Curve: k.Curve, X: k.X, ID: k.ID, Use: k.Use, Algorithm: string(k.Algorithm),
		})
	}
	return out, nil
}
