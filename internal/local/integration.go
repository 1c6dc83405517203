package local

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"latchkey/internal/jsonio"
)

// invoke runs a function with its own timeout. As on Lambda, the function runs to its end when the
// caller hangs up.
func (g *Gateway) invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.template.Timeouts[function])
	defer cancel()
	return g.functions[function].Invoke(ctx, event)
}

// integrate runs a route's function and passes its answer on. If it returns an error, it has
// written nothing.
func (g *Gateway) integrate(x *exchange, function string, event []byte) error {
	payload, err := g.invoke(x.r.Context(), function, event)
	if err != nil {
		return err
	}
	answer, err := readResponse(payload)
	if err != nil {
		return fmt.Errorf("malformed proxy response: %w", err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 599 {
		return fmt.Errorf("malformed proxy response: status %d", answer.StatusCode)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
			return fmt.Errorf("malformed proxy response: body: %w", err)
		}
	}
	header := x.w.Header()
	header.Set("Content-Type", "application/json")
	remap(header, merged(answer))
	x.w.WriteHeader(answer.StatusCode)
	_, _ = x.w.Write(body) // fails if the caller has gone
	return nil
}

// listsOfAnswer is how many headers an answer usually has.
const listsOfAnswer = 16

// readResponse reads the answer of a function.
func readResponse(payload []byte) (events.APIGatewayProxyResponse, error) {
	var response events.APIGatewayProxyResponse
	status := int64(0)
	r := jsonio.NewReader(listsOfAnswer)
	r.Reset(payload)
	r.Object(func(name []byte) {
		switch string(name) {
		case "statusCode":
			r.Integer(&status)
		case "headers":
			response.Headers = r.Scalars()
		case "multiValueHeaders":
			response.MultiValueHeaders = r.Lists()
		case "body":
			r.String(&response.Body)
		case "isBase64Encoded":
			r.Bool(&response.IsBase64Encoded)
		default:
			r.Value()
		}
	})
	response.StatusCode = int(status)
	return response, r.End()
}

// merged returns the headers of Headers and MultiValueHeaders. Those of latchkey's functions are all in
// MultiValueHeaders, and merged then returns that map.
func merged(answer events.APIGatewayProxyResponse) map[string][]string {
	canonical := true
	for name := range answer.MultiValueHeaders {
		canonical = canonical && textproto.CanonicalMIMEHeaderKey(name) == name
	}
	if canonical && len(answer.Headers) == 0 {
		return answer.MultiValueHeaders
	}
	headers := make(map[string][]string)
	for name, values := range answer.MultiValueHeaders {
		name = textproto.CanonicalMIMEHeaderKey(name)
		headers[name] = append(headers[name], values...)
	}
	for name, value := range answer.Headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if !slices.Contains(headers[name], value) {
			headers[name] = append(headers[name], value)
		}
	}
	return headers
}
