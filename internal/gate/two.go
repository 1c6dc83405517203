package gate

import (
	"context"
	"latchkey/internal/apikey"
)

// checkTwo judges a request with two different texts that could both be tokens. An example is a key
// beside an access token of a cloud, which looks like an imported key. If the table has a key for
// exactly one of them, that one is judged, and the other belongs to another service. If it has keys
// for both, the request is ambiguous and refused.
//
// It costs up to two reads of keys and two of users more than a check of one token, and spends only
// for the judged key. It never asks an upstream, because an unknown text may be the secret of another
// service. A caller learns no more about a text than by presenting that text alone.
func (g *Gate) checkTwo(ctx context.Context, r Request, v *apikey.Verdict) error {
	ctx, cancel := context.WithTimeout(ctx, g.options.Patience)
	defer cancel()
	here := *g
	here.options.Upstream = nil
	looks := here
	looks.options.Tally = nil
	known, meant := 0, r
	for _, c := range r.Credential.Both() {
		var alone apikey.Verdict
		if err := looks.check(ctx, &Request{Credential: c.Alone(), Time: r.Time}, &alone); err != nil {
			return err
		}
		if alone.Key != nil {
			known++
			meant.Credential = c
		}
	}
	if known != 1 {
		v.Code = apikey.CodeTwoKeys
		return nil
	}
	return here.check(ctx, &meant, v)
}
