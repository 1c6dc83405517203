package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/internal/api"
	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/httpapi"
	"latchkey/internal/registry"
)

// The bodies whose answers must be the same with the shortcut. %s is a token.
var validateBodies = []string{
	`{"apiKey":"%s"}`, ` { "apiKey" : "%s" } `, "\t{\r\n\"apiKey\"\n:\t\"%s\"\r}\n", `{"apiKey":"%s","cost":0}`,
	`{"cost":0,"apiKey":"%s"}`, `{"apiKey":"%s","scope":"tts"}`, `{"apiKey":"%s","scope":""}`, `{"apiKey":"%s","scope":"A b"}`,
	`{"apiKey":"%s","sourceIp":"192.0.2.1"}`, `{"apiKey":"%s","sourceIp":"2001:db8::1"}`, `{"apiKey":"%s","sourceIp":""}`,
	`{"apiKey":"%s","sourceIp":"nowhere"}`, `{"apiKey":"%s","publicKey":""}`, `{"apiKey":"%s","publicKey":"pk_live_0"}`,
	`{"apiKey":"Bearer %s"}`, `{"apiKey":" %s "}`, `{"apiKey":"pk:%s"}`, `{"apiKey":"%s","cost":-1}`, `{"apiKey":"%s","cost":-0}`,
	`{"apiKey":"%s","cost":1000001}`, `{"apiKey":"%s","cost":9999999}`, `{"apiKey":"%s","cost":00}`, `{"apiKey":"%s","cost":01}`,
	`{"apiKey":"%s","cost":0e0}`, `{"apiKey":"%s","cost":0.0}`, `{"apiKey":"%s","cost":0.5}`, `{"apiKey":"%s","cost":.5}`,
	`{"apiKey":"%s","cost":+1}`, `{"apiKey":"%s","cost":1_0}`, `{"apiKey":"%s","cost":0x1}`, `{"apiKey":"%s","cost":}`,
	`{"apiKey":"%s","cost":"1"}`, `{"apiKey":"%s","cost":null}`, `{"apiKey":"%s","cost":true}`, `{"apiKey":"%s","cost":[1]}`,
	`{"apiKey":"%s","cost":99999999999999999999999999999999}`, `{"apiKey":"%s","cost":18446744073709551616}`,
	`{"apiKey":"%s","cost":-}`, `{"apiKey":"%s","cost":0 0}`, `{"apiKey":"%s","cost":0,"cost":0}`,
	`{"apiKey":"%s","apiKey":"%[1]s"}`, `{"apiKey":"","apiKey":"%s"}`, `{"apiKey":"%s","scope":"tts","scope":"tts"}`,
	`{"apiKey":"%s","ApiKey":"x"}`, `{"APIKEY":"%s"}`, `{"apikey":"%s"}`, `{"api_key":"%s"}`, `{"key":"%s"}`, `{"apiKey":"%s","":0}`,
	`{"apiKey":"%s","tokens":1}`, `{"apiKey":"%s","a-name-that-is-longer-than-any":1}`, `{"apiKey":"%s","costs":0}`,
	`{"cost":0}`, `{"scope":"tts","sourceIp":"192.0.2.1"}`, `{"publicKey":"pk_live_0"}`,
	`{"apiKey":null}`, `{"apiKey":1}`, `{"apiKey":["%s"]}`, `{"apiKey":{"a":"%s"}}`, `{"apiKey":true}`, `{"apiKey":""}`, `{}`, `{ }`, ``, ` `,
	`[]`, `null`, `"%s"`, `0`, `{"apiKey":"%s"`, `{"apiKey":"%s`, `{"apiKey":`, `{"apiKey"`, `{"apiKey`, `{`, `{"apiKey":"%s",}`, `{,"apiKey":"%s"}`,
	`{"apiKey":"%s"}}`, `{"apiKey":"%s"}{}`, `{"apiKey":"%s"} x`, `{"apiKey":"%s"}` + "\x00", "\ufeff" + `{"apiKey":"%s"}`, `{"apiKey" "%s"}`,
	`{"apiKey":"%s" "cost":1}`, `{"apiKey"::"%s"}`, `{'apiKey':'%s'}`, `{apiKey:"%s"}`, `{"apiKey":"%s"}//`, `{"apiKey":"%s",,"cost":1}`,
	`{"apiKey":"%s","scope":"\u0074ts"}`, `{"api\u004bey":"%s"}`, `{"apiKey":"\ud800"}`, `{"apiKey":"\"%s\""}`, `{"apiKey":"a\\b"}`, `{"apiKey":"a\/b"}`,
	`{"apiKey":"a\qb"}`, "{\"apiKey\":\"a\tb\"}", "{\"apiKey\":\"a\x7fb\"}", "{\"apiKey\":\"a\xffb\"}", "{\"apiKey\":\"a\ufffdb\"}", `{"apiKey":"é"}`,
	`{"apiKey":"<a>&b"}`, "{\"apiKey\":\"a\u2028b\"}", `{"apiKey":"%s","scope":"é"}`, "{\"apiKey\":\"%s\",\"\xff\":1}",
	`{"apiKey":"eyJhbGciOiJub25lIn0.e30.c2ln"}`, `{"apiKey":"%s","metadata":{}}`, `{"apiKey":"%s","cost":{"a":[]}}`,
}

