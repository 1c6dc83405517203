// Command keys manages API keys, tells callers who they are, and answers health and the OpenAPI
// document.
package main

import (
	"time"

	"latchkey/internal/instance"
	"latchkey/internal/instance/web"
)

func main() { instance.Run("keys", time.Now, web.Keys) }
