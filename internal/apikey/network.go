package apikey

import (
	"net/netip"
	"strings"
)

// ParseNetwork parses a network such as "10.0.0.0/8". An address stands for the network of that
// address alone.
func ParseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		p, err = netip.ParsePrefix("") // its bits would not mean what they say
	}
	return p.Masked(), err
}

// Source returns the address of the caller, or the zero Addr if it is not known. peer is the address
// that connected. If the deployment has hops proxies of its own in front, each has added an address
// at the right of X-Forwarded-For, and Source returns the leftmost of these.
func Source(peer string, forwarded []string, hops int) netip.Addr {
	if hops > 0 {
		chain := strings.Split(strings.Join(forwarded, ","), ",")
		if peer = ""; len(chain) > hops {
			peer = strings.TrimSpace(chain[len(chain)-1-hops])
		}
	}
	address, _ := netip.ParseAddr(peer) // not an address: unknown
	return address.Unmap().WithZone("")
}
