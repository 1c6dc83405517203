package httpapi

import (
	"encoding/json"
	"strconv"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// MatchInput makes a change conditional on the revision that the caller has read.
type MatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"ETag of the record that the change is meant for. If omitted, the change is made to any revision, to the fields that it names only." example:"\"0\""`
}

// AnyMatchInput is MatchInput for a change that is right for any revision.
type AnyMatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"ETag of the record that the change is meant for. If omitted or *, the change is made to any revision." example:"*"`
}

func (in AnyMatchInput) revisions() ([]int64, error) { return MatchInput(in).revisions() }

// OnceInput makes a request idempotent.
type OnceInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"16" maxLength:"255" pattern:"^[!-~]+$" doc:"Your own name for the request, which no one else can guess: use a random UUID. The same request within 24 hours has the same answer; another request has 422." example:"6f1c7a52-9c0e-4f7a-9d0b-2f4f6f1f0a11"`
}

// onceOf returns the identity of the request with a body. It is that of the values, so a body that
// is written in another way has the same.
func (in OnceInput) onceOf(body any) (registry.Idempotency, error) {
	text, err := json.Marshal(body)
	return registry.Idempotency{Key: in.IdempotencyKey, Body: text}, err
}

func etag(k *apikey.Key) string { return tagOf(k.Rev) }

// tagOf returns the ETag of a revision.
func tagOf(rev int64) string { return strconv.Quote(strconv.FormatInt(rev, 10)) }

// revisions returns the revisions that If-Match lists, or nil if it allows any. A weak tag and a
// tag of another form match no revision.
func (in MatchInput) revisions() ([]int64, error) {
	malformed := invalid("If-Match", `must be * or a list of ETags such as "3"`)
	rest := strings.Trim(in.IfMatch, " \t,")
	switch {
	case in.IfMatch == "" || rest == "*":
		return nil, nil
	case rest == "":
		return nil, malformed
	}
	revisions := []int64{}
	for rest != "" {
		text, weak := strings.CutPrefix(rest, "W/")
		text, ok := strings.CutPrefix(text, `"`)
		tag, after, closed := strings.Cut(text, `"`)
		rest = strings.TrimLeft(after, " \t")
		if !ok || !closed || rest != "" && rest[0] != ',' {
			return nil, malformed
		}
		rest = strings.TrimLeft(rest, " \t,")
		if rev, err := strconv.ParseInt(tag, 10, 64); err == nil && !weak && strconv.FormatInt(rev, 10) == tag {
			revisions = append(revisions, rev)
		}
	}
	return revisions, nil
}
