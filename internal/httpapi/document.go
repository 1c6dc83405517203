package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/danielgtaylor/huma/v2"

	"latchkey/internal/api"
)

// document serves the OpenAPI document. Its server is the address that it was read from, because
// its paths do not have the stage. The rest is encoded once, since that takes milliseconds and
// anyone may ask.
func document(of *huma.OpenAPI) http.HandlerFunc {
	rest := sync.OnceValue(func() []byte {
		addExamples(of)
		text, err := json.Marshal(of)
		if err != nil {
			panic(err) // cannot happen: every value can be encoded
		}
		return text[1:]
	})
	return func(w http.ResponseWriter, r *http.Request) {
		c, _ := core.GetAPIGatewayContextFromContext(r.Context())
		server := huma.Server{
			URL:         cmp.Or(strings.TrimSuffix(c.Path, api.DocumentPath), "/"),
			Description: "Where this document was read from",
		}
		own, err := json.Marshal(&server)
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = fmt.Fprintf(w, `{"servers":[%s],%s`, own, rest()) // fails if the caller has gone
	}
}
