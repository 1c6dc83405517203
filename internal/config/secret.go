package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"latchkey/internal/apikey"
)

// Secret is the deployment's secret: {"master": "…", "peppers": ["…"]}. It is
// read when it is first needed and again every five minutes, so that a new
// pepper is known everywhere before long. It is safe for concurrent use.
type Secret struct {
	fetch func(context.Context) (Sensitive, error)
	now   func() time.Time

	mu     sync.Mutex
	hasher apikey.Hasher
	have   bool
	next   time.Time // when to read again
}

const (
	rereadEvery = 5 * time.Minute
	retryEvery  = 10 * time.Second
	readTimeout = 2 * time.Second
)

// NewSecret returns the secret that c names, without reading it.
func NewSecret(ctx context.Context, c Config, now func() time.Time) (*Secret, error) {
	s := &Secret{now: now}
	if c.Secret != "" {
		s.fetch = func(context.Context) (Sensitive, error) { return c.Secret, nil }
		return s, nil
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure Secrets Manager: %w", err)
	}
	client := secretsmanager.NewFromConfig(loaded)
	s.fetch = func(ctx context.Context) (Sensitive, error) {
		out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(c.SecretARN)})
		if err != nil {
			return "", fmt.Errorf("get the secret's value: %w", err)
		}
		return Sensitive(aws.ToString(out.SecretString)), nil
	}
	return s, nil
}

// Hasher returns what the secret hashes with. While it cannot be read again the
// last one goes on being used.
func (s *Secret) Hasher(ctx context.Context) (apikey.Hasher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().Round(0) // wall clock: an environment may have been frozen
	if s.have && now.Before(s.next) {
		return s.hasher, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	hasher, err := s.read(ctx)
	if err != nil && !s.have {
		return apikey.Hasher{}, err
	}
	if err != nil {
		s.next = now.Add(retryEvery)
		return s.hasher, nil
	}
	s.hasher, s.have, s.next = hasher, true, now.Add(rereadEvery)
	return hasher, nil
}

func (s *Secret) read(ctx context.Context) (apikey.Hasher, error) {
	text, err := s.fetch(ctx)
	if err != nil {
		return apikey.Hasher{}, err
	}
	var content struct {
		Master  string   `json:"master"`
		Peppers []string `json:"peppers"`
	}
	if err := json.Unmarshal([]byte(text), &content); err != nil {
		// The error could quote the secret.
		return apikey.Hasher{}, errors.New(`the secret is not JSON of the form {"master":"…","peppers":[…]}`)
	}
	return apikey.NewHasher(content.Master, content.Peppers)
}
