// Package config reads the process environment and the deployment's secret into
// checked values. Every variable that latchkey knows is a field of [Config].
package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/caarlos0/env/v11"

	"latchkey/internal/apikey"
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
	// late a revocation bites. 0 reads every time.
	Freshness time.Duration `env:"FRESHNESS" envDefault:"1s"`
	// Environments are those whose keys are accepted.
	Environments []apikey.Environment `env:"ENVIRONMENTS" envDefault:"live,test"`
	// MaxKeysPerUser is how many keys one user may hold that are not revoked.
	MaxKeysPerUser int `env:"MAX_KEYS_PER_USER" envDefault:"20"`

	// RouteScopes says which scope a route asks for: "POST /tts/*=tts;*=".
	RouteScopes string `env:"ROUTE_SCOPES"`
	// TrustedProxyHops is how many proxies of our own stand before API Gateway.
	TrustedProxyHops int `env:"TRUSTED_PROXY_HOPS" envDefault:"0"`
	// QueryAPIKey allows a key to stand in the query as api_key.
	QueryAPIKey bool `env:"QUERY_API_KEY" envDefault:"true"`

	// Service is what metrics call the function: two deployments in one account
	// are told apart by it. Empty: its own name, such as authorizer.
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
	if err := env.ParseWithOptions(&c, env.Options{Environment: variables}); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

func (c Config) check() error {
	if _, err := apikey.NewFormat(c.KeyPrefix); err != nil {
		return fmt.Errorf("KEY_PREFIX: %w", err)
	}
	switch {
	case c.SecretARN == "" && c.Secret == "":
		return errors.New("one of SECRET_ARN and LATCHKEY_SECRET is needed")
	case c.Freshness < 0 || c.Freshness > time.Hour:
		return errors.New("FRESHNESS must be between 0 and 1h")
	case c.MaxKeysPerUser < 1:
		return errors.New("MAX_KEYS_PER_USER must be at least 1")
	case c.TrustedProxyHops < 0 || c.TrustedProxyHops > 10:
		return errors.New("TRUSTED_PROXY_HOPS must be between 0 and 10")
	case len(c.Environments) == 0:
		return errors.New("ENVIRONMENTS must name at least one of live and test")
	}
	for _, e := range c.Environments {
		if !slices.Contains([]apikey.Environment{apikey.Live, apikey.Test}, e) {
			return errors.New("ENVIRONMENTS may name only live and test")
		}
	}
	return nil
}

// Sensitive is a text that never prints.
type Sensitive string

// Format and MarshalText redact.
func (Sensitive) Format(s fmt.State, _ rune)   { _, _ = s.Write([]byte("[redacted]")) }
func (Sensitive) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Process returns the variables of this process.
func Process() map[string]string { return env.ToMap(os.Environ()) }
