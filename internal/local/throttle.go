package local

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"latchkey/internal/local/sam"
)

// everyMethod is the name of the setting for all methods without a setting of their own.
const everyMethod = "* /*"

// throttles are the limits of methods, by method and path as a route has them. They are safe for concurrent use.
type throttles map[string]*rate.Limiter

func newThrottles(settings []sam.MethodSetting) (throttles, error) {
	t := make(throttles)
	for _, s := range settings {
		path := s.ResourcePath
		if path != "/*" {
			path = strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(path, "/"))
		}
		name := s.HTTPMethod + " " + path
		perSecond, badRate := strconv.ParseFloat(s.Rate, 64)
		burst, badBurst := strconv.Atoi(s.Burst)
		if badRate != nil || badBurst != nil || perSecond <= 0 || burst <= 0 || t[name] != nil || name != everyMethod && strings.Contains(name, "*") {
			return nil, fmt.Errorf("MethodSettings of %s: needs a rate and a burst above 0, once, for one method of one path or for all", name)
		}
		t[name] = rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	return t, nil
}

// allow reports whether a method may be called at this moment, and counts the call if it may.
func (t throttles) allow(r sam.Route, now time.Time) bool {
	limiter := t[r.Method+" "+r.Path]
	if limiter == nil {
		limiter = t[everyMethod]
	}
	return limiter == nil || limiter.AllowN(now, 1)
}

// throttled answers a request of a method that is called too often.
func (g *Gateway) throttled(w http.ResponseWriter, variables map[string]string) {
	g.respond(w, "THROTTLED", "Too Many Requests", variables)
}
