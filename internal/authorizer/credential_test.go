package authorizer_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"latchkey/internal/admission"
	"latchkey/internal/apikey"
)

const (
	otherToken = "another-foreign-token-1"
	jwt        = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.canary"
)

func TestWhereATokenMayStand(t *testing.T) {
	format := newFormat(t)
	for _, c := range []struct {
		members string
		want    apikey.Credential
	}{
		{`"multiValueHeaders":{"X-API-Key":["` + token + `"]}`, format.Credential(token)},
		{`"multiValueHeaders":{"x-aPi-kEy":["` + token + `"]}`, format.Credential(token)},
		{`"multiValueHeaders":{"authorization":["bEaReR ` + token + `"]}`, format.Credential(token)},
		{`"multiValueHeaders":{"Authorization":["` + token + `"]}`, format.Credential(token)},
		{`"multiValueQueryStringParameters":{"api_key":["` + token + `"]}`, format.Credential(token)},
		// Single values count, too.
		{`"headers":{"x-api-key":"` + token + `"},"multiValueHeaders":null`, format.Credential(token)},
		{`"queryStringParameters":{"api_key":"` + token + `"}`, format.Credential(token)},
		// The same token in several places is one token.
		{`"headers":{"X-API-Key":"` + token + `"},
			"multiValueHeaders":{"X-API-Key":["` + token + `"],"Authorization":["Bearer ` + token + `"]}`,
			format.Credential(token)},
		// Different tokens never hide one another.
		{`"multiValueHeaders":{"X-API-Key":["` + token + `","` + otherToken + `"]}`, format.Credential(token, otherToken)},
		{`"multiValueHeaders":{"X-API-Key":["` + token + `"],"x-api-key":["` + otherToken + `"]}`,
			format.Credential(token, otherToken)},
		{`"multiValueHeaders":{"X-API-Key":["` + token + `"],"X-API-Key":["` + otherToken + `"]}`,
			format.Credential(token, otherToken)},
		{`"multiValueHeaders":{"X-API-Key":["` + token + `"]},"multiValueHeaders":{"X-API-Key":["` + otherToken + `"]}`,
			format.Credential(token, otherToken)},
		{`"multiValueHeaders":{"X-API-Key":["` + token + `"]},
			"multiValueQueryStringParameters":{"api_key":["` + otherToken + `"]}`,
			format.Credential(token, otherToken)},
		// These are no tokens.
		{`"multiValueHeaders":{"X-API-Key":["",""],"Authorization":["Bearer ` + token + `"]}`, format.Credential(token)},
		{`"multiValueHeaders":{"X-API-Key":[null],"Authorization":["Bearer ` + token + `"]}`, format.Credential(token)},
		{`"multiValueHeaders":{"Authorization":["Basic dXNlcjpwYXNzd29yZA=="]}`, format.Credential()},
		{`"multiValueHeaders":{"X-API-Key":["` + token + `"],"Authorization":["Bearer ` + jwt + `"]}`,
			format.Credential(token)},
	} {
		j := says(apikey.CodeValid)
		decision(t, j, request("GET/", c.members), nil)
		if !j.wasAsked() || !j.asked.Credential.Equal(c.want) {
			t.Errorf("%s: another credential than wanted", c.members)
		}
	}
}

func TestTokensInTheQueryCanBeSwitchedOff(t *testing.T) {
	j := says(apikey.CodeMissing)
	event := request("GET/", `"queryStringParameters":{"api_key":"`+token+`"}`)
	decision(t, j, event, func(o *admission.Options) { o.QueryAPIKey = false })
	if !j.wasAsked() || !j.asked.Credential.Missing() {
		t.Error("a token in the query counts although that is switched off")
	}
}

// place is a place where a token may stand, as the manual lists it.
type place struct {
	name   string
	header string // empty for the query
	before string // text before the token, in which $ stands for the token
}

var places = []place{
	{"X-API-Key", "X-API-Key", ""},
	{"x-api-key, twice in one line", "x-api-key", "$, "},
	{"X-API-Key with Bearer", "X-API-Key", "Bearer "},
	{"api-key", "api-key", ""},
	{"Api-Key with Bearer", "Api-Key", "bearer "},
	{"Bearer", "Authorization", "Bearer "},
	{"Bearer twice", "authorization", "Bearer Bearer "},
	{"Authorization without a scheme", "Authorization", ""},
	{"Bearer after Basic", "AUTHORIZATION", "Basic dXNlcjpwYXNz, Bearer "},
	{"Bearer, two tokens in one line", "Authorization", "Bearer $, Bearer "},
	{"query", "", ""},
	{"query with Bearer", "", "Bearer "},
}

func (p place) value(token string) string { return strings.ReplaceAll(p.before, "$", token) + token }

