package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"latchkey/internal/api"
	"latchkey/internal/client"
	"latchkey/internal/config"
)

// checkSettings checks the variables and the profile. It returns the settings of the API, and
// whether they can be used.
func (r *report) checkSettings(c *cobra.Command) (settings, bool) {
	variables := config.Process()
	var d devConfig
	err := config.Read(&d, variables)
	if err == nil {
		if variables["TABLE_NAME"] == "" {
			variables["TABLE_NAME"] = localTable
		}
		if variables["SECRET_ARN"] == "" && variables["LATCHKEY_SECRET"] == "" {
			variables["SECRET_ARN"] = "unknown" // the functions' own; not read here
		}
		_, err = config.Load(variables)
	}
	if err != nil {
		r.fail("variables", err.Error(), "")
	} else {
		r.ok("variables", "every variable that latchkey reads has a value that it takes")
	}
	s, err := settingsOf(c)
	if err == nil {
		_, err = s.client()
	}
	switch {
	case err != nil:
		r.fail("settings", err.Error(), "latchkey login URL")
		r.skip("service", "its URL or key is not known")
		return settings{}, false
	case s.profile != "":
		r.ok("settings", s.origin())
	case s.key.Reveal() != "":
		r.ok("settings", "LATCHKEY_KEY calls "+s.url)
	default:
		r.warn("settings", "there is no key that calls "+s.url, "latchkey login "+s.url)
	}
	return s, true
}

// keyless reports whether a deployed service at a URL should be checked in place of the service
// of the settings. This holds if they name neither a URL nor a key for another one.
func (s settings) keyless(deployed string) bool {
	return deployed != "" && s.url == usualURL && s.profile == ""
}

// The differences between two clocks that are worth a warning, and that AWS refuses.
const (
	clockWarn = 5 * time.Second
	clockFail = 5 * time.Minute
)

// checkService checks the service, its clock, and the key that calls it.
func (r *report) checkService(c *cobra.Command, s settings) {
	open, err := client.New(s.url, "")
	if err != nil {
		r.fail("service", s.urlName+" "+err.Error(), "latchkey login URL")
		return
	}
	begun := time.Now()
	answer, err := open.Send(c.Context(), http.MethodGet, api.OwnPrefix+api.HealthPath, nil, nil)
	took := time.Since(begun)
	var refused *client.Error
	switch {
	case err == nil:
		r.ok("service", fmt.Sprintf("%s answers in %d ms", s.url, took.Milliseconds()))
	case !errors.As(err, &refused):
		next := "latchkey dev"
		if !loopback(s.url) {
			next = "curl -i " + s.url + api.OwnPrefix + api.HealthPath
		}
		r.fail("service", s.url+" does not answer: "+cause(err), next)
		r.skip("clock", "the service does not answer")
		r.skip("key", "the service does not answer")
		return
	case refused.Status >= 500 && refused.Code != "":
		r.fail("service", s.url+" cannot decide: "+refused.Message, "latchkey doctor --stack NAME")
	default:
		text := fmt.Sprintf("%s is not latchkey's URL, or lacks the stage, such as /prod: status %d", s.url, refused.Status)
		r.fail("service", text, "latchkey login "+strings.TrimRight(s.url, "/")+"/prod")
		r.skip("clock", "another service answers")
		r.skip("key", "another service answers")
		return
	}
	r.checkClock(answer.Header.Get("Date"), begun.Add(took/2))
	r.checkCaller(c, s)
}

// checkClock compares a Date header, which has whole seconds, with this machine's time.
func (r *report) checkClock(date string, here time.Time) {
	there, err := http.ParseTime(date)
	if err != nil {
		r.skip("clock", "the answer has no date")
		return
	}
	off := here.Sub(there.Add(time.Second / 2)).Round(time.Second)
	text := fmt.Sprintf("this machine's clock is %s ahead of the service's", off)
	if off < 0 {
		text = fmt.Sprintf("this machine's clock is %s behind the service's", -off)
	}
	switch {
	case off.Abs() >= clockFail:
		r.fail("clock", text+": AWS refuses requests that are signed with it", "timedatectl status")
	case off.Abs() >= clockWarn:
		r.warn("clock", text, "timedatectl status")
	default:
		r.ok("clock", "this machine's clock agrees with the service's")
	}
}

// checkCaller checks the key that calls the API, and reports its rights.
func (r *report) checkCaller(c *cobra.Command, s settings) {
	if s.key.Reveal() == "" {
		next := "latchkey init"
		if _, err := read(state(defaultState).rootKey()); err == nil {
			next = "latchkey login --key-file " + state(defaultState).rootKey()
		}
		r.warn("key", "there is no key to check", next)
		return
	}
	answer, err := s.send(c, http.MethodGet, api.WhoamiPath, url.Values{"include": {"grants"}}, nil)
	if err != nil {
		verdict, next := r.fail, "latchkey validate"
		var e *client.Error
		if errors.As(err, &e) {
			err = e
			if e.Status == http.StatusTooManyRequests {
				verdict, next = r.warn, ""
			}
		}
		verdict("key", s.keyName+": "+err.Error(), next)
		return
	}
	who, err := decode[api.WhoamiResponse](answer.Body)
	if err != nil {
		r.fail("key", err.Error(), "latchkey whoami")
		return
	}
	r.ok("key", callerOf(who)+", "+mayDo(who))
}

// mayDo says what a caller may do.
func mayDo(who api.WhoamiResponse) string {
	scopes := strings.Join(who.Scopes, ",")
	if scopes == "" {
		scopes = "none"
	}
	may := "may not manage keys"
	if g := who.Grants; g != nil {
		switch {
		case g.Admin:
			may = "may manage the keys of every user"
		case g.Write:
			may = "may read and change its user's keys"
		case g.Read:
			may = "may read its user's keys"
		}
	}
	return may + "; scopes: " + scopes
}

// loopback reports whether a URL is of this machine.
func loopback(at string) bool {
	u, err := url.Parse(at)
	return err == nil && (u.Hostname() == "localhost" || u.Hostname() == "::1" || strings.HasPrefix(u.Hostname(), "127."))
}

// cause returns the reason of an error without the request that it is about.
func cause(err error) string {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return err.Error()
}
