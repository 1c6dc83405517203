// Package config reads the process environment and the deployment's secret into
// checked values. Every variable that latchkey knows is a field of [Config].
package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/ratelimit"
	"latchkey/internal/redact"
)

// Config is what a function is told. It prints no secret.
type Config struct {
	// TableName is the DynamoDB table.
	TableName string `env:"TABLE_NAME,required,notEmpty"`
	// Endpoint is another DynamoDB endpoint than the region's own. The SDK reads
	// the same variable.
	Endpoint string `env:"AWS_ENDPOINT_URL_DYNAMODB"`
	// SecretARN names the secret in Secrets Manager that holds master and peppers.
	SecretARN string `env:"SECRET_ARN"`
	// Secret is that secret itself, for where there is no Secrets Manager.
	Secret Sensitive `env:"LATCHKEY_SECRET"`

	// KeyPrefix is the first part of our own tokens: sk in sk_live_….
	KeyPrefix string `env:"KEY_PREFIX" envDefault:"sk"`
	// Freshness is how long a key that was read may be trusted: the bound on how
	// late a revocation bites. 0 reads every time; less than 250 ms is refused.
	Freshness Duration `env:"FRESHNESS" envDefault:"1s"`
	// Environments are those whose keys are accepted.
	Environments []apikey.Environment `env:"ACCEPT_ENVIRONMENTS" envDefault:"live,test"`
	// MaxKeysPerUser is how many keys one user may hold that are not revoked.
	MaxKeysPerUser int `env:"MAX_KEYS_PER_USER" envDefault:"20"`

	// UsageDays is for how many days it is remembered what was used on a day.
	UsageDays int `env:"USAGE_DAYS" envDefault:"400"`
	// AuditDays is for how many days it is kept what was done to keys.
	AuditDays int `env:"AUDIT_DAYS" envDefault:"365"`

	// Issuers and Audiences are whose JSON Web Tokens stand for users, and whom the
	// tokens must be meant for. No issuers: users need keys.
	Issuers   List `env:"OIDC_ISSUER"`
	Audiences List `env:"OIDC_AUDIENCE"`
	// AdminClaim is what a token must have for its user to be an admin:
	// "groups=latchkey-admins".
	AdminClaim string `env:"OIDC_ADMIN_CLAIM"`
	// UserMaxRequests is how many requests in a minute, on the average, a user who
	// has no key may grant one; UserScopes which scopes.
	UserMaxRequests int64 `env:"USER_MAX_REQUESTS" envDefault:"60"`
	UserScopes      List  `env:"USER_SCOPES"`

	// RouteScopes says which scope a route asks for: "POST /tts/*=tts;*=".
	RouteScopes string `env:"ROUTE_SCOPES"`
	// PublicPaths need no key: "/health,/docs/*".
	PublicPaths string `env:"PUBLIC_PATHS" envDefault:"/health,/docs,/openapi.json"`
	// RequireAuth false lets everybody in as anonymous.
	RequireAuth bool `env:"REQUIRE_AUTH" envDefault:"true"`
	// TrustedProxyHops is how many proxies of our own stand before API Gateway.
	TrustedProxyHops int `env:"TRUSTED_PROXY_HOPS" envDefault:"0"`
	// QueryAPIKey allows a key to stand in the query as api_key.
	QueryAPIKey bool `env:"QUERY_API_KEY" envDefault:"true"`
	// UnlimitedNumbers shows a key without a limit as one of 999999 requests.
	UnlimitedNumbers bool `env:"UNLIMITED_NUMBERS" envDefault:"false"`

	// APIKeys are static keys, "token:name,token:name", each with the limit of
	// RateLimitRequests in RateLimitWindow. InternalAPIKey has none.
	APIKeys           Sensitive `env:"API_KEYS"`
	InternalAPIKey    Sensitive `env:"INTERNAL_API_KEY"`
	RateLimitRequests int64     `env:"RATE_LIMIT_REQUESTS" envDefault:"60"`
	RateLimitWindow   Duration  `env:"RATE_LIMIT_WINDOW" envDefault:"60"`

	// UpstreamURL is another key service, asked for tokens that nobody here knows
	// and that begin with UpstreamPrefix.
	UpstreamURL    string   `env:"UPSTREAM_URL"`
	UpstreamPrefix string   `env:"UPSTREAM_PREFIX"`
	UpstreamCache  Duration `env:"UPSTREAM_CACHE_TTL" envDefault:"300"`
	UpstreamWait   Duration `env:"UPSTREAM_TIMEOUT" envDefault:"5"`

	// Service is what metrics call the function, and what it calls itself to AWS,
	// which CloudTrail shows: two deployments in one account are told apart by it. Empty: its own name, such as authorizer.
	Service string `env:"SERVICE"`
	// Function and LogLevel are set by Lambda, the latter from the template.
	Function string `env:"AWS_LAMBDA_FUNCTION_NAME" envDefault:"local"`
	LogLevel string `env:"AWS_LAMBDA_LOG_LEVEL" envDefault:"INFO"`

	// Local is set by the local stack, whose engine takes any credentials.
	Local bool `env:"-"`
}

