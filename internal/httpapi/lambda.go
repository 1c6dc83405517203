package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"latchkey/internal/apikey"
)

// Function is a Lambda function for API Gateway's proxy events. It implements lambda.Handler.
type Function func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

// Invoke decodes an event, and encodes the response. lambda.NewHandler would do the same with
// encoding/json, which takes a third of the whole time of a request. A payload that is no event of a
// proxy is answered as an empty event is.
func (f Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event, err := readEvent(payload)
	if err != nil {
		event = events.APIGatewayProxyRequest{}
	}
	response, err := f(ctx, event)
	if err != nil {
		return nil, err
	}
	return writeResponse(&response), nil
}

// Lambda makes a Lambda function of a handler. The function answers every event with a response and
// never returns an error, since API Gateway would answer an error with a text of its own. corsOrigin
// must equal the CORSOrigin of the handler's [Options], and folders are the paths of its pages.
func Lambda(h http.Handler, logger *slog.Logger, corsOrigin string, folders ...string) Function {
	malformedEvent := func(ctx context.Context, level slog.Level, details ...slog.Attr) {
		logger.LogAttrs(ctx, level, "request", append([]slog.Attr{
			slog.Int("status", http.StatusBadRequest), slog.String("code", string(apikey.CodeMalformedEvent)),
		}, details...)...)
	}
	adapter := httpadapter.New(h)
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		event.Path = routed(event, folders)
		if event.HTTPMethod == "" || event.Path == "" {
			malformedEvent(ctx, slog.LevelError,
				slog.String("event", "not a request of a REST API"), slog.String("set", setAsProxy))
			return malformed(corsOrigin)
		}
		err := readable(event)
		var response events.APIGatewayProxyResponse
		if err == nil {
			response, err = adapter.ProxyWithContext(ctx, event)
		}
		if err != nil {
			malformedEvent(ctx, slog.LevelInfo)
			return malformed(corsOrigin)
		}
		if event.HTTPMethod == http.MethodHead {
			response.Body, response.IsBase64Encoded = "", false // as net/http does
		}
		return response, nil
	}
}

// setAsProxy tells an operator, in the log, how to invoke the function.
const setAsProxy = "invoke this function through a REST API by AWS_PROXY, or an HTTP API with payload format 1.0; " +
	"it needs no schedule and no warming"

// routed returns the path of an event's route: its resource, with the values of the path's
// parameters. With a custom domain, the event's own path begins with the base path, which no route
// has. An event without a resource has only that path.
//
// API Gateway ignores a slash at the end of a path when it looks for the resource. A folder of pages
// keeps this slash, because browsers resolve relative URLs by it.
func routed(event events.APIGatewayProxyRequest, folders []string) string {
	if event.Resource == "" || event.Resource == event.Path {
		return event.Path
	}
	if slices.Contains(folders, event.Resource) && strings.HasSuffix(event.Path, "/") {
		return event.Resource + "/"
	}
	segments := strings.Split(event.Resource, "/")
	for i, segment := range segments {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		value, ok := event.PathParameters[strings.Trim(segment, "{+}")]
		if !ok || value == "" {
			return event.Path
		}
		if strings.HasSuffix(segment, "+}") {
			parts := strings.Split(value, "/")
			for j, part := range parts {
				parts[j] = escaped(part)
			}
			segments[i] = strings.Join(parts, "/")
			continue
		}
		segments[i] = escaped(value)
	}
	return strings.Join(segments, "/")
}

// escaped returns a path parameter as one segment of a path. API Gateway passes a parameter on as the
// caller wrote it, escaped or not.
func escaped(value string) string {
	if _, err := url.PathUnescape(value); err != nil || strings.ContainsAny(value, "/?# ") {
		return url.PathEscape(value)
	}
	return value
}

const plainPath = "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// readable returns an error if the adapter cannot make a request of an event. The adapter itself
// would print the reason, with the content of the event, to the standard log.
func readable(event events.APIGatewayProxyRequest) error {
	if event.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(event.Body); err != nil {
			return err
		}
	}
	if event.HTTPMethod == http.MethodGet || event.HTTPMethod == http.MethodPost {
		if strings.Trim(event.Path, plainPath) == "" {
			return nil // the path is plain
		}
	}
	_, err := http.NewRequest(event.HTTPMethod, "https://host"+event.Path, nil)
	return err
}

// malformed returns the response to an event that cannot be made a request. It does not tell the
// reason, which could repeat the content of the event.
func malformed(corsOrigin string) (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(newError(apikey.CodeInvalidRequest, "", "The request cannot be read"))
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	headers := map[string]string{"Content-Type": mediaJSON}
	if corsOrigin != "" {
		headers["Access-Control-Allow-Origin"] = corsOrigin
	}
	return events.APIGatewayProxyResponse{StatusCode: http.StatusBadRequest, Headers: headers, Body: string(body)}, nil
}
