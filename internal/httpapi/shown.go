package httpapi

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/redact"
)

// shown is a token in the body of a request or an answer. It prints redacted like every secret, but its JSON is the
// token.
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

// Schema describes the type to huma as a string.
func (shown) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
