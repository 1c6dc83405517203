package apikey

import "net/netip"

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
