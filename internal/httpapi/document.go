package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
)

// document serves the OpenAPI document, with the place that it was read from as
// the server: its paths do not have the stage. The rest is written once, since it
// takes milliseconds and anybody may ask.
func document(of *huma.OpenAPI) http.HandlerFunc {
	rest := sync.OnceValue(func() []byte {
		addExamples(of)
		text, err := json.Marshal(of)
		if err != nil {
			panic(err) // it has nothing in it that could not be written
		}
		return text[1:]
	})
	return func(w http.ResponseWriter, r *http.Request) {
		c, _ := core.GetAPIGatewayContextFromContext(r.Context())
		server := huma.Server{URL: strings.TrimSuffix(c.Path, api.DocumentPath), Description: "Where this document was read from"}
		if server.URL == "" {
			server.URL = "/"
		}
		own, err := json.Marshal(&server)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = fmt.Fprintf(w, `{"servers":[%s],%s`, own, rest()) // whoever has gone does not read it
	}
}
