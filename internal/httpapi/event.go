package httpapi

import (
	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/jsonio"
)

// textsOfEvent is how many texts an event usually has twice, such as those of its headers.
const textsOfEvent = 32

// readEvent reads the event of a proxy. Names in it are matched exactly.
func readEvent(payload []byte) (events.APIGatewayProxyRequest, error) {
	var e events.APIGatewayProxyRequest
	r := jsonio.NewReader(textsOfEvent)
	r.Reset(payload)
	r.Object(func(name []byte) {
		switch string(name) {
		case "resource":
			r.String(&e.Resource)
		case "path":
			r.String(&e.Path)
		case "httpMethod":
			r.String(&e.HTTPMethod)
		case "headers":
			e.Headers = r.Texts()
		case "multiValueHeaders":
			e.MultiValueHeaders = r.Lists()
		case "queryStringParameters":
			e.QueryStringParameters = r.Texts()
		case "multiValueQueryStringParameters":
			e.MultiValueQueryStringParameters = r.Lists()
		case "pathParameters":
			e.PathParameters = r.Texts()
		case "stageVariables":
			e.StageVariables = r.Texts()
		case "requestContext":
			readContext(r, &e.RequestContext)
		case "body":
			r.String(&e.Body)
		case "isBase64Encoded":
			r.Bool(&e.IsBase64Encoded)
		default:
			r.Value()
		}
	})
	return e, r.End()
}

func readContext(r *jsonio.Reader, c *events.APIGatewayProxyRequestContext) {
	r.Object(func(name []byte) {
		switch string(name) {
		case "accountId":
			r.String(&c.AccountID)
		case "resourceId":
			r.String(&c.ResourceID)
		case "operationName":
			r.String(&c.OperationName)
		case "stage":
			r.String(&c.Stage)
		case "domainName":
			r.String(&c.DomainName)
		case "domainPrefix":
			r.String(&c.DomainPrefix)
		case "requestId":
			r.String(&c.RequestID)
		case "extendedRequestId":
			r.String(&c.ExtendedRequestID)
		case "protocol":
			r.String(&c.Protocol)
		case "identity":
			readIdentity(r, &c.Identity)
		case "resourcePath":
			r.String(&c.ResourcePath)
		case "path":
			r.String(&c.Path)
		case "authorizer":
			c.Authorizer = r.Values()
		case "httpMethod":
			r.String(&c.HTTPMethod)
		case "requestTime":
			r.String(&c.RequestTime)
		case "requestTimeEpoch":
			r.Integer(&c.RequestTimeEpoch)
		case "apiId":
			r.String(&c.APIID)
		default:
			r.Value()
		}
	})
}

// readIdentity reads the part of an identity that the API uses.
func readIdentity(r *jsonio.Reader, i *events.APIGatewayRequestIdentity) {
	r.Object(func(name []byte) {
		switch string(name) {
		case "sourceIp":
			r.String(&i.SourceIP)
		case "userAgent":
			r.String(&i.UserAgent)
		default:
			r.Value()
		}
	})
}

// writeResponse returns a response as the answer to a proxy event.
func writeResponse(response *events.APIGatewayProxyResponse) []byte {
	w := make(jsonio.Writer, 0, len(response.Body)+len(response.Body)/4+responseSize)
	w.Begin()
	w.Integer("statusCode", int64(response.StatusCode))
	w.Texts("headers", response.Headers)
	w.Lists("multiValueHeaders", response.MultiValueHeaders)
	w.Text("body", response.Body)
	w.Bool("isBase64Encoded", response.IsBase64Encoded)
	w.End()
	return w
}

// responseSize is more than a response usually needs besides its body, in bytes.
const responseSize = 1 << 10
