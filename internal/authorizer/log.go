package authorizer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"

	"latchkey/internal/apikey"
)

// refuse logs a refusal that needed no key, and returns the error for it.
func (a *Authorizer) refuse(ctx context.Context, e *event, code apikey.Code) error {
	a.Logger.LogAttrs(ctx, slog.LevelWarn, "refused", a.about(e, slog.String("code", string(code)))...)
	return ErrUnauthorized
}

// undecided logs why a request could not be judged, and returns the error for it.
func (a *Authorizer) undecided(ctx context.Context, e *event, err error) error {
	a.Logger.LogAttrs(ctx, slog.LevelError, "could not decide",
		a.about(e, slog.String("code", string(apikey.CodeUnavailable)), slog.Any("error", err))...)
	return errUnavailable
}

// about adds the attributes by which an operator finds a request: its route, its source and the ID
// that API Gateway gives to the caller. Path and query are left out, because they may contain a
// token. The access log has the same names.
func (a *Authorizer) about(e *event, attrs ...slog.Attr) []slog.Attr {
	source := ""
	if address := e.source(a.TrustedProxyHops); address.IsValid() {
		source = address.String()
	}
	for _, attr := range [...]slog.Attr{
		slog.String("method", e.method), slog.String("resource", e.resource),
		slog.String("sourceIp", source), slog.String("extendedRequestId", e.extendedID),
	} {
		if attr.Value.String() != "" {
			attrs = append(attrs, attr)
		}
	}
	return attrs
}

// malformed logs the kind of a payload that is no REQUEST authorizer event, and returns the error for
// it.
func (a *Authorizer) malformed(ctx context.Context, payload []byte) error {
	m := classify(payload)
	a.Logger.LogAttrs(ctx, slog.LevelError, "malformed event", slog.String("event", m.kind), slog.String("set", m.set))
	return errEvent
}

// panicked logs a panic, and returns the error for it. A value in the panic could be a secret, so
// the line has only the panic's type, or the text of a runtime error.
func (a *Authorizer) panicked(ctx context.Context, cause any) error {
	description := fmt.Sprintf("%T", cause)
	if err, ok := cause.(runtime.Error); ok {
		description = err.Error()
	}
	a.Logger.ErrorContext(ctx, "panic", "cause", description, "stack", string(debug.Stack()))
	return errUnavailable
}

// log writes a line for a verdict. A line for each allowed request would cost as much as the check
// itself, so those are at level DEBUG.
func (a *Authorizer) log(ctx context.Context, e *event, v apikey.Verdict) {
	level, message := slog.LevelWarn, "refused"
	if v.Valid() {
		level, message = slog.LevelDebug, "allowed"
	}
	if !a.Logger.Enabled(ctx, level) {
		return
	}
	attrs := a.about(e, slog.String("code", string(v.Code)))
	if v.Key != nil {
		attrs = append(attrs, slog.String("keyId", v.Key.ID))
	}
	if v.Code == apikey.CodeMissing {
		attrs = append(attrs, slog.String("why", e.whyMissing()))
	}
	a.Logger.LogAttrs(ctx, level, message, attrs...)
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
