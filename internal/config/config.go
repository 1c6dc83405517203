// Package config reads the process environment and the deployment's secret into
// checked values. Every variable that latchkey knows is a field of [Config].
package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"latchkey/internal/apikey"
	"latchkey/internal/assertion"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/redact"
)

// Config is the checked configuration of a function. It prints no secret.
type Config struct {
	// TableName is the name or the ARN of the DynamoDB table.
	TableName string `env:"TABLE_NAME,required,notEmpty"`
	// Endpoint is the URL of DynamoDB. If empty, it is the region's own. The SDK reads the same
	// variable.
	Endpoint string `env:"AWS_ENDPOINT_URL_DYNAMODB"`
	// SecretARN names the deployment's secret in Secrets Manager, which holds the master and the peppers.
	SecretARN string `env:"SECRET_ARN"`
	// Secret is the deployment's secret itself, where there is no Secrets Manager.
	Secret Sensitive `env:"LATCHKEY_SECRET"`

	// KeyPrefix begins native tokens, as sk does in sk_live_…. It has 2 to 12 lower-case letters.
	KeyPrefix string `env:"KEY_PREFIX" envDefault:"sk"`
	// Freshness is how long a read of a key may be trusted. It bounds how long a revoked key still
	// works. It is 0, which reads the key for every request, or 250 ms to 1 h.
	Freshness Duration `env:"FRESHNESS" envDefault:"1s"`
	// Fence is "write", or "trust" if a write of a meter may prove a key that was read before. Every
	// function that changes keys must then write fences, as this version does.
	Fence string `env:"FENCE" envDefault:"write"`
	// Environments are the environments whose keys are accepted, at least one.
	Environments []apikey.Environment `env:"ACCEPT_ENVIRONMENTS" envDefault:"live,test"`
	// MaxKeysPerUser is how many keys one user may have that are not revoked, at least 1.
	MaxKeysPerUser int `env:"MAX_KEYS_PER_USER" envDefault:"20"`
	// A key without a plan that says otherwise expires at most KeyMaxDays after its creation, and
	// after KeyDefaultDays if its creator names no expiry. It is refused when it was not used for
	// KeyIdleDays. Each is 0, which bounds nothing, or at most 36500 days.
	KeyMaxDays     int `env:"KEY_MAX_DAYS" envDefault:"0"`
	KeyDefaultDays int `env:"KEY_DEFAULT_DAYS" envDefault:"0"`
	KeyIdleDays    int `env:"KEY_IDLE_DAYS" envDefault:"0"`

	// UsageDays is the retention of daily usage, in days: 1 to 400.
	UsageDays int `env:"USAGE_DAYS" envDefault:"400"`
	// AuditDays is the retention of audit entries, in days: 1 to 3653.
	AuditDays int `env:"AUDIT_DAYS" envDefault:"365"`

	// Issuers are the issuers of JSON Web Tokens that stand for users, and Audiences are the
	// audiences that the tokens must name. If there are none, every user needs a key.
	Issuers   List `env:"OIDC_ISSUER"`
	Audiences List `env:"OIDC_AUDIENCE"`
	// AdminClaim is the claim of an admin's token, such as "groups=latchkey-admins". If empty, no
	// token makes an admin.
	AdminClaim string `env:"OIDC_ADMIN_CLAIM"`
	// UserClaim is the claim of a token that names the owner of the caller's keys, such as org_id.
	UserClaim string `env:"OIDC_USER_CLAIM" envDefault:"sub"`
	// RoleClaim is a claim and the roles in it that may change keys, such as "org_role=owner,admin".
	// Other users may only read. If empty, every user may change the keys of its owner.
	RoleClaim string `env:"OIDC_ROLE_CLAIM"`
	// GroupsClaim is the claim of a token with the groups of its user, such as groups. A user in the
	// group g may act for the owner team:g. If empty, no user acts for a team.
	GroupsClaim string `env:"OIDC_GROUPS_CLAIM"`
	// UserMaxRequests is how many requests a minute all keys together may make that one user has
	// created without an admin. UserScopes are the most that such a user may grant.
	UserMaxRequests int64 `env:"USER_MAX_REQUESTS" envDefault:"60"`
	UserScopes      List  `env:"USER_SCOPES"`

	// ConsoleClientID names the console at the issuers, as an application without a secret. If empty,
	// users sign in to the console with a key alone.
	ConsoleClientID string `env:"CONSOLE_CLIENT_ID"`

	// RouteScopes are the scopes that routes need, as in "POST /tts/*=tts;*=".
	RouteScopes string `env:"ROUTE_SCOPES"`
	// RouteCosts say how many requests one request of a route counts as, as in
	// "POST /tts/*=5;GET /v1/models=0". A route without a rule costs 1.
	RouteCosts string `env:"ROUTE_COSTS"`
	// PublicPaths are the paths that need no key, as in "/health,/docs/*".
	PublicPaths string `env:"PUBLIC_PATHS" envDefault:"/health,/docs,/openapi.json"`
	// If RequireAuth is false, every request passes, as the user anonymous.
	RequireAuth bool `env:"REQUIRE_AUTH" envDefault:"true"`
	// TrustedProxyHops is how many proxies of the deployment stand before API Gateway: 0 to 10.
	TrustedProxyHops int `env:"TRUSTED_PROXY_HOPS" envDefault:"0"`
	// AssertionIssuer is the issuer that assertions name. AssertionAlgorithm signs them: EdDSA or HS256.
	AssertionIssuer    string              `env:"ASSERTION_ISSUER" envDefault:"latchkey"`
	AssertionAlgorithm assertion.Algorithm `env:"ASSERTION_ALGORITHM" envDefault:"EdDSA"`
	// ForwardAudience is the audience of the assertions in answers to proxies that ask. If empty, these
	// answers have no assertion. It must be empty where clients can reach the route for proxies
	// themselves: they could then use one assertion many times.
	ForwardAudience string `env:"FORWARD_AUDIENCE"`
	// HTTPAPIAnswer is what an HTTP API with the payload format 2.0 gets of the authorizer: iam, or
	// simple if it has enableSimpleResponses.
	HTTPAPIAnswer string `env:"HTTP_API_ANSWER" envDefault:"iam"`
	// MetadataHeader gives backends the metadata of a key in the header X-Latchkey-Metadata.
	MetadataHeader bool `env:"METADATA_HEADER" envDefault:"false"`
	// QueryAPIKey allows a token in the query parameter api_key.
	QueryAPIKey bool `env:"QUERY_API_KEY" envDefault:"true"`
	// UnlimitedNumbers shows an unlimited key with a limit of 999999 requests.
	UnlimitedNumbers bool `env:"UNLIMITED_NUMBERS" envDefault:"false"`
	// CORSOrigin is the origin whose pages may read answers of the API in a browser, such as
	// https://app.example.com. With *, pages of every origin may.
	CORSOrigin string `env:"CORS_ORIGIN" envDefault:"*"`

	// APIKeys are static keys, as in "token:name,token:name". Each has a limit of RateLimitRequests
	// in RateLimitWindow. InternalAPIKey is the token of a key without a limit.
	APIKeys           Sensitive `env:"API_KEYS"`
	InternalAPIKey    Sensitive `env:"INTERNAL_API_KEY"`
	RateLimitRequests int64     `env:"RATE_LIMIT_REQUESTS" envDefault:"60"`
	RateLimitWindow   Duration  `env:"RATE_LIMIT_WINDOW" envDefault:"60"`

	// UpstreamURL is another key service. It is asked about tokens that the table does not know and
	// that begin with UpstreamPrefix.
	UpstreamURL    string   `env:"UPSTREAM_URL"`
	UpstreamPrefix string   `env:"UPSTREAM_PREFIX"`
	UpstreamCache  Duration `env:"UPSTREAM_CACHE_TTL" envDefault:"300"`
	UpstreamWait   Duration `env:"UPSTREAM_TIMEOUT" envDefault:"5"`

	// LeakKeysURL has the public keys with which GitHub's secret scanning signs its reports of leaked
	// keys. If empty, no report is taken.
	LeakKeysURL string `env:"LEAK_KEYS_URL"`

	// Service is the function's name in metrics and in its User-Agent, which CloudTrail shows. It
	// tells two deployments in one account apart. If empty, it is a name such as authorizer.
	Service string `env:"SERVICE"`
	// Metrics says which metrics the function writes into its log: full, alarms or off.
	Metrics string `env:"METRICS" envDefault:"full"`
	// Function is the Lambda function's name, and LogLevel its log level. Lambda sets both.
	Function string `env:"AWS_LAMBDA_FUNCTION_NAME" envDefault:"local"`
	LogLevel string `env:"AWS_LAMBDA_LOG_LEVEL" envDefault:"INFO"`

	// Local is whether the engine takes any credentials. Only the local stack sets it.
	Local bool `env:"-"`
}

