package main

import (
	"strings"
	"testing"

	"latchkey/internal/local/sam"
)

// CloudFormation would accept each of these values. A function would not start with them.
func TestParametersWithWhichAFunctionWouldNotStartAreRefused(t *testing.T) {
	for _, c := range []struct{ parameters, wants string }{
		{"KeyPrefix=pk", "KeyPrefix (KEY_PREFIX): "},
		{"Freshness=3601s", "Freshness (FRESHNESS) must be "},
		{"Freshness=9999999ms", "Freshness (FRESHNESS) must be "},
		{"KeyMaxDays=90 KeyDefaultDays=91", "KeyDefaultDays (KEY_DEFAULT_DAYS) must not be above KeyMaxDays (KEY_MAX_DAYS)"},
		{"OidcIssuer=http://id.example.com OidcAudience=a", "OidcIssuer (OIDC_ISSUER) must be URLs"},
		{"OidcIssuer=https://:443 OidcAudience=a", "OidcIssuer (OIDC_ISSUER) must be URLs"},
		{"OidcIssuer=https://id.example.com OidcAudience=a OidcRoleClaim=\t=owner", "OidcRoleClaim (OIDC_ROLE_CLAIM) must be"},
		{"UserScopes=keys:admin", "UserScopes (USER_SCOPES) must not reach keys:admin"},
		{"UserScopes=tts,keys:*", "UserScopes (USER_SCOPES) must not reach keys:admin"},
		{"UserScopes=a" + strings.Repeat(",a", 50), "UserScopes (USER_SCOPES) must be at most"},
		{"UserScopes=" + strings.Repeat("a", 129), "UserScopes (USER_SCOPES) must be at most"},
		{"RouteScopes=/tts/../stt=tts", "RouteScopes (ROUTE_SCOPES): "},
		{"RouteScopes=/tts=a;/tts=b", "RouteScopes (ROUTE_SCOPES): "},
		{"RouteCosts=/tts/../stt=2", "RouteCosts (ROUTE_COSTS): "},
		{"RouteCosts=/tts=1;/tts=2", "RouteCosts (ROUTE_COSTS): "},
		{"PublicPaths=/docs/../tts", "PublicPaths (PUBLIC_PATHS): "},
		{"UpstreamUrl=http://:80", "UpstreamUrl (UPSTREAM_URL) must be"},
		{"UpstreamUrl=https://other:99999", "UpstreamUrl (UPSTREAM_URL) must be"},
		{"DynamoEndpoint=http://%", "DynamoEndpoint (AWS_ENDPOINT_URL_DYNAMODB) must be a URL"},
	} {
		a := answersOf(t, c.parameters)
		err := a.check()
		if err == nil {
			err = a.checkWhole()
		}
		if err == nil || !strings.Contains(err.Error(), c.wants) {
			t.Errorf("%.60q: %v; want %q", c.parameters, err, c.wants)
		}
	}
}

func TestParametersWithWhichAFunctionStartsAreStored(t *testing.T) {
	for _, parameters := range []string{
		"", "Freshness=0", "Freshness=60m", "Freshness=3600s", "KeyMaxDays=90 KeyDefaultDays=90", "KeyDefaultDays=90",
		"OidcIssuer=http://localhost:9998 OidcAudience=a", "UserScopes=keys:read", "UserScopes=a" + strings.Repeat(",a", 49),
		"RouteScopes=/tts=a;/stt=b", "RouteCosts=/tts=1;/stt=2", "PublicPaths=/docs/*", "UpstreamUrl=https://other:65535",
		"CorsOrigin=https://app.example.com:8443", "DynamoEndpoint=http://dynamodb:8000",
		"ExistingTableName=latchkey.Table-1 ExistingSecretArn=arn:aws:secretsmanager:eu-west-1:123456789012:secret:latchkey-AbCdEf",
	} {
		a := answersOf(t, parameters)
		if err := a.check(); err != nil {
			t.Errorf("%.60q: %v", parameters, err)
		}
		if err := a.checkWhole(); err != nil {
			t.Errorf("%.60q: %v", parameters, err)
		}
	}
}

// answersOf returns answers with parameters of the form "NAME=VALUE NAME=VALUE".
func answersOf(t *testing.T, parameters string) *answers {
	t.Helper()
	known, err := sam.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{Region: "eu-west-1", Parameters: make(map[string]string), known: known}
	var args []string
	if parameters != "" {
		args = strings.Split(parameters, " ")
	}
	if err := a.set(args); err != nil {
		t.Fatal(err)
	}
	return a
}
