// Command authorizer is the API Gateway REQUEST authorizer.
package main

import (
	"log"
	"os"
	"time"

	"latchkey/internal/authorizer"
	"latchkey/internal/instance"
	"latchkey/internal/instance/edge"
)

func main() {
	log.SetOutput(authorizer.QuietWriter{Writer: os.Stderr})
	instance.Run("authorizer", time.Now, edge.Authorizer, authorizer.ErrUnauthorized)
}
