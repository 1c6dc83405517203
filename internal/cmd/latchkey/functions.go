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

	"latchkey/internal/config"
	"latchkey/internal/instance"
	"latchkey/internal/instance/edge"
	"latchkey/internal/instance/site"
	"latchkey/internal/instance/web"
	"latchkey/internal/local"
	"latchkey/internal/local/sam"
)

// maxInstances is the highest number of instances of one function.
const maxInstances = 64

// newGateway returns a gateway with the three functions, which it builds as their mains do. An error
// in the configuration shows here, and not at the first request.
func newGateway(ctx context.Context, t *sam.Template, c config.Config, logger *slog.Logger) (http.Handler, error) {
	pools := make(map[string]*local.Pool)
	for id, handler := range map[string]func(*instance.Instance) lambda.Handler{
		"AuthorizerFunction": edge.Authorizer,
		"ValidateFunction":   web.Validate,
		"KeysFunction":       site.Keys,
	} {
		logger, c := logger.With("function", id), c
		c.Service = cmp.Or(c.Service, strings.ToLower(strings.TrimSuffix(id, "Function")))
		if _, err := newInstance(ctx, c, account{}, logger); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		pools[id] = local.NewPool(func() lambda.Handler {
			i, err := newInstance(ctx, c, account{}, logger)
			if err != nil {
				panic(err) // the same call succeeded before, and makes no request that could fail
			}
			logger.Debug("instance started")
			return ending{handler(i), i}
		}, maxInstances)
	}
	return local.NewGateway(t, pools, time.Now, logger)
}

// ending is a handler that closes its instance when it ends.
type ending struct {
	lambda.Handler
	instance *instance.Instance
}

// Close closes the instance.
func (e ending) Close() { e.instance.Close() }
