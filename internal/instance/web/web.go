// Package web makes the HTTP API of an instance.
package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/httpapi"
	"latchkey/internal/instance"
	"latchkey/internal/leaks"
)

// Keys returns the function of the whole API; see [Handler].
func Keys(i *instance.Instance, pages map[string]http.Handler) lambda.Handler {
	return serve(i, managing(i, pages))
}

// Handler returns the handler of the whole API, which manages keys and judges them. pages are the web
// pages beside it, by their mounts.
func Handler(i *instance.Instance, pages map[string]http.Handler) http.Handler {
	return httpapi.New(managing(i, pages))
}

func managing(i *instance.Instance, pages map[string]http.Handler) httpapi.Options {
	o := judging(i)
	o.Registry, o.Explain, o.PublicKeys = i.Registry, i.Gate.Explain, i.Published
	o.Routes, o.Costs, o.Public = i.Routes, i.Costs, i.Public
	o.Pages = pages
	if url := i.Config.LeakKeysURL; url != "" {
		o.Reports = leaks.New(leaks.Options{URL: url, Now: i.Now})
	}
	if c := i.Config; c.UpstreamURL != "" {
		o.AskedElsewhere = func(token string) bool { return strings.HasPrefix(token, c.UpstreamPrefix) }
	}
	return o
}

// Validate returns the handler of the part of the API that judges keys. It cannot manage them.
func Validate(i *instance.Instance) lambda.Handler { return serve(i, judging(i)) }

func judging(i *instance.Instance) httpapi.Options {
	return httpapi.Options{
		Gate: i.Gate, Door: i.Door(nil), ForwardAudience: i.Config.ForwardAudience,
		Format: i.Format, Health: i.Table.Health, Now: i.Now, Logger: i.Logger,
		QueryAPIKey: i.Config.QueryAPIKey, UnlimitedNumbers: i.Config.UnlimitedNumbers, CORSOrigin: i.Config.CORSOrigin,
		TrustedProxyHops: i.Config.TrustedProxyHops,
	}
}

func serve(i *instance.Instance, o httpapi.Options) lambda.Handler {
	return httpapi.Lambda(httpapi.New(o), i.Logger, o.CORSOrigin, slices.Collect(maps.Keys(o.Pages))...)
}
