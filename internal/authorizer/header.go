package authorizer

import "latchkey/internal/percent"

// Characters that a header value brings to a backend unchanged. Percent-decoding (RFC 3986) restores the text.
var (
	inHeader = percent.Visible("%,")
	inWords  = inHeader.With(" ") // spaces between words stay
)
