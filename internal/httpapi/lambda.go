package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"latchkey/internal/apikey"
)

// Lambda makes a handler of API Gateway's proxy events. It answers every event
// with a response, never with an error: API Gateway would show that as its own.
func Lambda(h http.Handler, logger *slog.Logger) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	adapter := httpadapter.New(h)
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		event.Path = routed(event)
		if event.HTTPMethod == "" || event.Path == "" {
			logger.LogAttrs(ctx, slog.LevelError, "request", slog.Int("status", http.StatusBadRequest), slog.String("code", string(apikey.CodeMalformedEvent)),
				slog.String("event", "not a request of a REST API"), slog.String("set", setAsProxy))
			return malformed()
		}
		err := readable(event)
		var response events.APIGatewayProxyResponse
		if err == nil {
			response, err = adapter.ProxyWithContext(ctx, event)
		}
		if err != nil {
			logger.LogAttrs(ctx, slog.LevelInfo, "request", slog.Int("status", http.StatusBadRequest), slog.String("code", string(apikey.CodeMalformedEvent)))
			return malformed()
		}
		if event.HTTPMethod == http.MethodHead {
			response.Body, response.IsBase64Encoded = "", false // which net/http would have left out
		}
		return response, nil
	}
}

// setAsProxy is for the log: nothing but API Gateway can call these functions.
const setAsProxy = "invoke this function through a REST API by AWS_PROXY, or an HTTP API with payload format 1.0; it needs no schedule and no warming"

// routed is the path of an event's route: its resource, with the parameters of the path in it. With a custom domain the
// event's own path begins with the base path, which no route has. Without a resource that path is all there is.
func routed(event events.APIGatewayProxyRequest) string {
	if event.Resource == "" || event.Resource == event.Path {
		return event.Path
	}
	segments := strings.Split(event.Resource, "/")
	for i, segment := range segments {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		value, ok := event.PathParameters[strings.Trim(segment, "{}")]
		if !ok || value == "" {
			return event.Path // and no resource of ours has {name+}
		}
		// API Gateway passes a parameter on as it came, escaped. One that is not stays one segment all the same.
		if _, err := url.PathUnescape(value); err != nil || strings.ContainsAny(value, "/?# ") {
			value = url.PathEscape(value)
		}
		segments[i] = value
	}
	return strings.Join(segments, "/")
}

const plainPath = "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// readable reports whether the adapter can make a request of an event. Where it
// cannot, it would print why, with what was sent, to the standard log.
func readable(event events.APIGatewayProxyRequest) error {
	if event.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(event.Body); err != nil {
			return err
		}
	}
	if event.HTTPMethod == http.MethodGet || event.HTTPMethod == http.MethodPost {
		if strings.Trim(event.Path, plainPath) == "" {
			return nil // nothing in it could be taken for anything else
		}
	}
	_, err := http.NewRequest(event.HTTPMethod, "https://host"+event.Path, nil)
	return err
}

// malformed is for an event that cannot be made a request of. Why is not said:
// the reason could repeat what was sent.
func malformed() (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(newError(apikey.CodeInvalidRequest, "", "The request cannot be read"))
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusBadRequest,
		Headers:    map[string]string{"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
		Body:       string(body),
	}, nil
}
