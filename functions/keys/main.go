// Command keys manages API keys, tells callers who they are, and answers health and the OpenAPI
// document.
package main

import (
	"time"

	"latchkey/internal/instance"
	"latchkey/internal/instance/site"
)

func main() { instance.Run("keys", time.Now, site.Keys) }