// The shortcut must be taken: a body as clients send it is read without huma.
func TestUsualBodiesArePlain(t *testing.T) {
	for _, text := range []string{
		`{"apiKey":"t"}`, ` { "cost" : 1000000 , "apiKey" : "t" } `,
		`{"apiKey":"t","scope":"tts","cost":0,"sourceIp":"192.0.2.1","publicKey":"pk_live_0"}`,
	} {
		body, ok := httpapi.PlainValidate([]byte(text))
		var want api.ValidateRequest
		if err := json.Unmarshal([]byte(text), &want); err != nil || !ok || body.APIKey.Reveal() != "t" ||
			!cmp.Equal(body.Cost, want.Cost) || !cmp.Equal(body.Scope, want.Scope) ||
			!cmp.Equal(body.SourceIP, want.SourceIP) || !cmp.Equal(body.PublicKey, want.PublicKey) {
			t.Errorf("%s: %t, %v", text, ok, err)
		}
	}
}

// A body with a random fault, or with none, has the same answer both ways.
func TestAnyBodyIsAnsweredAsByHuma(t *testing.T) {
	b := newBothWays(httpapi.Options{Gate: unknowing{}, Registry: &registry.Registry{}, Now: func() time.Time { return noon }})
	fields := rapid.SliceOfN(rapid.SampledFrom([]string{
		`"apiKey":"t"`, `"apiKey" : "pk:sk"`, `"cost":7`, `"cost":10`, `"scope":"tts"`, `"sourceIp":"192.0.2.1"`, `"publicKey":"p"`, `"name":"x"`,
	}), 0, 4)
	edits := rapid.SliceOfN(rapid.SampledFrom(strings.Split(` |"|\|{|}|[|]|:|,|0|1|-|.|e|null|é|`+"\t|\x00|\xff|\u2028", "|")), 0, 2)
	rapid.Check(t, func(t *rapid.T) {
		text := "{" + strings.Join(fields.Draw(t, "fields"), ",") + "}"
		for _, edit := range edits.Draw(t, "edits") {
			from := rapid.IntRange(0, len(text)).Draw(t, "from")
			to := min(len(text), from+rapid.IntRange(0, 3).Draw(t, "length"))
			text = text[:from] + edit + text[to:]
		}
		b.same(t, text, validateOf(text))
	})
}

// unknowing is a gate that knows no key.
type unknowing struct{}

func (unknowing) Check(context.Context, gate.Request) (apikey.Verdict, error) {
	return apikey.Verdict{Code: apikey.CodeUnknown}, nil
}

// The shortcuts write each value as encoding/json does. A field that they do not know fails the test,
// because rapid fills all.
func TestShortcutsWriteWhatEncodingJSONWrites(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", `<é>&"\`, "\u2028\u2029\xff\xe2\x80", "\x00\x1f\x7f\b\f\n\r\t"}), rapid.String())
	verdicts, callers := rapid.Make[api.Verdict](), rapid.Make[api.WhoamiResponse]()
	rapid.Check(t, func(t *rapid.T) {
		v, c := verdicts.Draw(t, "verdict"), callers.Draw(t, "caller")
		v.Name, c.Name = text.Draw(t, "name"), text.Draw(t, "name")
		if v.Metadata != nil {
			v.Metadata[text.Draw(t, "member")] = text.Draw(t, "value")
		}
		for _, got := range []struct {
			text  []byte
			value any
		}{{httpapi.TextOfVerdict(&v), &v}, {httpapi.TextOfWhoami(&c), &c}} {
			var want bytes.Buffer
			if err := httpapi.WriteJSON(&want, got.value); err != nil || !bytes.Equal(got.text, want.Bytes()) {
				t.Fatalf("%s\nis not\n%s%v", got.text, &want, err)
			}
		}
	})
}
