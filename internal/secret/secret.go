// Package secret reads the deployment's secret from Secrets Manager, and reads it again when it may
// have changed. Call [New], and then [Secret.Keyring].
package secret

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"latchkey/internal/assertion"
	"latchkey/internal/config"
	"latchkey/internal/gate"
	"latchkey/internal/pepper"
)

// Secret is the deployment's secret. It is read when it is first needed, and again every five
// minutes, so that every instance soon knows a new pepper. It is safe for concurrent use.
type Secret struct {
	config config.Config
	fetch  func(context.Context) (config.Sensitive, error)
	now    func() time.Time
	logger *slog.Logger

	reading sync.Mutex // held by the request that reads

	mu      sync.Mutex // guards the rest
	content content
	have    bool          // the content was read once
	tried   time.Time     // when the last attempt to read began
	rest    time.Duration // between that attempt and the next
}

type content struct {
	keyring gate.Keyring
	// assertion holds the keys of assertions.
	assertion assertion.Keys
}

const (
	rereadEvery = 5 * time.Minute
	retryEvery  = 10 * time.Second // after a failure
	rereadMost  = time.Second      // the least time between two reads for [Secret.Reread]
	publishMost = 10 * time.Second // the age of the content that [Secret.Published] uses
	readTimeout = 2 * time.Second
	endless     = time.Duration(1<<63 - 1)
)

// New returns the secret that c names, without reading it. The logger gets a warning if it cannot be
// read again.
func New(c config.Config, account aws.Config, now func() time.Time, logger *slog.Logger) *Secret {
	s := &Secret{config: c, now: now, logger: logger}
	if c.Secret.Reveal() != "" {
		s.fetch = func(context.Context) (config.Sensitive, error) { return c.Secret, nil }
		return s
	}
	client := secretsmanager.NewFromConfig(account)
	s.fetch = func(ctx context.Context) (config.Sensitive, error) {
		out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(c.SecretARN)})
		if err != nil {
			return config.Sensitive{}, fmt.Errorf("get the secret's value: %w", err)
		}
		return config.NewSensitive(aws.ToString(out.SecretString)), nil
	}
	return s
}

// Hasher returns the hasher of the secret.
func (s *Secret) Hasher(ctx context.Context) (pepper.Hasher, error) {
	keyring, err := s.Keyring(ctx)
	return keyring.Hasher, err
}

// Keyring returns the content of the secret. If the secret cannot be read again, Keyring returns the
// last content. It returns an error only if the secret was never read.
func (s *Secret) Keyring(ctx context.Context) (gate.Keyring, error) {
	c, err := s.younger(ctx, rereadEvery)
	return c.keyring, err
}

// Assertion returns the keys of assertions. It reads the secret as [Secret.Keyring] does.
func (s *Secret) Assertion(ctx context.Context) (assertion.Keys, error) {
	c, err := s.younger(ctx, rereadEvery)
	return c.assertion, err
}

// Published returns the keys of assertions as they were at most 10 seconds ago. Another instance may
// already sign with a new key, and a backend then asks for it.
func (s *Secret) Published(ctx context.Context) (assertion.Keys, error) {
	c, err := s.younger(ctx, publishMost)
	return c.assertion, err
}

// Reread returns the hasher of the secret as it was at most a second ago. Other instances may
// already hash with a pepper that is newer than the last read.
func (s *Secret) Reread(ctx context.Context) (pepper.Hasher, error) {
	c, err := s.younger(ctx, rereadMost)
	return c.keyring.Hasher, err
}

// younger returns the content if it is younger than most, and reads it otherwise. One request reads
// for all: the others wait for it, except those to which the last content is as good.
func (s *Secret) younger(ctx context.Context, most time.Duration) (content, error) {
	if c, ok := s.last(most); ok {
		return c, nil
	}
	if !s.reading.TryLock() {
		if c, ok := s.last(endless); ok && most >= rereadEvery {
			return c, nil
		}
		s.reading.Lock()
	}
	defer s.reading.Unlock()
	if c, ok := s.last(most); ok { // another request has read it
		return c, nil
	}
	now := s.wall()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	read, err := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !s.have {
		return content{}, err
	}
	s.tried, s.rest = now, retryEvery
	if err != nil {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "the secret stays as it was", slog.Any("error", err))
		return s.content, nil
	}
	s.content, s.have, s.rest = read, true, rereadEvery
	return read, nil
}

// wall returns the wall clock's time, because an instance may have been frozen.
func (s *Secret) wall() time.Time { return s.now().Round(0) }

// last returns the content if the last attempt to read it is younger than most.
func (s *Secret) last(most time.Duration) (content, bool) {
	now := s.wall()
	s.mu.Lock()
	defer s.mu.Unlock()
	age := now.Sub(s.tried)
	return s.content, s.have && (most == endless || 0 <= age && age < min(s.rest, most))
}

func (s *Secret) read(ctx context.Context) (content, error) {
	text, err := s.fetch(ctx)
	if err != nil {
		return content{}, err
	}
	parsed, err := s.config.ParseSecret(text)
	if err != nil {
		return content{}, err
	}
	hasher, err := pepper.NewHasher(parsed.Master.Reveal(), parsed.Peppers.Reveal())
	if err != nil {
		return content{}, err
	}
	keys, err := assertion.NewKeys(parsed.Master.Reveal(), parsed.AssertionKeys.Reveal())
	if err != nil {
		return content{}, err
	}
	return content{gate.Keyring{Hasher: hasher, Static: parsed.Static}, keys}, nil
}
