package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/danielgtaylor/huma/v2"
)

const documentPath = "/openapi.json"

// document serves the OpenAPI document, with the place that it was read from as
// the server: its paths do not have the stage.
func document(of *huma.OpenAPI) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _ := core.GetAPIGatewayContextFromContext(r.Context())
		server := huma.Server{URL: strings.TrimSuffix(c.Path, documentPath), Description: "Where this document was read from"}
		if server.URL == "" {
			server.URL = "/"
		}
		own := *of
		own.Servers = []*huma.Server{&server}
		text, err := json.Marshal(&own)
		if err != nil {
			panic(err) // it has nothing in it that could not be written
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(text) // whoever has gone does not read it
	}
}
