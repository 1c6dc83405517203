package amazon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
)

// roots are the certificate authorities of Amazon's services, which every system's store has as
// well. See https://www.amazontrust.com/repository/.
//
//go:embed roots.pem
var roots []byte

// trust returns a function that sets the authorities of a transport. They are those of the file
// bundle and no others. If bundle is empty, they are Amazon's, and then the system's.
func trust(bundle string) (func(*http.Transport), error) {
	if bundle != "" {
		text, err := os.ReadFile(bundle)
		if err != nil {
			return nil, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, errors.New("AWS_CA_BUNDLE: no certificate is in the file")
		}
		return func(t *http.Transport) { t.TLSClientConfig.RootCAs = pool }, nil
	}
	return func(t *http.Transport) {
		d := dialer{system: t.TLSClientConfig.Clone()}
		d.amazon = sync.OnceValue(func() *tls.Config {
			c := d.system.Clone()
			c.RootCAs = x509.NewCertPool()
			c.RootCAs.AppendCertsFromPEM(roots)
			return c
		})
		go d.amazon() // while the function does other work, before it opens a connection
		t.DialTLSContext = d.dial
	}, nil
}

// dialer opens TLS connections. It reads the system's roots only if Amazon's roots do not vouch for
// a server: another endpoint, another partition, or a proxy that decrypts. Reading them takes a
// third of the time before a function's first response.
type dialer struct {
	amazon func() *tls.Config
	system *tls.Config
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&tls.Dialer{Config: d.amazon()}).DialContext(ctx, network, address)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		return c, err
	}
	return (&tls.Dialer{Config: d.system}).DialContext(ctx, network, address)
}
