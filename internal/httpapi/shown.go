package httpapi

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/redact"
)

// shown is a token in the body of a request or an answer. It prints redacted as every secret does,
// but its JSON is the token: that is what the body is for.
type shown struct{ hiddenText }

type hiddenText = redact.Secret[string]

// UnmarshalJSON reads a text.
func (s *shown) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	s.hiddenText = redact.New(text)
	return err
}

// MarshalJSON shows the token.
func (s shown) MarshalJSON() ([]byte, error) { return json.Marshal(s.Reveal()) }

// Schema tells huma that it is a text.
func (shown) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
