package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"latchkey/internal/apikey"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
)

// Secret is the deployment's secret: {"master": "…", "peppers": ["…"]}, and static
// keys as API_KEYS and INTERNAL_API_KEY have them, "staticKeys" and "internalKey".
// It is read when it is first needed and again every five minutes, so that a new
// pepper is known everywhere before long. It is safe for concurrent use.
type Secret struct {
	config Config
	fetch  func(context.Context) (Sensitive, error)
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	keyring gate.Keyring
	have    bool
	tried   time.Time     // when it was last read, or could not be
	rest    time.Duration // before it is read again
}

const (
	rereadEvery = 5 * time.Minute
	retryEvery  = 10 * time.Second
	rereadMost  = time.Second
	readTimeout = 2 * time.Second
)

// NewSecret returns the secret that c names, without reading it. The logger is told
// when it cannot be read again.
func NewSecret(c Config, account aws.Config, now func() time.Time, logger *slog.Logger) *Secret {
	s := &Secret{config: c, now: now, logger: logger}
	if c.Secret.Reveal() != "" {
		s.fetch = func(context.Context) (Sensitive, error) { return c.Secret, nil }
		return s
	}
	client := secretsmanager.NewFromConfig(account)
	s.fetch = func(ctx context.Context) (Sensitive, error) {
		out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(c.SecretARN)})
		if err != nil {
			return Sensitive{}, fmt.Errorf("get the secret's value: %w", err)
		}
		return NewSensitive(aws.ToString(out.SecretString)), nil
	}
	return s
}

// Hasher returns what the secret hashes with.
func (s *Secret) Hasher(ctx context.Context) (pepper.Hasher, error) {
	keyring, err := s.Keyring(ctx)
	return keyring.Hasher, err
}

// Keyring returns what the secret holds. While it cannot be read again the last
// one goes on being used.
func (s *Secret) Keyring(ctx context.Context) (gate.Keyring, error) {
	return s.younger(ctx, rereadEvery)
}

// Reread returns what the secret hashes with by now, read at most a second ago:
// others may already do so with a pepper that has come since the last read.
func (s *Secret) Reread(ctx context.Context) (pepper.Hasher, error) {
	keyring, err := s.younger(ctx, rereadMost)
	return keyring.Hasher, err
}

func (s *Secret) younger(ctx context.Context, most time.Duration) (gate.Keyring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0) // wall clock: an environment may have been frozen
	if age := now.Sub(s.tried); s.have && 0 <= age && age < min(s.rest, most) {
		return s.keyring, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	keyring, err := s.read(ctx)
	if err != nil && !s.have {
		return gate.Keyring{}, err
	}
	s.tried, s.rest = now, retryEvery
	if err != nil {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "the secret stays as it was", slog.Any("error", err))
		return s.keyring, nil
	}
	s.keyring, s.have, s.rest = keyring, true, rereadEvery
	return keyring, nil
}

func (s *Secret) read(ctx context.Context) (gate.Keyring, error) {
	text, err := s.fetch(ctx)
	if err != nil {
		return gate.Keyring{}, err
	}
	var content content
	if err := json.Unmarshal([]byte(text.Reveal()), &content); err != nil {
		// The error could quote the secret.
		return gate.Keyring{}, errors.New(`the secret is not JSON of the form {"master":"…","peppers":[…]}`)
	}
	var peppers []string
	for _, p := range content.Peppers {
		peppers = append(peppers, p.Reveal())
	}
	hasher, err := pepper.NewHasher(content.Master.Reveal(), peppers)
	if err != nil {
		return gate.Keyring{}, err
	}
	static, err := s.config.Static()
	if err != nil {
		return gate.Keyring{}, err
	}
	static, err = s.config.withSecret(static, content)
	return gate.Keyring{Hasher: hasher, Static: static}, err
}

// content holds the fields of the secret's JSON.
type content struct {
	Master      Sensitive   `json:"master"`
	Peppers     []Sensitive `json:"peppers"`
	StaticKeys  Sensitive   `json:"staticKeys"`
	InternalKey Sensitive   `json:"internalKey"`
}

// withSecret returns s and the static keys of the secret.
func (c Config) withSecret(s apikey.Static, secret content) (apikey.Static, error) {
	return c.with(s.Elsewhere(), "the secret's staticKeys", secret.StaticKeys.Reveal(), "the secret's internalKey", secret.InternalKey.Reveal())
}
