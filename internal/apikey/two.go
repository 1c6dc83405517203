package apikey

import "context"

// checkTwo judges a request with two different texts that could both be tokens: an
// access token of a cloud, beside a key, looks like an imported key. The table
// tells. If exactly one of them is a token of a key here, it is judged, and the
// other one is for somebody else. If both are, nobody can tell which was meant.
//
// It costs up to two reads more than a check of one token, and spends nothing for
// the other one. An upstream is not asked: what is unknown here may be a secret
// that is none of its business. A caller learns nothing of a text but what it
// learns when it presents that text alone.
func (g *Gate) checkTwo(ctx context.Context, r Request) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, g.options.Patience)
	defer cancel()
	here := *g
	here.options.Upstream = nil
	known, meant := 0, r
	both := r.Credential.both()
	for i, c := range both {
		v, err := here.Check(ctx, Request{Credential: c, Time: r.Time})
		if err != nil {
			return Verdict{}, err
		}
		if v.Key == nil {
			continue
		}
		known++
		if meant.Credential = *r.Credential.other; i == 0 {
			meant.Credential = r.Credential
			meant.Credential.code, meant.Credential.other = "", nil
		}
	}
	if known != 1 {
		return Verdict{Code: CodeTwoKeys}, nil
	}
	return here.Check(ctx, meant)
}
