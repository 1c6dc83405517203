package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"latchkey/internal/local"
	"latchkey/internal/smoke"
)

func echoCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "echo",
		Short: "Answer each request with what it has",
		Long: `Serves an API that answers each request with the method, path, headers and body
that it received, as JSON. As the API at a stack's BackendUrl it shows what API
Gateway makes of a request: latchkey smoke --echo asks it.

An answer repeats all headers to their sender, and the server keeps nothing.
Anybody who reaches it may use it, so end it after the check.`,
		Example: `  latchkey echo --listen 127.0.0.1:8080
  latchkey echo --listen 0.0.0.0:8080`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			fmt.Fprintf(c.OutOrStdout(), "echo at http://%s\n", listener.Addr())
			return local.Serve(c.Context(), listener, &smoke.Echo{})
		},
	}
	textFlag(c.Flags(), &listen, "listen", "127.0.0.1:8080", "`ADDRESS` and port to listen on", checkListen)
	return c
}

func checkListen(text string) error {
	if _, port, err := net.SplitHostPort(text); err != nil || port == "" {
		return errors.New("must be an address and a port, such as 127.0.0.1:8080")
	}
	return nil
}