// Load reads a configuration from the variables given, which are those of
// os.Environ but in tests and in the local stack.
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

// nameLetters are those of a table's name or ARN.
const nameLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-:/"

// Read fills the struct that into points to from variables, by its tags. An error
// says which variable cannot be read: the library names the field, and quotes the
// value, which may be a secret.
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
	case c.RateLimitWindow < Duration(apikey.MinWindow) || c.RateLimitWindow > Duration(apikey.MaxWindow) || c.RateLimitWindow%Duration(time.Second) != 0:
		return errors.New("RATE_LIMIT_WINDOW must be whole seconds between 1 and 86400")
	case c.UpstreamCache < 0 || c.UpstreamCache > Duration(24*time.Hour):
		return errors.New("UPSTREAM_CACHE_TTL must be between 0 and 24h")
	case c.UpstreamWait < Duration(100*time.Millisecond) || c.UpstreamWait > Duration(25*time.Second):
		return errors.New("UPSTREAM_TIMEOUT must be between 0.1 and 25 seconds")
	case c.UpstreamURL != "" && !ServiceURL(c.UpstreamURL):
		return errors.New("UPSTREAM_URL must be an http or https URL without user, query and fragment")
	case len(c.Environments) == 0:
		return errors.New("ACCEPT_ENVIRONMENTS must name at least one of live and test")
	}
	for _, e := range c.Environments {
		if !slices.Contains([]apikey.Environment{apikey.Live, apikey.Test}, e) {
			return errors.New("ACCEPT_ENVIRONMENTS may name only live and test")
		}
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

// ServiceURL reports whether text is the URL of an HTTP service to which a path can
// be added, and holds no secret.
func ServiceURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.ContainsAny(text, " ?#") {
		return false
	}
	_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	return err == nil
}

// Duration is written in seconds, "300" or "0.5", or as "5m" and "500ms".
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

func (c Config) checkUsers() error {
	for _, issuer := range c.Issuers {
		u, err := url.Parse(issuer)
		if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsAny(issuer, "?#") || !secure(u) {
			return errors.New(
				"OIDC_ISSUER must be URLs such as https://login.example.com, without user and query; http is for this machine alone",
			)
		}
	}
	name, value, _ := strings.Cut(c.AdminClaim, "=")
	scopes := apikey.Scopes(c.UserScopes)
	switch {
	case (len(c.Issuers) == 0) != (len(c.Audiences) == 0):
		return errors.New("OIDC_ISSUER and OIDC_AUDIENCE need each other: a token counts only when it is meant for us")
	case c.AdminClaim != "" && (name == "" || value == ""):
		return errors.New("OIDC_ADMIN_CLAIM must be of the form claim=value, as in groups=latchkey-admins")
	case c.UserMaxRequests < 1 || c.UserMaxRequests > apikey.MaxRequests:
		return fmt.Errorf("USER_MAX_REQUESTS must be between 1 and %d", apikey.MaxRequests)
	case scopes.Admin():
		return errors.New("USER_SCOPES must not reach keys:admin: OIDC_ADMIN_CLAIM says who is an admin")
	case len(scopes) > apikey.MaxScopes || slices.ContainsFunc(scopes, func(s string) bool { return !apikey.ValidScope(s) }):
		return fmt.Errorf("USER_SCOPES must be at most %d scopes of a-z 0-9 : . _ * -", apikey.MaxScopes)
	}
	return nil
}

func secure(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// List is what stands between commas, without space around it.
type List []string

// UnmarshalText never fails: what is left out between two commas is left out.
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
