package functions_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/amazon"
	"latchkey/internal/apikey"
	"latchkey/internal/config"
	"latchkey/internal/dynamo/dynamotest"
	"latchkey/internal/instance"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

const (
	secretARN  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:Secret-AbCdEf"
	secretText = `{"master":"` + canary + canary + canary + canary + `","peppers":[]}`
)

// authority is a certificate authority. It signs the certificates of a test's servers.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	connected   atomic.Pointer[time.Time] // when the first connection to its servers was opened, if any
}

// newKey stores an API key as latchkey init does, and returns its token.
func newKey(t testing.TB, table, endpoint string) string {
	t.Helper()
	c, err := config.Load(map[string]string{
		"TABLE_NAME": table, "AWS_ENDPOINT_URL_DYNAMODB": endpoint, "LATCHKEY_SECRET": secretText,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Local = true
	e, err := instance.New(t.Context(), c, amazon.Local(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	token, err := e.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scopes, limit := apikey.Scopes{"tts", apikey.ScopeAdmin}, ratelimit.Limit{Requests: 10_000, Window: time.Minute}
	k, err := e.Registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{Scopes: &scopes, Limit: &limit})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Table.Write(t.Context(), registry.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Root of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	return a
}

// certificate makes a key and a certificate for it. If by is nil, the certificate signs itself.
func certificate(t testing.TB, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// serve starts an HTTPS server on this machine and returns its URL.
func (a *authority) serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	c, key := certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // some handshakes must fail
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if now := time.Now(); state == http.StateNew {
			a.connected.CompareAndSwap(nil, &now)
		}
	}
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// embed returns the flag of go build that adds the authority to the roots that the bootstrap
// contains.
func (a *authority) embed(t testing.TB) string {
	t.Helper()
	path := filepath.Join(dynamotest.Root(), "internal", "amazon", "roots.pem")
	roots, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{path: write(t, append(roots, a.pem...))}})
	if err != nil {
		t.Fatal(err)
	}
	return "-overlay=" + write(t, text)
}

// bundle writes the authority's certificate to a file.
func (a *authority) bundle(t testing.TB) string {
	t.Helper()
	return write(t, a.pem)
}

func write(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// engine returns a proxy to the database engine of the tests.
func engine(t testing.TB, endpoint string) http.Handler {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	return proxy
}

// secretsManager answers GetSecretValue for secretARN with text.
func secretsManager(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId string }
		err := json.NewDecoder(r.Body).Decode(&in)
		if err != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || in.SecretId != secretARN {
			refuse(http.StatusBadRequest, "InvalidRequestException", "not what the test expects")(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"ARN": secretARN, "Name": "Secret-AbCdEf", "VersionId": strings.Repeat("1", 32), "SecretString": text,
		})
	})
}

// refuse answers each request with an error in the form of AWS's JSON protocols.
func refuse(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
	}
}
