package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// maxReport is the size in bytes from which a report is too large. One match has about 300 bytes.
const maxReport = 1 << 20

// scannerName names the scanner in audit entries.
const scannerName = "github"

type leaksInput struct {
	KeyID     string `header:"Github-Public-Key-Identifier" maxLength:"256" doc:"The public key that has signed the body"`
	Signature string `header:"Github-Public-Key-Signature" maxLength:"512" doc:"ECDSA on P-256 with SHA-256 over the bytes of the body, in base64"`
	Content   signedBody[[]api.LeakMatch]
}

type leaksOutput struct{ Body []api.LeakFeedback }

// signedBody is the field of an input that keeps the bytes of the body, because a signature covers them.
// The body has the type B once it is read.
type signedBody[B any] struct{ text []byte }

// Resolve implements [huma.Resolver].
func (b *signedBody[B]) Resolve(c huma.Context) []error {
	text, problem := readBody(c.BodyReader(), maxReport)
	if problem != nil {
		return []error{problem}
	}
	b.text = text
	return nil
}

// document adds the body to the operation's part of the OpenAPI document.
func (*signedBody[B]) document(o *huma.Operation, schemas huma.Registry) {
	documentBody(reflect.TypeFor[B](), o, schemas)
}

func (a *server) registerLeaks() {
	handleOpen(a, &huma.Operation{
		OperationID: "report-leaks", Method: http.MethodPost, Path: api.LeaksPath, Tags: []string{"keys"},
		Summary: "Report leaked keys",
		Description: "For GitHub's secret scanning partner program, whose signature is the proof. " +
			"404 unless the deployment names the scanner's public keys. " +
			"The key of every token in the body ends with the reason leaked; a replaced one in its grace period ends alone. " +
			"Only a whole token ends a key, and never its id or its public key. " +
			"A static key cannot be revoked: only the log says so. " +
			"The answer leaves out tokens about which another key service would have to be asked. " +
			"A repeated report changes nothing. After a 503, repeat it: some keys may have been revoked.",
		Errors: []int{400, 401, 404, 413, 429, 503},
	}, a.reportLeaks)
}

func (a *server) reportLeaks(ctx context.Context, in *leaksInput) (*leaksOutput, error) {
	if a.Reports == nil {
		return nil, newError(apikey.CodeNotFound, "", "This deployment takes no reports of leaks: set LEAK_KEYS_URL")
	}
	ctx, cancel := patiently(ctx)
	defer cancel()
	signed, err := a.Reports.Signed(ctx, in.KeyID, in.Signature, in.Content.text)
	switch {
	case err != nil:
		return nil, err
	case !signed:
		return nil, newError(apikey.CodeInvalidSignature, "", "")
	}
	var matches []api.LeakMatch
	if json.Unmarshal(in.Content.text, &matches) != nil || matches == nil {
		return nil, bodyError("", "must be an array of matches")
	}
	r := a.reportOf(matches)
	if r.results, err = a.Registry.RevokeLeaked(ctx, a.origin(ctx), scannerName, r.leaks); err != nil {
		return nil, err
	}
	a.logLeaks(ctx, len(matches), r.results)
	return &leaksOutput{a.feedback(matches, r)}, nil
}

// report is a report that was read.
type report struct {
	leaks   []registry.Leak
	results []registry.Leaked
	of      map[string][]int // the indexes of the leaks that a reported text has
}

// reportOf returns the leaks in a report, each once.
func (a *server) reportOf(matches []api.LeakMatch) *report {
	r := &report{of: make(map[string][]int)}
	known := make(map[string]int)
	for _, m := range matches {
		text := m.Token.Reveal()
		if _, seen := r.of[text]; seen {
			continue
		}
		found, err := a.Format.TokensIn(text)
		if err != nil || len(found) == 0 { // it may still be a static key
			found = []apikey.Credential{a.Format.Credential(apikey.Bare(text))}
		}
		for _, c := range found {
			n, seen := known[c.Token().Reveal()]
			if !seen {
				n = len(r.leaks)
				known[c.Token().Reveal()] = n
				source := apikey.SourceOf(cmp.Or(m.URL, m.Source), c.Token())
				r.leaks = append(r.leaks, registry.Leak{Credential: c, Source: source})
			}
			r.of[text] = append(r.of[text], n)
		}
	}
	return r
}

// feedback returns the answer to a report: what each text of each type was.
func (a *server) feedback(matches []api.LeakMatch, r *report) []api.LeakFeedback {
	all := []api.LeakFeedback{}
	told := make(map[[2]string]bool)
	for _, m := range matches {
		text := m.Token.Reveal()
		if told[[2]string{text, m.Type}] {
			continue
		}
		told[[2]string{text, m.Type}] = true
		label := api.FalsePositive
		if slices.ContainsFunc(r.of[text], func(n int) bool { return r.results[n].KeyID != "" }) {
			label = api.TruePositive
		} else if a.AskedElsewhere != nil && a.AskedElsewhere(text) {
			continue
		}
		sum := sha256.Sum256([]byte(text))
		all = append(all, api.LeakFeedback{TokenHash: hex.EncodeToString(sum[:]), TokenType: m.Type, Label: label})
	}
	return all
}

// namedKeys is how many keys the line about a report names. The audit trail has all.
const namedKeys = 20

// logLeaks writes a line about a report, and one about each static key in it.
func (a *server) logLeaks(ctx context.Context, matches int, results []registry.Leaked) {
	known, revoked := 0, []string{}
	for _, l := range results {
		switch {
		case l.Static:
			a.Logger.LogAttrs(ctx, slog.LevelError, "a static key has leaked: replace it in the configuration",
				append([]slog.Attr{slog.String("keyId", l.KeyID)}, a.about(ctx)...)...)
		case l.Revoked && !slices.Contains(revoked, l.KeyID):
			revoked = append(revoked, l.KeyID)
		}
		if l.KeyID != "" {
			known++
		}
	}
	level := slog.LevelInfo
	if len(revoked) > 0 {
		level = slog.LevelWarn
	}
	a.Logger.LogAttrs(ctx, level, "leaked keys", append([]slog.Attr{
		slog.String("scanner", scannerName), slog.Int("matches", matches), slog.Int("known", known),
		slog.Int("revoked", len(revoked)), slog.Any("keyIds", revoked[:min(len(revoked), namedKeys)]),
	}, a.about(ctx)...)...)
}
