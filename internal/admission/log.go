package admission

import (
	"context"
	"log/slog"

	"latchkey/internal/apikey"
)

// refuse logs a refusal that needed no key, and returns the decision.
func (d *Door) refuse(ctx context.Context, r *Request, code apikey.Code) Decision {
	d.Logger.LogAttrs(ctx, slog.LevelWarn, "refused", d.About(r, slog.String("code", string(code)))...)
	return Decision{Verdict: apikey.Verdict{Code: code}}
}

// undecided logs why a request could not be judged, and returns err.
func (d *Door) undecided(ctx context.Context, r *Request, err error) error {
	d.Logger.LogAttrs(ctx, slog.LevelError, "could not decide",
		d.About(r, slog.String("code", string(apikey.CodeUnavailable)), slog.Any("error", err))...)
	return err
}

// log writes a line for a verdict. A line for each allowed request would cost as much as the check
// itself, so those are at level DEBUG.
func (d *Door) log(ctx context.Context, r *Request, v *apikey.Verdict) {
	level, message := slog.LevelWarn, "refused"
	if v.Valid() {
		level, message = slog.LevelDebug, "allowed"
	}
	if !d.Logger.Enabled(ctx, level) {
		return
	}
	attrs := d.About(r, slog.String("code", string(v.Code)))
	if v.Key != nil {
		attrs = append(attrs, slog.String("keyId", v.Key.ID))
	}
	if v.Code == apikey.CodeMissing {
		attrs = append(attrs, slog.String("why", r.whyMissing()))
	}
	d.Logger.LogAttrs(ctx, level, message, attrs...)
}

// About adds the attributes by which an operator finds a request: its route, its source and the ID
// that the front door gives to the caller. Path and query are left out, because they may contain a
// token. API Gateway's access log has the same names.
func (d *Door) About(r *Request, attrs ...slog.Attr) []slog.Attr {
	source := ""
	if address := d.source(r); address.IsValid() {
		source = address.String()
	}
	for _, attr := range [...]slog.Attr{
		slog.String("method", r.Method), slog.String("resource", r.Resource), slog.String("sourceIp", source), r.ID,
	} {
		if attr.Key != "" && attr.Value.String() != "" {
			attrs = append(attrs, attr)
		}
	}
	return attrs
}
