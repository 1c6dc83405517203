package local

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What an ARN has that only AWS could know.
const (
	accountID = "123456789012"
	apiID     = "local"
)

// request is what authorizer events and proxy events have in common.
type request struct {
	Resource              string              `json:"resource"`
	Path                  string              `json:"path"`
	HTTPMethod            string              `json:"httpMethod"`
	Headers               map[string]string   `json:"headers"`
	MultiValueHeaders     map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters map[string]string   `json:"queryStringParameters"`
	MultiValueQuery       map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters        map[string]string   `json:"pathParameters"`
	StageVariables        map[string]string   `json:"stageVariables"`
	RequestContext        requestContext      `json:"requestContext"`
}

type requestContext struct {
	ResourceID        string            `json:"resourceId"`
	Authorizer        map[string]string `json:"authorizer,omitempty"`
	ResourcePath      string            `json:"resourcePath"`
	HTTPMethod        string            `json:"httpMethod"`
	ExtendedRequestID string            `json:"extendedRequestId"`
	RequestTime       string            `json:"requestTime"`
	Path              string            `json:"path"`
	AccountID         string            `json:"accountId"`
	Protocol          string            `json:"protocol"`
	Stage             string            `json:"stage"`
	DomainPrefix      string            `json:"domainPrefix"`
	RequestTimeEpoch  int64             `json:"requestTimeEpoch"`
	RequestID         string            `json:"requestId"`
	Identity          identity          `json:"identity"`
	DomainName        string            `json:"domainName"`
	DeploymentID      string            `json:"deploymentId"`
	APIID             string            `json:"apiId"`
}

// identity is what API Gateway knows of the peer; what this one never knows is
// null, as there.
type identity struct {
	SourceIP                      string  `json:"sourceIp"`
	UserAgent                     *string `json:"userAgent"`
	AccessKey                     *string `json:"accessKey"`
	AccountID                     *string `json:"accountId"`
	Caller                        *string `json:"caller"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	User                          *string `json:"user"`
	UserARN                       *string `json:"userArn"`
}

type authorizerEvent struct {
	Type      string `json:"type"`
	MethodArn string `json:"methodArn"`
	request
}

type proxyEvent struct {
	request
	Body            *string `json:"body"`
	IsBase64Encoded bool    `json:"isBase64Encoded"`
}

func (g *Gateway) newRequest(r *http.Request, id, resource string, parameters map[string]string) request {
	peer, port := r.RemoteAddr, ""
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		peer = host
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(local.String()) // a listener without ports has none
	}
	headers := maps.Clone(map[string][]string(r.Header))
	headers["Host"] = []string{r.Host}
	headers["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(r.Header["X-Forwarded-For"]), peer), ", ")}
	headers["X-Forwarded-Port"] = []string{port}
	headers["X-Forwarded-Proto"] = []string{"http"}

	now := g.now().UTC()
	path := r.URL.EscapedPath()
	query := queryOf(r.URL.RawQuery)
	return request{
		Resource:              resource,
		Path:                  path,
		HTTPMethod:            r.Method,
		Headers:               lastValues(headers),
		MultiValueHeaders:     headers,
		QueryStringParameters: lastValues(query),
		MultiValueQuery:       nullIfEmpty(query),
		PathParameters:        parameters,
		StageVariables:        g.template.Variables,
		RequestContext: requestContext{
			ResourceID:        "000000",
			ResourcePath:      resource,
			HTTPMethod:        r.Method,
			ExtendedRequestID: newExtendedID(),
			RequestTime:       now.Format("02/Jan/2006:15:04:05 -0700"),
			Path:              path,
			AccountID:         accountID,
			Protocol:          r.Proto,
			Stage:             g.template.Stage,
			DomainPrefix:      apiID,
			RequestTimeEpoch:  now.UnixMilli(),
			RequestID:         id,
			DomainName:        r.Host,
			DeploymentID:      "000000",
			APIID:             apiID,
			Identity:          identity{SourceIP: peer, UserAgent: textOrNull(r.UserAgent())},
		},
	}
}

// newExtendedID returns an ID that only the gateway can have chosen. A client can choose requestId on AWS.
func newExtendedID() string {
	var b [11]byte
	rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

// queryOf returns the parameters of a query. None of them is left out, as net/url does with one that has a semicolon or
// a wrong escape: a backend is sent the query as it came, and the authorizer must have seen all of it.
func queryOf(raw string) map[string][]string {
	plain := func(text string) string {
		if unescaped, err := url.QueryUnescape(text); err == nil {
			return unescaped
		}
		return text
	}
	all := make(map[string][]string)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		all[plain(name)] = append(all[plain(name)], plain(value))
	}
	return all
}

func lastValues(values map[string][]string) map[string]string {
	var last map[string]string
	for name, all := range values {
		if last == nil {
			last = make(map[string]string)
		}
		last[name] = all[len(all)-1]
	}
	return last
}

func nullIfEmpty(values map[string][]string) map[string][]string {
	if len(values) == 0 {
		return nil
	}
	return values
}

func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
