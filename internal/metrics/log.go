package metrics

import (
	"context"
	"log/slog"
)

// coldStart is the key of a context's value that is true in an instance's first invocation.
type coldStart struct{}

// Log returns a logger whose lines name the service, and say whether they belong to an instance's
// first invocation.
func Log(h slog.Handler, service string) *slog.Logger {
	return slog.New(starting{h}).With("service", service)
}

// starting adds cold_start to each line.
type starting struct{ slog.Handler }

func (s starting) Handle(ctx context.Context, r slog.Record) error {
	cold, _ := ctx.Value(coldStart{}).(bool)
	r.AddAttrs(slog.Bool("cold_start", cold))
	return s.Handler.Handle(ctx, r)
}

func (s starting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return starting{s.Handler.WithAttrs(attrs)}
}
func (s starting) WithGroup(name string) slog.Handler { return starting{s.Handler.WithGroup(name)} }
