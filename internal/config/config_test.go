package config_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/config"
)

var secret = `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`

func TestWhatIsNotSetHasItsDefault(t *testing.T) {
	got, err := config.Load(map[string]string{"TABLE_NAME": "t", "SECRET_ARN": "arn"})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		TableName: "t", SecretARN: "arn", KeyPrefix: "sk", Freshness: config.Duration(time.Second), Fence: "write", MaxKeysPerUser: 20, UserMaxRequests: 60, UserClaim: "sub", QueryAPIKey: true,
		AssertionIssuer: "latchkey", AssertionAlgorithm: assertion.EdDSA, HTTPAPIAnswer: "iam",
		UsageDays: 400, AuditDays: 365, Metrics: "full", CORSOrigin: "*", Function: "local", LogLevel: "INFO",
		Environments: []apikey.Environment{apikey.Live, apikey.Test},
		PublicPaths:  "/health,/docs,/openapi.json", RequireAuth: true,
		RateLimitRequests: 60, RateLimitWindow: config.Duration(time.Minute),
		UpstreamCache: config.Duration(5 * time.Minute), UpstreamWait: config.Duration(5 * time.Second),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFreshnessIsZeroOrLongerThanARoundTrip(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "0ms": 0, "0.25": 250 * time.Millisecond, "250ms": 250 * time.Millisecond, "1": time.Second, "1.5s": 1500 * time.Millisecond,
		"90": 90 * time.Second, "1m30s": 90 * time.Second, "1h": time.Hour, "60m": time.Hour,
	} {
		c, err := config.Load(map[string]string{"TABLE_NAME": "t", "LATCHKEY_SECRET": secret, "FRESHNESS": value})
		if err != nil || time.Duration(c.Freshness) != want {
			t.Errorf("%s: %v, %v", value, time.Duration(c.Freshness), err)
		}
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	good := map[string]string{"TABLE_NAME": "t", "LATCHKEY_SECRET": secret}
	for name, values := range map[string][]string{
		"TABLE_NAME": {"", "my table", strings.Repeat("t", 1025)}, "LATCHKEY_SECRET": {""},
		"AWS_ENDPOINT_URL_DYNAMODB": {"dynamodb:8000", "http://", "%"},
		"KEY_PREFIX":                {"pk", "SK", strings.Repeat("k", 17)},
		"FRESHNESS":                 {"-1s", "soon", "2h", "9999999999999h", "1ns", "1ms", "20ms", "249ms", "249.9ms", "0.1", "0.249"},
		"MAX_KEYS_PER_USER":         {"0", "-1", "1.5", "99999999999999999999"},
		"KEY_MAX_DAYS":              {"-1", "36501", "1.5", "a year"}, "KEY_DEFAULT_DAYS": {"-1", "36501"}, "KEY_IDLE_DAYS": {"-1", "36501"},
		"TRUSTED_PROXY_HOPS":  {"-1", "11", "one"},
		"OIDC_AUDIENCE":       {"latchkey"},
		"ACCEPT_ENVIRONMENTS": {"prod", "live,,test", "LIVE", "live;test", ","},
		"QUERY_API_KEY":       {"maybe", "yes", "2"},
		"API_KEYS": {
			"canary-of-a-static-key,:canary", "canary-of-a-static-key,canary-of-a-static-key", `"canary-of-a-static-key:alice"`, "alice:canary-of-a-static-key", "1:a", "x",
			"canary-of-a-static-key;canary-of-another-key", `[{"key":"canary-of-a-static-key"}]`, "${CANARY_API_KEYS}", "canary-of-a-static-key:a\ncanary-of-another-key:b",
			`canary-of-a-static-key:a\ncanary-of-another-key:b`, "customer-eight-gmbh:sk_live_0123456789canary0123456789canary",
		},
		"INTERNAL_API_KEY":    {"can ary", "changeme", "${INTERNAL_API_KEY}", "INTERNAL_API_KEY_CANARY", `"canary-of-a-static-key"`, "xxxxxxxxxxxxxxxxxxxxxxx", "canary-of-a-static-key "},
		"RATE_LIMIT_REQUESTS": {"0", "many"}, "RATE_LIMIT_WINDOW": {"0", "1.5", "100000"},
		"UPSTREAM_URL": {"ftp://other", "other", "http://", "http://user:canary@other", "http://other?key=canary", "http://%zz",
			"http://:80", "http://other:99999", "http://other/a b", "http://other?", "http://other/#"},
		"USAGE_DAYS":         {"0", "401"},
		"FENCE":              {"Trust", "read", "write,trust"},
		"AUDIT_DAYS":         {"0", "3654", "1.5"},
		"REQUIRE_AUTH":       {"perhaps"},
		"CORS_ORIGIN":        {"app.example.com", "https://app.example.com/", "https://a.example.com,https://b.example.com", "HTTPS://app.example.com", "https://u@a.example.com", "https://a.example.com?x"},
		"HTTP_API_ANSWER":    {"policy", "Simple", "iam,simple"},
		"METRICS":            {"on", "FULL", "none", "full,alarms"},
		"UPSTREAM_CACHE_TTL": {"-1", "48h"}, "UPSTREAM_TIMEOUT": {"0", "1h"},
	} {
		for _, value := range values {
			variables := maps.Clone(good)
			variables[name] = value
			_, err := config.Load(variables)
			if err == nil || strings.Contains(err.Error(), "mmmm") || strings.Contains(err.Error(), "canary") ||
				strings.Contains(err.Error(), "\n") ||
				!strings.Contains(err.Error(), name) {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
	for field, wrong := range map[string]string{"staticKeys": `"canary:alice"`, "internalKey": `"${CANARY_INTERNAL_KEY}"`} {
		variables := maps.Clone(good)
		variables["LATCHKEY_SECRET"] = strings.Replace(secret, "}", `,"`+field+`":`+wrong+"}", 1)
		if _, err := config.Load(variables); err == nil || !strings.Contains(err.Error(), "the secret's "+field+": ") ||
			strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("LATCHKEY_SECRET with %s %s: %v", field, wrong, err)
		}
	}
	good["OIDC_ISSUER"], good["OIDC_AUDIENCE"] = "https://login.example.com", "latchkey"
	for name, values := range map[string][]string{
		"OIDC_ISSUER": {
			"login.example.com", "http://login.example.com", "https://", "https://:443", "ftp://127.0.0.1", "https://a?b=c", "https://a#b",
			"https://u:p@a", "https://login.example.com,http://10.0.0.1", "http://localhost.example.com", "https://%zz", "",
		},
		"OIDC_AUDIENCE":     {"", ",", " "},
		"OIDC_ADMIN_CLAIM":  {"groups", "=admins", "groups=", "="},
		"OIDC_USER_CLAIM":   {"org_id=acme", "sub,org_id", "org id"},
		"OIDC_ROLE_CLAIM":   {"org_role", "=owner", "org_role=", "org_role=,", " =owner"},
		"OIDC_GROUPS_CLAIM": {"groups=a", "groups,roles", "my groups"},
		"USER_MAX_REQUESTS": {"0", "-1", "1000001", "1.5", "many"},
		"USER_SCOPES":       {"A", "a b", "keys:admin", "keys:*", "tts,keys:adm*", strings.Repeat("a", 129), "a" + strings.Repeat(",a", 50)},
	} {
		for _, value := range values {
			variables := maps.Clone(good)
			variables[name] = value
			if _, err := config.Load(variables); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%q: %v; want an error that names it", name, value, err)
			}
		}
	}
	for name, values := range map[string][]string{
		"OIDC_ISSUER":       {"http://localhost:9998", "http://127.0.0.1:1/a", "http://[::1]:1", "https://a.auth0.com/", "https://a, https://b"},
		"OIDC_AUDIENCE":     {"a, b", "https://api.example.com"},
		"OIDC_ADMIN_CLAIM":  {"", "groups=latchkey-admins", "https://a/groups=cn=admins"},
		"OIDC_USER_CLAIM":   {"", "sub", "org_id", "https://a.example.com/org"},
		"OIDC_ROLE_CLAIM":   {"", "org_role=owner", "org_role=owner, admin", "https://a/roles=cn=owner"},
		"OIDC_GROUPS_CLAIM": {"", "groups", "https://a.example.com/groups"},
		"USER_MAX_REQUESTS": {"1", "1000000"},
		"USER_SCOPES":       {"", "*", "tts, stt:*", "keys:read"},
	} {
		for _, value := range values {
			variables := maps.Clone(good)
			variables[name] = value
			if _, err := config.Load(variables); err != nil {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
	c, err := config.Load(good)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Secret); strings.Contains(text, "mmmm") {
		t.Error("a configuration prints its secret")
	}
}

func TestTheLifeOfKeysIsWholeDays(t *testing.T) {
	good := map[string]string{"TABLE_NAME": "t", "LATCHKEY_SECRET": secret}
	for _, c := range []struct {
		max, standard, idle string
		want                apikey.Life
		wrong               bool
	}{
		{"", "", "", apikey.Life{}, false},
		{"0", "0", "0", apikey.Life{}, false},
		{"365", "90", "30", apikey.Life{MaxDays: 365, DefaultDays: 90, IdleDays: 30}, false},
		{"36500", "36500", "36500", apikey.Life{MaxDays: 36500, DefaultDays: 36500, IdleDays: 36500}, false},
		{"", "90", "", apikey.Life{DefaultDays: 90}, false},
		{"90", "90", "365", apikey.Life{MaxDays: 90, DefaultDays: 90, IdleDays: 365}, false},
		{"90", "91", "", apikey.Life{}, true},
	} {
		variables := maps.Clone(good)
		variables["KEY_MAX_DAYS"], variables["KEY_DEFAULT_DAYS"], variables["KEY_IDLE_DAYS"] = c.max, c.standard, c.idle
		got, err := config.Load(variables)
		if (err != nil) != c.wrong || c.wrong && !strings.Contains(err.Error(), "KEY_DEFAULT_DAYS") {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && got.Life() != c.want {
			t.Errorf("%+v: %+v", c, got.Life())
		}
	}
}

func TestRolesAreReadFromTheirClaim(t *testing.T) {
	for text, want := range map[string]string{
		"": "[]", "org_role=owner": "org_role [owner]", "org_role = owner , admin,": "org_role [owner admin]",
		"https://a/roles=cn=owner": "https://a/roles [cn=owner]",
	} {
		claim, roles := config.Config{RoleClaim: text}.Roles()
		if got := strings.TrimSpace(fmt.Sprint(claim, " ", roles)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
