package api

// LeakMatch is one token that a leak scanner has found in public. Members that are not listed here are
// ignored.
type LeakMatch struct {
	_ struct{} `additionalProperties:"true"`

	Token  Token  `json:"token" doc:"The text that was found"`
	Type   string `json:"type,omitempty" doc:"The scanner's name for the kind of token" example:"latchkey_api_key"`
	URL    string `json:"url,omitempty" doc:"Where it was found" example:"https://github.com/example/app/blob/main/config.py"`
	Source string `json:"source,omitempty" doc:"The kind of the place, such as commit" example:"commit"`
}

// LeakFeedback says whether a reported text was a token of a key.
type LeakFeedback struct {
	TokenHash string    `json:"token_hash" doc:"SHA-256 of the text, in hexadecimal" example:"9a8fbaaadf7ddf0b7f80f7f826449deada5f199b0d6a507c8f51eb313e51be01"`
	TokenType string    `json:"token_type" example:"latchkey_api_key"`
	Label     LeakLabel `json:"label" doc:"true_positive: it is, or was, a token of a key here; false_positive: it never was"`
}

// LeakLabel is true_positive or false_positive.
type LeakLabel string

// The labels of feedback.
const (
	TruePositive  LeakLabel = "true_positive"
	FalsePositive LeakLabel = "false_positive"
)
