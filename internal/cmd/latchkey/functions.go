package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/authorizer"
	"latchkey/internal/config"
	"latchkey/internal/instance"
	"latchkey/internal/httpapi"
	"latchkey/internal/local"
	"latchkey/internal/local/sam"
	"latchkey/internal/oidc"
)

// maxInstances is the highest number of instances of one function.
const maxInstances = 64

// newGateway returns a gateway with the three functions, which it builds as their mains do. An error
// in the configuration shows here, and not at the first request.
func newGateway(ctx context.Context, t *sam.Template, c config.Config, logger *slog.Logger) (http.Handler, error) {
	build := map[string]func(*instance.Instance, *slog.Logger) lambda.Handler{
		"AuthorizerFunction": func(e *instance.Instance, logger *slog.Logger) lambda.Handler {
			return authorizer.New(authorizer.Options{
				Gate: e.Gate, Format: e.Format, Routes: e.Routes, Public: e.Public, Anonymous: !c.RequireAuth,
				Users: oidc.New(oidc.Options{
					Issuers: c.Issuers, Audiences: c.Audiences, AdminClaim: c.AdminClaim, Now: time.Now,
				}),
				TrustedProxyHops: c.TrustedProxyHops, QueryAPIKey: c.QueryAPIKey, Logger: logger,
			})
		},
		"ValidateFunction": func(e *instance.Instance, logger *slog.Logger) lambda.Handler {
			return serveHTTP(httpapi.Options{
				Gate: e.Gate, Format: e.Format, Health: e.Table.Health, Now: time.Now, Logger: logger,
				QueryAPIKey: c.QueryAPIKey, UnlimitedNumbers: c.UnlimitedNumbers,
			})
		},
		"KeysFunction": func(e *instance.Instance, logger *slog.Logger) lambda.Handler {
			return serveHTTP(httpapi.Options{
				Gate: e.Gate, Registry: e.Registry, Format: e.Format, Health: e.Table.Health, Now: time.Now, Logger: logger,
				Explain: e.Gate.Explain, Routes: e.Routes, Public: e.Public, TrustedProxyHops: c.TrustedProxyHops,
				QueryAPIKey: c.QueryAPIKey, UnlimitedNumbers: c.UnlimitedNumbers,
			})
		},
	}
	pools := make(map[string]*local.Pool)
	for id, handler := range build {
		logger, c := logger.With("function", id), c
		c.Service = cmp.Or(c.Service, strings.ToLower(strings.TrimSuffix(id, "Function")))
		start := func() (lambda.Handler, error) {
			e, err := newInstance(ctx, c, logger)
			if err != nil {
				return nil, err
			}
			return handler(e, logger), nil
		}
		if _, err := start(); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		pools[id] = local.NewPool(func() lambda.Handler {
			h, err := start()
			if err != nil {
				panic(err) // the same call succeeded before, and makes no request that could fail
			}
			logger.Debug("instance started")
			return h
		}, maxInstances)
	}
	return local.NewGateway(t, pools, time.Now, logger)
}

// serveHTTP returns a handler of proxy events for the API with options o.
func serveHTTP(o httpapi.Options) lambda.Handler {
	return lambda.NewHandler(httpapi.Lambda(httpapi.New(o), o.Logger))
}
