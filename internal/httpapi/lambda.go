package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// Lambda makes a handler of API Gateway's proxy events. It answers every event
// with a response, never with an error: API Gateway would show that as its own.
func Lambda(h http.Handler, logger *slog.Logger) func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	adapter := httpadapter.New(h)
	return func(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		err := readable(event)
		var response events.APIGatewayProxyResponse
		if err == nil {
			response, err = adapter.ProxyWithContext(ctx, event)
		}
		if err != nil {
			logger.LogAttrs(ctx, slog.LevelInfo, "request", slog.Int("status", http.StatusBadRequest), slog.String("code", "malformed_event"))
			return malformed()
		}
		return response, nil
	}
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
	body, err := json.Marshal(newError(http.StatusBadRequest, "", "The request cannot be read"))
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusBadRequest,
		Headers:    map[string]string{"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
		Body:       string(body),
	}, nil
}
