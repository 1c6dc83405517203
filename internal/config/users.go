package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/apikey"
)

// maxDays is the largest number of days in a variable about the life of keys: about 100 years.
const maxDays = 36500

// Life returns the bounds on the life of keys whose plan has none.
func (c Config) Life() apikey.Life {
	return apikey.Life{MaxDays: c.KeyMaxDays, DefaultDays: c.KeyDefaultDays, IdleDays: c.KeyIdleDays}
}

// checkLife checks the variables about the life of keys.
func (c Config) checkLife() error {
	for _, v := range []struct {
		name string
		days int
	}{
		{"KEY_MAX_DAYS", c.KeyMaxDays}, {"KEY_DEFAULT_DAYS", c.KeyDefaultDays}, {"KEY_IDLE_DAYS", c.KeyIdleDays},
	} {
		if v.days < 0 || v.days > maxDays {
			return fmt.Errorf("%s must be between 0, for no bound, and %d", v.name, maxDays)
		}
	}
	if c.KeyMaxDays > 0 && c.KeyDefaultDays > c.KeyMaxDays {
		return errors.New("KEY_DEFAULT_DAYS must not be above KEY_MAX_DAYS: no key could have the default")
	}
	return nil
}

// Roles returns the claim with the roles of a user, and the roles that may change keys. It returns
// no claim if every user may.
func (c Config) Roles() (claim string, roles []string) {
	claim, text, _ := strings.Cut(c.RoleClaim, "=")
	var list List
	_ = list.UnmarshalText([]byte(text)) // never fails
	return strings.TrimSpace(claim), list
}

// checkUsers checks the variables about users who come with a JSON Web Token.
func (c Config) checkUsers() error {
	for _, issuer := range c.Issuers {
		if !secureURL(issuer) {
			return errors.New(
				"OIDC_ISSUER must be URLs such as https://login.example.com, without user and query; " +
					"http is for this machine alone",
			)
		}
	}
	scopes := apikey.Scopes(c.UserScopes)
	switch {
	case (len(c.Issuers) == 0) != (len(c.Audiences) == 0):
		return errors.New("OIDC_ISSUER and OIDC_AUDIENCE need each other: a token counts only when it is meant for us")
	case c.UserMaxRequests < 1 || c.UserMaxRequests > apikey.MaxRequests:
		return fmt.Errorf("USER_MAX_REQUESTS must be between 1 and %d", apikey.MaxRequests)
	case scopes.Admin():
		return errors.New("USER_SCOPES must not reach keys:admin: OIDC_ADMIN_CLAIM says who is an admin")
	case len(scopes) > apikey.MaxScopes,
		slices.ContainsFunc(scopes, func(s string) bool { return !apikey.ValidScope(s) }):
		return fmt.Errorf("USER_SCOPES must be at most %d scopes of a-z 0-9 : . _ * -", apikey.MaxScopes)
	}
	return c.checkClaims()
}

// checkClaims checks the variables that name claims of a token.
func (c Config) checkClaims() error {
	name, value, _ := strings.Cut(c.AdminClaim, "=")
	roleClaim, roles := c.Roles()
	switch {
	case c.AdminClaim != "" && (name == "" || value == ""):
		return errors.New("OIDC_ADMIN_CLAIM must be of the form claim=value, as in groups=latchkey-admins")
	case c.RoleClaim != "" && (roleClaim == "" || len(roles) == 0):
		return errors.New("OIDC_ROLE_CLAIM must be of the form claim=role,role, as in org_role=owner,admin")
	case !claimName(c.UserClaim):
		return errors.New("OIDC_USER_CLAIM must be the name of one claim, such as sub or org_id")
	case c.GroupsClaim != "" && !claimName(c.GroupsClaim):
		return errors.New("OIDC_GROUPS_CLAIM must be the name of one claim, such as groups")
	}
	return nil
}

// claimName reports whether text can be meant as the name of one claim. "=" and "," and spaces are
// signs that more was meant.
func claimName(text string) bool { return text != "" && !strings.ContainsAny(text, "=, \t\r\n") }

// secureURL reports whether text is a URL without user, query and fragment, whose answers cannot be
// forged on their way.
func secureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
