package sam_test

import (
	"strings"
	"testing"

	"latchkey/internal/local/sam"
)

// The tests of the translated template have a line for each assertion.
func TestRulesAreThoseOfTheTemplate(t *testing.T) {
	for says, parameters := range map[string]map[string]string{
		"":                                   nil,
		"DomainName needs DomainCertificate": {"DomainName": "api.example.com"},
		"DomainBasePath has no effect":       {"DomainBasePath": "auth"},
		"OidcIssuer needs OidcAudience":      {"OidcIssuer": "https://id.example.com"},
		"there is no parameter":              {"Domain": "api.example.com"},
	} {
		err := sam.CheckRules(parameters)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%v: %v, want %q", parameters, err, says)
		}
	}
}
