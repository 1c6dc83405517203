package authorizer

import (
	"strings"

	"latchkey/internal/apikey"
)

// whyMissing says for the log why an event has no key. It repeats nothing of the event.
func (e *event) whyMissing() string {
	why := "no key was sent"
	for _, h := range [...]*headers{&e.MultiValueHeaders, &e.Headers} {
		for _, value := range h.APIKey {
			if apikey.IsJWT(strings.Trim(value, " \t")) {
				why = "X-API-Key or Api-Key has a JSON Web Token, which is no key"
			}
		}
		for _, value := range h.Authorization {
			value = strings.Trim(value, " \t")
			token := apikey.FromAuthorization(value)
			switch {
			case apikey.IsJWT(token):
				why = "Authorization has a JSON Web Token, which is no key, and no user may come with one here"
			case token == "" && strings.EqualFold(value, "Bearer"):
				why = "Authorization has the scheme Bearer and no key"
			case token == "" && value != "":
				why = "Authorization has another scheme than Bearer"
			}
		}
	}
	return why
}
