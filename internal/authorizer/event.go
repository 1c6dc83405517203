package authorizer

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"

	"latchkey/internal/apikey"
	"latchkey/internal/routes"
)

// event is what is used of an API Gateway REQUEST authorizer event. The rest of
// it is skipped without being decoded.
type event struct {
	MethodArn         string  `json:"methodArn"`
	Resource          string  `json:"resource"`
	Headers           headers `json:"headers"`
	MultiValueHeaders headers `json:"multiValueHeaders"`
	Query             query   `json:"queryStringParameters"`
	MultiValueQuery   query   `json:"multiValueQueryStringParameters"`
	StageVariables    struct {
		Own string `json:"LATCHKEY_MANAGEMENT"`
	} `json:"stageVariables"`
	RequestContext struct {
		RequestTimeEpoch int64 `json:"requestTimeEpoch"`
		Identity         struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
	} `json:"requestContext"`
}

// headers are found whatever the case of their names, as encoding/json does.
type headers struct {
	APIKey        values `json:"X-API-Key"`
	Authorization values `json:"Authorization"`
	ForwardedFor  values `json:"X-Forwarded-For"`
}

type query struct {
	APIKey values `json:"api_key"`
}

// values are all values of one name. They add up: a name that comes twice, in
// different case, must not hide one of its values.
type values []string

// UnmarshalJSON takes a text or a list of texts.
func (v *values) UnmarshalJSON(raw []byte) error {
	if text, ok := plain(raw); ok {
		*v = append(*v, text)
		return nil
	}
	if raw[0] == '[' {
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		*v = append(*v, list...)
		return nil
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	if text != nil {
		*v = append(*v, *text)
	}
	return nil
}

// plain reads what nearly all values are: one text, alone or as a list of one,
// without an escape.
func plain(raw []byte) (string, bool) {
	if raw[0] == '[' {
		raw = bytes.TrimSpace(raw[1 : len(raw)-1])
	}
	if len(raw) < 2 || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 || bytes.IndexByte(raw[1:], '"') != len(raw)-2 {
		return "", false
	}
	return string(raw[1 : len(raw)-1]), true
}

// userToken is the one JSON Web Token in Authorization. Two different ones are
// none, since nobody could tell which was meant.
func (e *event) userToken() string {
	found := ""
	for _, list := range [...]values{e.MultiValueHeaders.Authorization, e.Headers.Authorization} {
		for _, value := range list {
			token := apikey.FromAuthorization(value)
			if !apikey.IsJWT(token) || found != "" && found != token {
				return ""
			}
			found = token
		}
	}
	return found
}

// management reports whether the event is for a route of latchkey's own where a
// user may come in place of a key. Other APIs may name this authorizer and define
// the same resources, so that the stage must say that it is latchkey's. No caller
// has a say in either.
func (e *event) management() bool {
	return e.StageVariables.Own == "true" && (e.Resource == "/api/v1/whoami" || routes.Manages(e.Resource))
}

// route reads arn:aws:execute-api:region:account:api/stage/METHOD/path.
// One that cannot be read has no path, which no rule is for.
func (e *event) route() (method, path string) {
	_, rest, _ := strings.Cut(e.MethodArn, "/")
	_, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return "", ""
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return rest, "/"
	}
	return rest[:slash], rest[slash:]
}

// managesKeys reports whether the request is for one of those routes, but for
// whoami, which any key may ask.
func (e *event) managesKeys() bool { return e.management() && routes.Manages(e.Resource) }

// source is the caller's address. API Gateway appends the address that connected
// to X-Forwarded-For; each proxy of our own before it has appended one more.
func (e *event) source(hops int) netip.Addr {
	forwarded := e.MultiValueHeaders.ForwardedFor
	if len(forwarded) == 0 {
		forwarded = e.Headers.ForwardedFor
	}
	return apikey.Source(e.RequestContext.Identity.SourceIP, forwarded, hops)
}
