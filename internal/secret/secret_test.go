package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/secret"
)

// plain is a secret without peppers and static keys.
var plain = `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`

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

func (s *secretsManager) account() aws.Config {
	return aws.Config{
		Region: "us-east-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// A pepper or a static key that is added to the secret is known within five minutes, without a
// deploy. While the secret cannot be read, or is wrong, the last content counts. The log says so, and
// the secret is read again every ten seconds.
func TestTheSecretIsReadAgain(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	service := &secretsManager{}
	c, err := config.Load(map[string]string{"TABLE_NAME": "t", "SECRET_ARN": "arn", "API_KEYS": "the-static-key-k1:a"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := secret.New(c, service.account(), func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	with := func(fields string) string { return strings.Replace(plain, "}", fields+"}", 1) }
	for i, c := range []struct {
		pass  time.Duration
		text  string
		reads int    // so far
		want  string // names of static keys; empty: an error
	}{
		{0, "", 1, ""}, {0, "", 2, ""}, {0, with(`,"staticKeys":"the-static-key-k2:b"`), 3, "a b"},
		{299 * time.Second, with(`,"staticKeys":"the-static-key-k3:c","internalKey":"the-static-key-k4"`), 3, "a b"}, {time.Second, with(`,"staticKeys":"the-static-key-k3:c","internalKey":"the-static-key-k4"`), 4, "a c internal"},
		{5 * time.Minute, "", 5, "a c internal"}, {9 * time.Second, "", 5, "a c internal"},
		{time.Second, with(`,"staticKeys":"wrong key"`), 6, "a c internal"}, {10 * time.Second, plain, 7, "a"}, {299 * time.Second, "", 7, "a"},
	} {
		now, service.text = now.Add(c.pass), c.text
		keyring, err := s.Keyring(t.Context())
		var names []string
		for _, k := range keyring.Static.Keys() {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); got != c.want || (err != nil) != (c.want == "") || service.reads != c.reads {
			t.Errorf("step %d: %q, asked %d times, %v; want %q after %d", i, got, service.reads, err, c.want, c.reads)
		}
	}
	if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "staticKeys: entry 1") || strings.Contains(lines[1], "wrong") {
		t.Errorf("the log: %s", log.String())
	}
}

// The secret is read when it is due, and sooner if a pepper is missing. A clock that is set back does
// not keep an old content.
func TestTheSecretIsReadAgainForAPepperThatIsNotAtHand(t *testing.T) {
	service := &secretsManager{text: plain}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := secret.New(config.Config{SecretARN: "arn"}, service.account(), func() time.Time { return now }, slog.New(slog.DiscardHandler))
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
	newer := strings.Replace(plain, "[]", `["a-pepper-of-sixteen"]`, 1)
	for i, c := range []struct {
		passed  time.Duration
		text    string
		soon    bool
		reads   int
		current bool // the pepper of the beginning is still the newest
	}{
		{4 * time.Minute, plain, false, 0, true},
		{time.Minute, plain, false, 1, true},
		{time.Second - 1, newer, true, 0, true},
		{0, newer, false, 0, true},
		{1, newer, true, 1, false},
		{0, newer, true, 0, false},
		{5*time.Minute - 1, plain, false, 0, false},
		{1, plain, false, 1, true},
		{-time.Hour, newer, false, 1, false},
		{time.Minute, "", true, 1, false}, // it is not known to be another
		{time.Second - 1, plain, true, 0, false},
		{time.Second, "", true, 1, false},
		{10*time.Second - 1, plain, false, 0, false},
		{1, plain, false, 1, true},
	} {
		now = now.Add(c.passed)
		service.text, service.reads = c.text, 0
		read := s.Hasher
		if c.soon {
			read = s.Reread
		}
		hasher, err := read(t.Context())
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if service.reads != c.reads || hasher.Current(&hashed) != c.current {
			t.Errorf("%d: %d reads, and the first pepper is the newest: %v", i, service.reads, !c.current)
		}
	}
}

func TestAWrongSecretIsAnError(t *testing.T) {
	for name, text := range map[string]string{"not JSON": "canary", "short": `{"master":"canary"}`, "a short pepper": strings.Replace(plain, "[]", `["canary"]`, 1)} {
		s := secret.New(config.Config{Secret: config.NewSensitive(text), SecretARN: "arn"}, aws.Config{}, func() time.Time { return time.Unix(0, 0) }, slog.New(slog.DiscardHandler))
		_, err := s.Hasher(t.Context())
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := secret.New(config.Config{Secret: config.NewSensitive(plain)}, aws.Config{}, func() time.Time { return time.Unix(0, 0) }, slog.New(slog.DiscardHandler))
	if _, err := s.Hasher(t.Context()); err != nil {
		t.Error(err)
	}
}

// slow is a Secrets Manager that answers when the test lets it.
type slow struct {
	secretsManager
	asked, answer chan struct{}
}

func (s *slow) Do(r *http.Request) (*http.Response, error) {
	s.asked <- struct{}{}
	<-s.answer
	return s.secretsManager.Do(r)
}

// While one request reads the secret again, the others do not wait for it.
func TestOneRequestReadsForAll(t *testing.T) {
	service := &slow{secretsManager{text: plain}, make(chan struct{}, 9), make(chan struct{}, 9)}
	account := service.account()
	account.HTTPClient = service
	var passed atomic.Int64
	now := func() time.Time { return time.Unix(1795521600+passed.Load(), 0) }
	s := secret.New(config.Config{SecretARN: "arn"}, account, now, slog.New(slog.DiscardHandler))
	service.answer <- struct{}{}
	if _, err := s.Keyring(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-service.asked
	passed.Add(360)
	reader := make(chan error)
	go func() {
		_, err := s.Keyring(t.Context())
		reader <- err
	}()
	<-service.asked
	for range 100 {
		if _, err := s.Keyring(t.Context()); err != nil { // would be a deadlock if it waited
			t.Fatal(err)
		}
	}
	service.answer <- struct{}{}
	if err := <-reader; err != nil || service.reads != 2 {
		t.Errorf("%d reads, %v", service.reads, err)
	}
}
