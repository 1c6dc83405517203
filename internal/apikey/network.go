package apikey

import (
	"net/netip"
	"strings"
)

// ParseNetwork reads "10.0.0.0/8", or an address as the network that it is alone
// in.
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

// Source is the address that a request came from: peer, which connected, or if that
// is the last of hops proxies of our own, the one that they were told of by the one
// before them, from the right of X-Forwarded-For. The zero Addr: it is not known.
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
