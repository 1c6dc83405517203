package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
	"latchkey/internal/registry"
)

// writeCertificate writes a certificate for 127.0.0.1 with a serial number, and its key.
func writeCertificate(t testing.TB, folder string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "latchkey"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// listen returns a listener on any port of this machine.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A new certificate is used for new connections, and no connection ends. A certificate that cannot be
// read changes nothing.
func TestACertificateIsReplacedWhileItServes(t *testing.T) {
	certFile, keyFile := writeCertificate(t, t.TempDir(), 1)
	certificate, err := LoadCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	i := newInstance(t, nil)
	listener, builds := listen(t), atomic.Int64{}
	s, err := NewServer(t.Context(), Options{
		Listener: listener, Certificate: certificate, Connections: 9, Logger: slog.New(slog.DiscardHandler),
		Build: func(context.Context) (*App, error) { builds.Add(1); return newApp(t, i), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	at := "https://" + listener.Addr().String() + "/health"
	newClient := func() *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	}
	serial := func(c *http.Client) int64 {
		t.Helper()
		a, err := c.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		_, _ = io.Copy(io.Discard, a.Body)
		if a.StatusCode != http.StatusOK || a.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%d, TLS %x", a.StatusCode, a.TLS.Version)
		}
		return a.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	first := newClient()
	if n := serial(first); n != 1 {
		t.Errorf("certificate %d", n)
	}
	writeCertificate(t, filepath.Dir(certFile), 2)
	if err := s.Reload(); err != nil {
		t.Error(err)
	}
	second := newClient()
	if old, n := serial(first), serial(second); old != 1 || n != 2 {
		t.Errorf("certificates %d and %d, want 1 and 2", old, n)
	}
	if err := os.WriteFile(keyFile, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil || builds.Load() != 3 {
		t.Errorf("%v after %d builds", err, builds.Load())
	}
	third := newClient()
	if n := serial(third); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	if plain, err := http.Get("http://" + listener.Addr().String() + "/health"); err == nil {
		defer plain.Body.Close()
		if plain.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP: %d", plain.StatusCode)
		}
	}
	for _, c := range []*http.Client{first, second, third} {
		c.CloseIdleConnections()
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A server that ends first says so, then answers the requests that it has, and gives back what it has
// leased.
func TestAServerEndsInOrder(t *testing.T) {
	i := newInstance(t, map[string]string{"FRESHNESS": "1h"})
	token, err := i.Format.New(apikey.Live, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	limit, quota := ratelimit.Limit{Requests: 50_000, Window: time.Hour}, ratelimit.Quota{Requests: 1 << 30, Period: ratelimit.Month}
	k, err := i.Registry.Build(t.Context(), token, "u1", apikey.Live, apikey.Change{Limit: &limit, Quota: &quota})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Table.Write(t.Context(), registry.Write{To: k}); err != nil {
		t.Fatal(err)
	}
	listener, monitor := listen(t), listen(t)
	s, err := NewServer(t.Context(), Options{
		Listener: listener, MonitorListener: monitor, Connections: 100, Logger: slog.New(slog.DiscardHandler),
		DrainDelay: 300 * time.Millisecond,
		Build:      func(context.Context) (*App, error) { return newApp(t, i), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	get := func(at net.Listener, path, token string) (int, string) {
		r, _ := http.NewRequest("GET", "http://"+at.Addr().String()+path, nil)
		r.Header.Set("X-API-Key", token)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		return a.StatusCode, string(text)
	}
	const clients, each = 8, 60
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				if status, text := get(listener, "/api/v1/whoami", token.Reveal()); status != 200 {
					t.Errorf("%d %s", status, text)
				}
			}
		})
	}
	all.Wait()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/health": 404, "/api/v1/whoami": 404} {
		if status, text := get(monitor, path, token.Reveal()); status != want {
			t.Errorf("%s on the port for monitoring: %d %s", path, status, text)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if status, _ := get(listener, path, token.Reveal()); status != 404 {
			t.Errorf("%s on the port for clients: %d", path, status)
		}
	}
	_, text := get(monitor, "/metrics", "")
	for _, line := range []string{
		`latchkey_verdicts_total{code="valid"} 480`, `latchkey_check_duration_seconds_count 480`,
		`latchkey_http_requests_total{code="200",method="GET",route="/api/v1/whoami"} 480`,
		`latchkey_http_requests_total{code="404",method="",route=""} 3`, `latchkey_http_requests_in_flight 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the metrics have no line %s", line)
		}
	}
	if strings.Contains(text, token.ID()) || strings.Contains(text, "u1") {
		t.Error("the metrics name a key or a user")
	}
	leased, err := i.Table.Meter(t.Context(), k.ID)
	if err != nil || leased.Used <= clients*each {
		t.Errorf("nothing is leased: %d, %v", leased.Used, err)
	}
	end()
	for draining := false; !draining; draining = s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if status, text := get(monitor, "/readyz", ""); status != 503 || text != "draining\n" {
		t.Errorf("readiness while it ends: %d %s", status, text)
	}
	if status, text := get(listener, "/api/v1/whoami", token.Reveal()); status != 200 {
		t.Errorf("a request while it ends: %d %s", status, text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	after, err := i.Table.Meter(t.Context(), k.ID)
	if err != nil || after.Used != clients*each+1 || after.Net != clients*each+1 {
		t.Errorf("%d are stored as used, %d of the quota, %v; want %d", after.Used, after.Net, err, clients*each+1)
	}
}
