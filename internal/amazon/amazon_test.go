package amazon_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/amazon"
)

func TestRootsAreThoseOfAmazonAndOfEverySystem(t *testing.T) {
	// https://www.amazontrust.com/repository/ lists these.
	want := map[string]string{
		"Amazon Root CA 1": "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
		"Amazon Root CA 2": "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
		"Amazon Root CA 3": "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
		"Amazon Root CA 4": "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
		"Starfield Services Root Certificate Authority - G2": "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for block, rest := pem.Decode(roots(t)); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		name := c.Subject.CommonName
		got[name] = fmt.Sprintf("%x", sha256.Sum256(block.Bytes))
		if !c.IsCA || time.Until(c.NotAfter) < 2*365*24*time.Hour {
			t.Errorf("%s: an authority %v, until %v", name, c.IsCA, c.NotAfter)
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: system}); err != nil {
			t.Errorf("%s is not in the system's store, which ca-certificates brings: %v", name, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func roots(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("roots.pem")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// stranger starts a server that Amazon's roots do not vouch for.
func stranger(t *testing.T) (url, bundle string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would log handshakes that must fail
	server.StartTLS()
	t.Cleanup(server.Close)
	bundle = filepath.Join(t.TempDir(), "bundle.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, bundle
}

func get(t *testing.T, variables map[string]string, url string) error {
	t.Helper()
	c, err := amazon.Lambda(variables)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.HTTPClient.Do(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func TestABundleIsTrustedAloneAndAStrangerIsNot(t *testing.T) {
	url, bundle := stranger(t)
	if err := get(t, map[string]string{"AWS_CA_BUNDLE": bundle}, url); err != nil {
		t.Error(err)
	}
	if err := get(t, nil, url); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("without the bundle: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, roots(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := get(t, map[string]string{"AWS_CA_BUNDLE": other}, url); err == nil {
		t.Error("with a bundle, another authority is trusted")
	}
}

func TestAWrongVariableIsNamed(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{
		"AWS_CA_BUNDLE=/nowhere", "AWS_CA_BUNDLE=" + text, "AWS_USE_FIPS_ENDPOINT=yes",
		"AWS_USE_DUALSTACK_ENDPOINT=1",
	} {
		name, value, _ := strings.Cut(wrong, "=")
		if _, err := amazon.Lambda(map[string]string{name: value}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// sent notes where a request would go, and sends nothing.
type sent struct{ host, token string }

func (s *sent) Do(r *http.Request) (*http.Response, error) {
	s.host, s.token = r.URL.Host, r.Header.Get("X-Amz-Security-Token")
	return nil, context.Canceled
}

func TestTheSDKUsesTheEndpointAndTheCredentials(t *testing.T) {
	for _, c := range []struct{ variables, want string }{
		{"", "secretsmanager.eu-west-1.amazonaws.com"},
		{"AWS_REGION=cn-north-1", "secretsmanager.cn-north-1.amazonaws.com.cn"},
		{"AWS_USE_FIPS_ENDPOINT=TRUE", "secretsmanager-fips.eu-west-1.amazonaws.com"},
		{"AWS_USE_FIPS_ENDPOINT=false", "secretsmanager.eu-west-1.amazonaws.com"},
		{"AWS_REGION=cn-north-1 AWS_USE_FIPS_ENDPOINT=true AWS_USE_DUALSTACK_ENDPOINT=true", "secretsmanager-fips.cn-north-1.api.amazonwebservices.com.cn"},
		{"AWS_ENDPOINT_URL=https://all.example", "all.example"},
		{"AWS_ENDPOINT_URL_SECRETS_MANAGER=https://one.example", "one.example"},
		{"AWS_ENDPOINT_URL=https://all.example AWS_ENDPOINT_URL_SECRETS_MANAGER=https://one.example", "one.example"},
		{"AWS_ENDPOINT_URL_SECRETS_MANAGER=", "secretsmanager.eu-west-1.amazonaws.com"},
		{"AWS_ENDPOINT_URL_DYNAMODB=https://one.example", "secretsmanager.eu-west-1.amazonaws.com"},
	} {
		t.Run(c.variables, func(t *testing.T) {
			variables := map[string]string{
				"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
				"AWS_SESSION_TOKEN": "token",
			}
			for _, variable := range strings.Fields(c.variables) {
				name, value, _ := strings.Cut(variable, "=")
				variables[name] = value
				t.Setenv(name, value) // the SDK's clients read some of them themselves
			}
			account, err := amazon.Lambda(variables)
			if err != nil {
				t.Fatal(err)
			}
			var s sent
			account.HTTPClient = &s
			_, _ = secretsmanager.NewFromConfig(account).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
			if want := (sent{c.want, "token"}); s != want {
				t.Errorf("%v, want %v", s, want)
			}
		})
	}
}
