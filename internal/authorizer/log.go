package authorizer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// malformed logs the kind of a payload that is no authorizer event, and returns the error for
// it.
func (a *Authorizer) malformed(ctx context.Context, payload []byte) error {
	m := classify(payload)
	a.door.Logger.LogAttrs(ctx, slog.LevelError, "malformed event",
		slog.String("event", m.kind), slog.String("set", m.set))
	return errEvent
}

// panicked logs a panic, and returns the error for it. A value in the panic could be a secret, so
// the line has only the panic's type, or the text of a runtime error.
func (a *Authorizer) panicked(ctx context.Context, cause any) error {
	description := fmt.Sprintf("%T", cause)
	if err, ok := cause.(runtime.Error); ok {
		description = err.Error()
	}
	a.door.Logger.ErrorContext(ctx, "panic", "cause", description, "stack", string(debug.Stack()))
	return errUnavailable
}

// QuietWriter drops the lines in which aws-lambda-go repeats errors that Invoke has logged, and
// writes all other lines. The main function must pass it to [log.SetOutput]. aws-lambda-go prints
// every error of a handler with the standard logger, and has no option against it. Its fatal errors
// and the stacks of panics go the same way, so the logger cannot be silenced as a whole.
type QuietWriter struct{ io.Writer }

// Write drops the line if it repeats an error of Invoke.
func (w QuietWriter) Write(line []byte) (int, error) {
	for _, err := range []error{ErrUnauthorized, errUnavailable, errEvent} {
		if bytes.Contains(line, []byte(`{"errorMessage":"`+err.Error()+`"`)) {
			return len(line), nil
		}
	}
	return w.Writer.Write(line)
}
