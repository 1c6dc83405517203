package config_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
)

// secretsManager has one secret, unless it is empty: then it does not answer.
type secretsManager struct {
	text  string
	reads int
}

func (s *secretsManager) Do(*http.Request) (*http.Response, error) {
	s.reads++
	if s.text == "" {
		return nil, errors.New("no route to host")
	}
	body, err := json.Marshal(map[string]string{"SecretString": s.text})
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(string(body))),
	}, err
}

// The secret is read when it is due, and sooner for who cannot do with what there
// is. A clock that is set back is no reason to go on with an old one.
func TestTheSecretIsReadAgainForAPepperThatIsNotAtHand(t *testing.T) {
	service := &secretsManager{text: secret}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := config.NewSecret(config.Config{SecretARN: "arn"}, aws.Config{
		Region: "us-east-1", HTTPClient: service, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	format, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	token, err := format.Parse("a-foreign-token-of-somebody")
	if err != nil {
		t.Fatal(err)
	}
	older, err := s.Hasher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hashed := older.Hash(token)
	newer := strings.Replace(secret, "[]", `["a-pepper-of-sixteen"]`, 1)
	for i, c := range []struct {
		passed  time.Duration
		text    string
		soon    bool
		reads   int
		current bool // the pepper of the beginning is still the newest
	}{
		{4 * time.Minute, secret, false, 0, true},
		{time.Minute, secret, false, 1, true},
		{time.Second - 1, newer, true, 0, true},
		{0, newer, false, 0, true},
		{1, newer, true, 1, false},
		{0, newer, true, 0, false},
		{5*time.Minute - 1, secret, false, 0, false},
		{1, secret, false, 1, true},
		{-time.Hour, newer, false, 1, false},
		{time.Minute, "", true, 1, false}, // it is not known to be another
		{time.Second - 1, secret, true, 0, false},
		{time.Second, "", true, 1, false},
		{10*time.Second - 1, secret, false, 0, false},
		{1, secret, false, 1, true},
	} {
		now = now.Add(c.passed)
		service.text, service.reads = c.text, 0
		read := s.Keyring
		if c.soon {
			read = s.Reread
		}
		keyring, err := read(t.Context())
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if service.reads != c.reads || keyring.Hasher.Current(hashed) != c.current {
			t.Errorf("%d: %d reads, and the first pepper is the newest: %v", i, service.reads, !c.current)
		}
	}
}
