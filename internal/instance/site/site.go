// Package site adds the console and the manual to the HTTP API of an instance. Of the functions, only
// the keys function has it, because parsing Markdown costs a function half a millisecond at its start.
package site

import (
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/api"
	"latchkey/internal/config"
	"latchkey/internal/console"
	"latchkey/internal/docs"
	"latchkey/internal/instance"
	"latchkey/internal/instance/web"
	"latchkey/internal/manual"
)

// Keys returns the function of the whole API, with the console and the manual.
func Keys(i *instance.Instance) lambda.Handler { return web.Keys(i, pages(i.Config)) }

// Handler returns the handler of the whole API, with the console and the manual.
func Handler(i *instance.Instance) http.Handler { return web.Handler(i, pages(i.Config)) }

// pages returns the console and the manual by their mounts: at the root, and below latchkey's own
// prefix. The template decides to which of them API Gateway leads.
func pages(c config.Config) map[string]http.Handler {
	all, audience := make(map[string]http.Handler), ""
	if len(c.Audiences) > 0 {
		audience = c.Audiences[0]
	}
	for _, prefix := range []string{"", api.OwnPrefix} {
		all[prefix+console.Mount] = console.New(console.Options{
			Prefix: prefix, Issuers: c.Issuers, ClientID: c.ConsoleClientID, Audience: audience,
		})
		all[prefix+manual.Mount] = manual.New(manual.Options{
			Prefix: prefix, Text: docs.Files, Libraries: console.Libraries(),
		})
	}
	return all
}
