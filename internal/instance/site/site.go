// Package site adds the console and the manual to the HTTP API of an instance. Only the keys function
// has it, because parsing Markdown costs a function half a millisecond at its start.
package site

import (
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"latchkey/internal/console"
	"latchkey/internal/docs"
	"latchkey/internal/instance"
	"latchkey/internal/instance/web"
	"latchkey/internal/manual"
)

// Keys returns the handler of the whole API, with the console and the manual.
func Keys(i *instance.Instance) lambda.Handler {
	return web.Keys(i, map[string]http.Handler{
		console.Mount: console.New(console.Options{Issuers: i.Config.Issuers, ClientID: i.Config.ConsoleClientID}),
		manual.Mount:  manual.New(manual.Options{Text: docs.Files, Libraries: console.Libraries()}),
	})
}
