package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"latchkey/internal/config"
)

// debugger prints requests and their answers. It prints no key, no token and no Idempotency-Key.
type debugger struct {
	out  io.Writer
	key  config.Sensitive // of the caller
	next http.RoundTripper
}

// RoundTrip makes a request and prints it. See [http.RoundTripper].
func (d *debugger) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	fmt.Fprintf(d.out, "> %s %s\n", r.Method, d.clean(r.URL.String()))
	d.print(">", r.Header, sent)
	begun := time.Now()
	response, err := d.next.RoundTrip(r)
	if err != nil {
		fmt.Fprintf(d.out, "< no answer after %v\n", time.Since(begun).Round(time.Millisecond))
		return nil, err
	}
	received, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	response.Body = io.NopCloser(bytes.NewReader(received))
	fmt.Fprintf(d.out, "< %s after %v\n", response.Status, time.Since(begun).Round(time.Millisecond))
	d.print("<", response.Header, received)
	return response, err
}

const hiddenText = "[redacted]"

// print prints headers and a body. Of a body that is not JSON, it prints the length alone.
func (d *debugger) print(mark string, header http.Header, body []byte) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		value := strings.Join(header[name], ", ")
		if slices.Contains([]string{"Authorization", "X-Api-Key", "Idempotency-Key", "Cookie", "Set-Cookie"}, name) {
			value = hiddenText
		}
		fmt.Fprintf(d.out, "%s %s: %s\n", mark, name, d.clean(value))
	}
	if len(body) == 0 {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		fmt.Fprintf(d.out, "%s %d bytes that are not JSON\n", mark, len(body))
		return
	}
	text, err := json.Marshal(d.hide(document))
	if err != nil {
		return // a document that was decoded can be encoded
	}
	fmt.Fprintf(d.out, "%s %s\n", mark, text)
}

// hide returns a document without tokens: those in the fields that are for tokens, and all others that
// have the form of a token.
func (d *debugger) hide(document any) any {
	switch v := document.(type) {
	case map[string]any:
		for name, value := range v {
			if _, isText := value.(string); isText && slices.Contains([]string{"apiKey", "key", "token"}, name) {
				v[name] = hiddenText
				continue
			}
			v[name] = d.hide(value)
		}
	case []any:
		for i := range v {
			v[i] = d.hide(v[i])
		}
	case string:
		return d.clean(v)
	}
	return document
}

// tokenForm is the form of a native token with any prefix, and of a JSON Web Token.
var tokenForm = regexp.MustCompile(`\b[a-z]{2,12}_(live|test)_[0-9A-Za-z]{20,}|\beyJ[\w-]+\.[\w-]+\.[\w-]+`)

// clean returns a text on one line without the caller's key and without texts that look like tokens.
func (d *debugger) clean(text string) string {
	if key := d.key.Reveal(); key != "" {
		text = strings.ReplaceAll(text, key, hiddenText)
	}
	return oneLine(tokenForm.ReplaceAllString(text, hiddenText))
}