// Load reads a configuration from variables, and checks it. A deployed function gives it those of
// [Process]. An error names the variable, and never has a secret.
func Load(variables map[string]string) (Config, error) {
	var c Config
	if err := Read(&c, variables); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// nameLetters are the characters of a table's name or ARN.
const nameLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-:/"

// Read sets the fields of the struct to which into points from variables, by its tags. An error
// names the variable that cannot be read. It has nothing of the value, which may be a secret.
func Read(into any, variables map[string]string) error {
	err := env.ParseWithOptions(into, env.Options{Environment: variables})
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	field, _ := reflect.TypeOf(into).Elem().FieldByName(parse.Name)
	variable, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	kind := "a whole number"
	switch {
	case parse.Type == reflect.TypeFor[Duration]():
		kind = "seconds or a duration such as 500ms"
	case parse.Type == reflect.TypeFor[slog.Level]():
		kind = "DEBUG, INFO, WARN or ERROR"
	case parse.Type.Kind() == reflect.Bool:
		kind = "true or false"
	}
	return fmt.Errorf("%s must be %s", variable, kind)
}

func (c Config) check() error {
	if _, err := apikey.NewFormat(c.KeyPrefix); err != nil {
		return fmt.Errorf("KEY_PREFIX: %w", err)
	}
	if err := c.checkUsers(); err != nil {
		return err
	}
	if err := c.checkLife(); err != nil {
		return err
	}
	if c.Endpoint != "" {
		at, err := url.Parse(c.Endpoint)
		if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" {
			return errors.New("AWS_ENDPOINT_URL_DYNAMODB must be a URL with http or https")
		}
	}
	switch {
	case strings.Trim(c.TableName, nameLetters) != "" || len(c.TableName) > 1024:
		return errors.New("TABLE_NAME must be the name of a table, or its ARN")
	case c.SecretARN == "" && c.Secret.Reveal() == "":
		return errors.New("one of SECRET_ARN and LATCHKEY_SECRET is needed")
	case c.Freshness != 0 && c.Freshness < Duration(gate.MinFreshness) || c.Freshness > Duration(time.Hour):
		return fmt.Errorf("FRESHNESS must be 0, to read each key every time, or between %v and 1h", gate.MinFreshness)
	case c.Fence != "write" && c.Fence != "trust":
		return errors.New("FENCE must be write or trust")
	case c.UsageDays < 1 || c.UsageDays > 400:
		return errors.New("USAGE_DAYS must be between 1 and 400")
	case c.AuditDays < 1 || c.AuditDays > 3653:
		return errors.New("AUDIT_DAYS must be between 1 and 3653")
	case c.MaxKeysPerUser < 1:
		return errors.New("MAX_KEYS_PER_USER must be at least 1")
	case c.TrustedProxyHops < 0 || c.TrustedProxyHops > 10:
		return errors.New("TRUSTED_PROXY_HOPS must be between 0 and 10")
	case c.RateLimitRequests < 1 || c.RateLimitRequests > apikey.MaxRequests:
		return fmt.Errorf("RATE_LIMIT_REQUESTS must be between 1 and %d", apikey.MaxRequests)
	case c.RateLimitWindow < Duration(apikey.MinWindow), c.RateLimitWindow > Duration(apikey.MaxWindow),
		c.RateLimitWindow%Duration(time.Second) != 0:
		return errors.New("RATE_LIMIT_WINDOW must be whole seconds between 1 and 86400")
	case c.UpstreamCache < 0 || c.UpstreamCache > Duration(24*time.Hour):
		return errors.New("UPSTREAM_CACHE_TTL must be between 0 and 24h")
	case c.UpstreamWait < Duration(100*time.Millisecond) || c.UpstreamWait > Duration(25*time.Second):
		return errors.New("UPSTREAM_TIMEOUT must be between 0.1 and 25 seconds")
	case c.UpstreamURL != "" && !ServiceURL(c.UpstreamURL):
		return errors.New("UPSTREAM_URL must be an http or https URL without user, query and fragment")
	case c.LeakKeysURL != "" && !secureURL(c.LeakKeysURL):
		return errors.New("LEAK_KEYS_URL must be a URL with https, such as " +
			"https://api.github.com/meta/public_keys/secret_scanning, without user, query and fragment; " +
			"http is for this machine alone")
	case c.CORSOrigin != "*" && !isOrigin(c.CORSOrigin):
		return errors.New("CORS_ORIGIN must be * or one origin such as https://app.example.com, without a path")
	case c.AssertionAlgorithm != assertion.EdDSA && c.AssertionAlgorithm != assertion.HS256:
		return errors.New("ASSERTION_ALGORITHM must be EdDSA or HS256")
	case c.HTTPAPIAnswer != "iam" && c.HTTPAPIAnswer != "simple":
		return errors.New("HTTP_API_ANSWER must be iam or simple")
	case !slices.Contains([]string{"full", "alarms", "off"}, c.Metrics):
		return errors.New("METRICS must be full, alarms or off")
	case len(c.Environments) == 0:
		return errors.New("ACCEPT_ENVIRONMENTS must name at least one of live and test")
	}
	for _, e := range c.Environments {
		if !slices.Contains([]apikey.Environment{apikey.Live, apikey.Test}, e) {
			return errors.New("ACCEPT_ENVIRONMENTS may name only live and test")
		}
	}
	if _, err := c.Rules(); err != nil {
		return err
	}
	if _, err := c.Static(); err != nil {
		return err
	}
	// Static keys in a local secret are checked at the start too. A secret that is no JSON is reported
	// when it is needed.
	var t secretText
	if json.Unmarshal([]byte(c.Secret.Reveal()), &t) == nil {
		_, err := c.ParseSecret(c.Secret)
		return err
	}
	return nil
}

