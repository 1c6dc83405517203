package smoke_test

import (
	"strings"
	"testing"

	"latchkey/internal/smoke"
)

// An admin key is sent to the URL, so only this machine may be reached without TLS. The smoke test
// itself is tested with a stack, beside the command that runs it.
func TestAStacksURLHasTLSOrIsThisMachine(t *testing.T) {
	const canary = "canary-of-a-key"
	for text, want := range map[string]string{
		"https://abc.execute-api.eu-west-1.amazonaws.com/prod": "https://abc.execute-api.eu-west-1.amazonaws.com/prod",
		"https://keys.example.com/":                            "https://keys.example.com",
		"http://127.0.0.1:3000":                                "http://127.0.0.1:3000",
		"http://localhost:3000/":                               "http://localhost:3000",
		"http://[::1]:3000":                                    "http://[::1]:3000",

		"":                                   "",
		"keys.example.com":                   "",
		"http://keys.example.com":            "",
		"http://127.0.0.1.example.com":       "",
		"ftp://127.0.0.1":                    "",
		"https://":                           "",
		"https://" + canary + "@example.com": "",
		"https://example.com?key=" + canary:  "",
		"https://example.com#" + canary:      "",
		"https://%zz" + canary:               "",
	} {
		u, err := smoke.ParseURL(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is accepted as %s", text, u)
		case want == "" && strings.Contains(err.Error(), canary):
			t.Errorf("%q: the error repeats the key: %v", text, err)
		case want != "" && (err != nil || u.String() != want):
			t.Errorf("%q: %v, %v; want %s", text, u, err, want)
		}
	}
}
