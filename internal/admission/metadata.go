package admission

import (
	"context"
	"encoding/json"
	"log/slog"
)

// maxMetadataHeader is how many bytes the metadata of a key may have in a header. Many servers take
// 8 KB of all headers of a request together.
const maxMetadataHeader = 4096

// MetadataText returns the metadata of the caller's key as one JSON text, or "" if it has none.
func (c *Caller) MetadataText() string {
	if len(c.Metadata) == 0 {
		return ""
	}
	text, err := json.Marshal(c.Metadata)
	if err != nil {
		return "" // every map of texts has a JSON text
	}
	return string(text)
}

// MetadataHeader returns the metadata of the caller's key for the header X-Latchkey-Metadata: as one JSON
// text, percent-encoded. It returns "" if the key has none, or if backends do not get it. It also
// returns "" for a text that is too long for a header, and logs that.
func (d *Door) MetadataHeader(ctx context.Context, r *Request, c *Caller) string {
	if !d.PassMetadata || len(c.Metadata) == 0 {
		return ""
	}
	text := inHeader.Encode(c.MetadataText())
	if len(text) > maxMetadataHeader {
		d.WithoutMetadata(ctx, r, c, len(text))
		return ""
	}
	return text
}

// WithoutMetadata logs that a front door has no room for the metadata of a key, in a text of so many
// bytes.
func (d *Door) WithoutMetadata(ctx context.Context, r *Request, c *Caller, size int) {
	d.Logger.LogAttrs(ctx, slog.LevelWarn, "no metadata: the text is too long",
		d.About(r, slog.String("keyId", c.KeyID), slog.Int("bytes", size))...)
}