// isOrigin reports whether text is an origin as a browser writes it.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		text == strings.ToLower(u.Scheme+"://"+u.Host)
}

// Static returns the static keys of the variables.
func (c Config) Static() (apikey.Static, error) {
	return c.static("API_KEYS", c.APIKeys, "INTERNAL_API_KEY", c.InternalAPIKey)
}

// static returns the static keys of one place. keys and internal name the place in errors.
func (c Config) static(keys string, entries Sensitive, internal string, token Sensitive) (apikey.Static, error) {
	limit := ratelimit.Limit{Requests: c.RateLimitRequests, Window: time.Duration(c.RateLimitWindow)}
	s, err := apikey.Static{}.With(entries.Reveal(), limit)
	if err != nil {
		return apikey.Static{}, fmt.Errorf("%s: %w", keys, err)
	}
	if s, err = s.WithInternal(token.Reveal()); err != nil {
		return apikey.Static{}, fmt.Errorf("%s: %w", internal, err)
	}
	return s, nil
}

// ServiceURL reports whether text is the URL of an HTTP service, without user, query and fragment, so
// that a path can be added to it.
func ServiceURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.ContainsAny(text, " ?#") {
		return false
	}
	_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	return err == nil
}

// Duration is a duration in a variable: seconds such as "300" or "0.5", or a text such as "5m".
type Duration time.Duration

// UnmarshalText see [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if strings.Trim(s, "0123456789.") == "" {
		s += "s"
	}
	parsed, err := time.ParseDuration(s)
	*d = Duration(parsed)
	return err
}

// List has the parts between the commas of a variable, without space around them.
type List []string

// UnmarshalText never fails. It ignores empty parts.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// Sensitive is a variable that never prints.
type Sensitive struct{ redact.Secret[string] }

// NewSensitive returns the Sensitive that holds text.
func NewSensitive(text string) Sensitive { return Sensitive{redact.New(text)} }

// UnmarshalText reads the variable.
func (s *Sensitive) UnmarshalText(text []byte) error {
	*s = NewSensitive(string(text))
	return nil
}

// Equal reports whether both hold the same text.
func (s Sensitive) Equal(other Sensitive) bool { return s.Reveal() == other.Reveal() }

// Process returns the variables of this process.
func Process() map[string]string { return env.ToMap(os.Environ()) }