// The same token in any two places is one token. A text that cannot be a token is ignored in each of
// them. The gate decides which of two texts is a token.
func TestATokenMayStandInTwoPlaces(t *testing.T) {
	format := newFormat(t)
	one, two := format.Credential(token), format.Credential(token, otherToken)
	for _, first := range places {
		for _, second := range places {
			for _, c := range []struct {
				beside string
				want   apikey.Credential
			}{
				{token, one}, {"", one}, {"dummy", one}, {"undefined", one},
				{jwt, one}, {strings.Repeat("ya29.", 30), one},
				{otherToken, two},
			} {
				headers, single, query := map[string][]string{}, map[string]string{}, []string{}
				for i, p := range []place{first, second} {
					value := p.value([]string{token, c.beside}[i])
					if p.header == "" {
						query = append(query, value)
						continue
					}
					headers[p.header] = append(headers[p.header], value)
					single[p.header] = value
				}
				event, err := json.Marshal(map[string]any{
					"methodArn": methodArn + "GET/", "headers": single, "multiValueHeaders": headers,
					"multiValueQueryStringParameters": map[string][]string{"api_key": query},
				})
				if err != nil {
					t.Fatal(err)
				}
				j := says(apikey.CodeValid)
				decision(t, j, string(event), nil)
				got := j.asked.Credential
				inOtherOrder := c.beside == otherToken && got.Equal(format.Credential(otherToken, token))
				if !j.wasAsked() || !got.Equal(c.want) && !inOtherOrder {
					t.Errorf("a token as %s beside %q as %s: another credential than wanted", first.name, c.beside, second.name)
				}
			}
		}
	}
}

// API Gateway has one answer for all refusals, so the log alone says why a request has no token.
func TestTheLogSaysWhyThereIsNoToken(t *testing.T) {
	for _, c := range []struct{ headers, why string }{
		{``, "no key was sent"},
		{`"X-API-Key":[""]`, "no key was sent"},
		{`"Authorization":["Basic dXNlcjpjYW5hcnk="]`, "Authorization has another scheme than Bearer"},
		{`"authorization":["Token canary"]`, "Authorization has another scheme than Bearer"},
		{`"Authorization":["AWS4-HMAC-SHA256 Credential=canary"]`, "Authorization has another scheme than Bearer"},
		{`"Authorization":["Bearer"]`, "Authorization has the scheme Bearer and no key"},
		{`"Authorization":["Bearer  "]`, "Authorization has the scheme Bearer and no key"},
		{`"Authorization":["Bearer ` + jwt + `"]`,
			"Authorization has a JSON Web Token, which is no key, and no user may come with one here"},
		{`"X-API-Key":["` + jwt + `"]`, "X-API-Key or Api-Key has a JSON Web Token, which is no key"},
	} {
		var log bytes.Buffer
		event := request("GET/v1/models", `"type":"REQUEST","multiValueHeaders":{`+c.headers+`}`)
		_, _ = newAuthorizer(t, says(apikey.CodeMissing), &log, nil).Invoke(t.Context(), []byte(event))
		var line struct{ Code, Why string }
		unmarshal(t, log.Bytes(), &line)
		if line.Code != string(apikey.CodeMissing) || line.Why != c.why {
			t.Errorf("%s: log %s, want %q", c.headers, log.String(), c.why)
		}
		for _, part := range []string{"canary", "eyJ", "dXNl"} {
			if strings.Contains(log.String(), part) {
				t.Errorf("%s: the log repeats the header: %s", c.headers, log.String())
			}
		}
	}
}

func TestTheSourceIsCountedFromTheRight(t *testing.T) {
	for _, c := range []struct {
		hops      int
		forwarded string
		want      string // "" if unknown
	}{
		{0, `["9.9.9.9, 10.0.0.1"]`, "203.0.113.7"},
		{1, `["9.9.9.9, 198.51.100.1, 203.0.113.7"]`, "198.51.100.1"},
		{1, `["9.9.9.9, 198.51.100.1","203.0.113.7"]`, "198.51.100.1"},
		{2, `["203.0.113.7"]`, ""},
		{1, `["junk, 203.0.113.7"]`, ""},
	} {
		j := says(apikey.CodeValid)
		event := request("GET/", `"multiValueHeaders":{"X-Forwarded-For":`+c.forwarded+`},
			"requestContext":{"identity":{"sourceIp":"203.0.113.7"}}`)
		decision(t, j, event, func(o *admission.Options) { o.TrustedProxyHops = c.hops })
		want, _ := netip.ParseAddr(c.want)
		if !j.wasAsked() || j.asked.Source != want {
			t.Errorf("%d hops, %s: %v, want %q", c.hops, c.forwarded, j.asked.Source, c.want)
		}
	}
}
