package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
)

var secret = `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`

func TestWhatIsNotSetHasItsDefault(t *testing.T) {
	got, err := config.Load(map[string]string{"TABLE_NAME": "t", "SECRET_ARN": "arn"})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		TableName: "t", SecretARN: "arn", KeyPrefix: "sk", Freshness: config.Duration(time.Second), MaxKeysPerUser: 20, UserMaxRequests: 60, QueryAPIKey: true,
		UsageDays: 400, AuditDays: 365, Function: "local", LogLevel: "INFO",
		Environments: []apikey.Environment{apikey.Live, apikey.Test},
		PublicPaths:  "/health,/docs,/openapi.json", RequireAuth: true,
		RateLimitRequests: 60, RateLimitWindow: config.Duration(time.Minute),
		UpstreamCache: config.Duration(5 * time.Minute), UpstreamWait: config.Duration(5 * time.Second),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	good := map[string]string{"TABLE_NAME": "t", "LATCHKEY_SECRET": secret}
	for name, values := range map[string][]string{
		"TABLE_NAME": {"", "my table", strings.Repeat("t", 1025)}, "LATCHKEY_SECRET": {""},
		"AWS_ENDPOINT_URL_DYNAMODB": {"dynamodb:8000", "http://", "%"},
		"KEY_PREFIX":                {"pk", "SK", strings.Repeat("k", 17)},
		"FRESHNESS":                 {"-1s", "soon", "2h", "9999999999999h"},
		"MAX_KEYS_PER_USER":         {"0", "-1", "1.5", "99999999999999999999"},
		"TRUSTED_PROXY_HOPS":        {"-1", "11", "one"},
		"OIDC_AUDIENCE":             {"latchkey"},
		"ACCEPT_ENVIRONMENTS":       {"prod", "live,,test", "LIVE", "live;test", ","},
		"QUERY_API_KEY":             {"maybe", "yes", "2"},
		"API_KEYS":                  {"canary-1:a,:canary-2", "canary-1,canary-1"}, "INTERNAL_API_KEY": {"can ary"},
		"RATE_LIMIT_REQUESTS": {"0", "many"}, "RATE_LIMIT_WINDOW": {"0", "1.5", "100000"},
		"UPSTREAM_URL": {"ftp://other", "other", "http://", "http://user:canary@other", "http://other?key=canary", "http://%zz",
			"http://:80", "http://other:99999", "http://other/a b", "http://other?", "http://other/#"},
		"USAGE_DAYS":         {"0", "401"},
		"AUDIT_DAYS":         {"0", "3654", "1.5"},
		"REQUIRE_AUTH":       {"perhaps"},
		"UPSTREAM_CACHE_TTL": {"-1", "48h"}, "UPSTREAM_TIMEOUT": {"0", "1h"},
	} {
		for _, value := range values {
			variables := maps.Clone(good)
			variables[name] = value
			_, err := config.Load(variables)
			if err == nil || strings.Contains(err.Error(), "mmmm") || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%q: %v", name, value, err)
			}
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

func TestASecretThatIsNoneIsAnError(t *testing.T) {
	for name, text := range map[string]string{"not JSON": "canary", "short": `{"master":"canary"}`, "a short pepper": strings.Replace(secret, "[]", `["canary"]`, 1)} {
		s := config.NewSecret(config.Config{Secret: config.Sensitive(text), SecretARN: "arn"}, aws.Config{}, func() time.Time { return time.Unix(0, 0) }, slog.New(slog.DiscardHandler))
		_, err := s.Hasher(t.Context())
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := config.NewSecret(config.Config{Secret: config.Sensitive(secret)}, aws.Config{}, func() time.Time { return time.Unix(0, 0) }, slog.New(slog.DiscardHandler))
	if _, err := s.Hasher(t.Context()); err != nil {
		t.Error(err)
	}
}

// A pepper or a static key that is added to the secret is known within five
// minutes, without a deploy. While the secret is not to be had, or is wrong, the last
// one goes on being used, which the log says, and it is asked for again every ten
// seconds.
func TestTheSecretIsReadAgain(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var asked int
	text := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if text == "" {
			w.WriteHeader(http.StatusBadRequest) // which the SDK does not try again
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": text})
	}))
	defer server.Close()
	account := aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	c, err := config.Load(map[string]string{"TABLE_NAME": "t", "SECRET_ARN": "arn", "API_KEYS": "k1:a"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := config.NewSecret(c, account, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	with := func(fields string) string { return strings.Replace(secret, "}", fields+"}", 1) }
	for i, c := range []struct {
		pass  time.Duration
		text  string
		asked int
		want  string // names of static keys; empty: an error
	}{
		{0, "", 1, ""}, {0, "", 2, ""}, {0, with(`,"staticKeys":"k2:b"`), 3, "a b"},
		{299 * time.Second, with(`,"staticKeys":"k3:c","internalKey":"k4"`), 3, "a b"}, {time.Second, with(`,"staticKeys":"k3:c","internalKey":"k4"`), 4, "a c internal"},
		{5 * time.Minute, "", 5, "a c internal"}, {9 * time.Second, "", 5, "a c internal"},
		{time.Second, with(`,"staticKeys":"wrong key"`), 6, "a c internal"}, {10 * time.Second, secret, 7, "a"}, {299 * time.Second, "", 7, "a"},
	} {
		now, text = now.Add(c.pass), c.text
		keyring, err := s.Keyring(t.Context())
		var names []string
		for _, k := range keyring.Static.Keys() {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); got != c.want || (err != nil) != (c.want == "") || asked != c.asked {
			t.Errorf("step %d: %q, asked %d times, %v; want %q after %d", i, got, asked, err, c.want, c.asked)
		}
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "staticKeys: entry 1") || strings.Contains(lines[1], "wrong") {
		t.Errorf("the log: %s", log.String())
	}
}
