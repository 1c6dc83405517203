package httpapi

import (
	"encoding/json"
	"strconv"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// MatchInput makes a change conditional on the revision that the caller has seen.
type MatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"1000" doc:"ETag of the record that the change is meant for. Left out, the last change wins, on the fields that it names only." example:"\"0\""`
}

// OnceInput makes a request repeatable.
type OnceInput struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"16" maxLength:"255" pattern:"^[!-~]+$" doc:"Your own name for the request, which no one else can guess: use a random UUID. Making it again within 24 hours gives the same answer; 422 if it asks for something else." example:"6f1c7a52-9c0e-4f7a-9d0b-2f4f6f1f0a11"`
}

// once goes by what the body says, not by how it is written.
func (in OnceInput) once(body any) (registry.Once, error) {
	text, err := json.Marshal(body)
	return registry.Once{Key: in.IdempotencyKey, Body: text}, err
}

func etag(k *apikey.Key) string { return strconv.Quote(strconv.FormatInt(k.Rev, 10)) }

// revisions reads If-Match: the revisions that it lists, or nil for any. A weak tag
// matches nothing, and neither does one that is not ours.
func (in MatchInput) revisions() ([]int64, error) {
	malformed := wrong("If-Match", `must be * or a list of ETags such as "3"`)
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
