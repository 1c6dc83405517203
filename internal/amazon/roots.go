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

// What Amazon's services stand on; see https://www.amazontrust.com/repository/.
// They are in every system's store as well.
//
//go:embed roots.pem
var roots []byte

// trust makes a transport know a bundle's authorities and no others, or Amazon's
// before the system's.
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
		go d.amazon() // beside what else there is to do before a connection is opened
		t.DialTLSContext = d.dial
	}, nil
}

// dialer opens TLS connections. It reads the system's roots, which takes as long
// as a third of all that a function does before its first answer, only when it
// meets a server that Amazon's do not vouch for: another endpoint, another
// partition, a proxy that looks inside.
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
