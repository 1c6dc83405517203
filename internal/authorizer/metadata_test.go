package authorizer_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
)

// Policy: an API behind the authorizer gets the metadata of a key as one JSON text. A backend gets it in
// a header if the deployment says so. Routes of latchkey's own do not get it.
func TestWhoGetsTheMetadataOfAKey(t *testing.T) {
	odd := map[string]string{"team": "a b", "größe": "50 %, \"x\"\\\n<&>", "": "é"}
	for _, c := range []struct {
		name, extra string
		pass        bool
		metadata    map[string]string
		text        bool
		header      bool
	}{
		{"another API", `"resource":"/x"`, false, odd, true, false},
		{"another API, with the header", `"resource":"/x"`, true, odd, true, true},
		{"BackendUrl", `"resource":"/{proxy+}",` + audience, false, odd, false, false},
		{"BackendUrl, with the header", `"resource":"/{proxy+}",` + audience, true, odd, false, true},
		{"a route of latchkey's own", `"resource":"/api/v1/whoami",` + audience, true, odd, false, false},
		{"a key without metadata", `"resource":"/x"`, true, nil, false, false},
		{"a key with empty metadata", `"resource":"/x"`, true, map[string]string{}, false, false},
		{"in a header at most 4 KB", `"resource":"/x"`, true, map[string]string{"a": strings.Repeat("é", 1000)}, true, false},
		{"at most 8 KB", `"resource":"/x"`, true, map[string]string{"a": strings.Repeat("\x01", 2000)}, false, false},
	} {
		var log bytes.Buffer
		j := says(apikey.CodeValid)
		j.verdict.Key.Metadata = maps.Clone(c.metadata)
		set := func(o *admission.Options) { o.Signer, o.PassMetadata = &notary{}, c.pass }
		answer, err := newAuthorizer(t, j, &log, set).Invoke(t.Context(), []byte(request("GET/a", c.extra)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got struct {
			Context struct{ Metadata, MetadataHeader string }
		}
		unmarshal(t, answer, &got)
		if (got.Context.Metadata != "") != c.text || (got.Context.MetadataHeader != "") != c.header {
			t.Errorf("%s: %s", c.name, answer)
		}
		plain, err := url.PathUnescape(got.Context.MetadataHeader)
		if err != nil || strings.ContainsFunc(got.Context.MetadataHeader, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
			t.Errorf("%s: the header is %q", c.name, got.Context.MetadataHeader)
		}
		for _, text := range []string{got.Context.Metadata, plain} {
			var read map[string]string
			if text != "" && (json.Unmarshal([]byte(text), &read) != nil || !maps.Equal(read, c.metadata)) {
				t.Errorf("%s: %s", c.name, text)
			}
		}
		leftOut := strings.Contains(c.name, "at most")
		if len(answer) > 8192 || strings.Contains(log.String(), "no metadata: the text is too long") != leftOut {
			t.Errorf("%s: %d bytes, and the log is %s", c.name, len(answer), &log)
		}
		if strings.Contains(c.extra, "proxy") && assertionOf(t, answer) != "signed" {
			t.Errorf("%s: no assertion", c.name)
		}
	}
}
