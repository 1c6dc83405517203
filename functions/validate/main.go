// Command validate judges the API key in a request body. It is the API of command keys without the
// management of keys, under a role that may only judge.
package main

import (
	"time"

	"latchkey/internal/instance"
	"latchkey/internal/instance/web"
)

func main() { instance.Run("validate", time.Now, web.Validate) }
