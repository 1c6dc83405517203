package serve

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/admission"
	"latchkey/internal/httpapi"
	"latchkey/internal/local"
	"latchkey/internal/registry"
)

// service has a door before the HTTP API of one instance. It is safe for concurrent use.
type service struct {
	door *admission.Door
	api  http.Handler
	hops int // the deployment's own proxies before the server
}

// Serve implements [local.Service].
func (s *service) Serve(w http.ResponseWriter, r *local.Request) (*local.Refusal, error) {
	if s.hops > 0 { // or else no one reads it
		r.Header["X-Forwarded-For"] = append(slices.Clip(r.Header["X-Forwarded-For"]), r.Peer)
	}
	ctx := r.Context()
	arrival := &httpapi.Arrival{
		Method: r.Method, Resource: r.Route.Path, Path: r.Path, Peer: r.Peer, RequestID: r.ID,
		ID: slog.String("requestId", r.ID), Time: r.Time,
	}
	if r.Route.Authorizer != "" {
		d, err := s.decide(ctx, r)
		switch {
		case err != nil:
			return nil, err
		case d.OverLimit():
			return &local.Refusal{Denied: true, Values: denial(&d)}, nil
		case !d.Verdict.Valid():
			return &local.Refusal{}, nil
		}
		arrival.Caller = principalOf(&d)
	}
	s.api.ServeHTTP(w, r.WithContext(httpapi.WithArrival(ctx, arrival)))
	return nil, nil
}

// decide has the door judge a request. Every route is one of latchkey's own.
func (s *service) decide(ctx context.Context, r *local.Request) (admission.Decision, error) {
	request := admission.Request{
		Method: r.Method, Path: r.Path, Resource: r.Route.Path, Own: true,
		Headers: admission.HeadersOf(r.Header), Peer: r.Peer, Time: r.Time, ID: slog.String("requestId", r.ID),
	}
	if r.URL.RawQuery != "" {
		request.Query = admission.QueryOf(r.URL.Query())
	}
	return s.door.Decide(ctx, &request)
}

// denial returns the values of the gateway's answer to a request that a limit, a quota or a cost refuses.
func denial(d *admission.Decision) map[string]string {
	v := &d.Verdict
	values := map[string]string{
		"code": string(v.Code.Info().AtGateway), "message": v.Message(), "principalId": v.Key.ID,
	}
	if w, ok := d.Window(); ok {
		values["limit"], values["remaining"] = decimal(w.Limit), decimal(w.Remaining)
		if w.Reset != 0 {
			values["reset"] = decimal(w.Reset)
		}
	}
	if l := d.RateLimit(); l.State != "" {
		values["rateLimit"], values["rateLimitPolicy"] = l.State, l.Policy
	}
	if wait := int64(v.RetryAfter / time.Second); wait != 0 { // 0: no wait helps
		values["retryAfter"] = decimal(wait)
	}
	return values
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// principalOf returns the caller of a request that may pass.
func principalOf(d *admission.Decision) httpapi.Principal {
	c := d.Caller()
	p := httpapi.Principal{
		KeyID: c.KeyID, UserID: c.UserID, Name: c.Name, Scopes: strings.Fields(c.Scopes), Environment: c.Environment,
		Internal: c.Internal, Unlimited: c.Unlimited, Subject: c.Subject,
	}
	if d.User != nil {
		p.Groups = d.User.Groups
	}
	if k := d.Verdict.Key; k != nil {
		p.Presented = &registry.Presented{Generation: k.Generation(), Replaced: c.Replaced}
	}
	if w, ok := d.Window(); ok {
		window := httpapi.Window(w)
		p.Window, p.RateLimit = &window, d.RateLimit()
	}
	return p
}
