package apikey_test

import (
	"testing"

	"latchkey/internal/apikey"
)

func TestAMeterIDNamesItsOwnerAndWhichMeterItIs(t *testing.T) {
	for _, c := range []struct {
		id    string
		of    apikey.Level
		owner string
		what  string
	}{
		{"0000000000000001", apikey.OfKey, "0000000000000001", ""},
		{"0000000000000001#60", apikey.OfKey, "0000000000000001", "60"},
		{"0000000000000001#lifetime", apikey.OfKey, "0000000000000001", "lifetime"},
		{"upstream-user%23@x", apikey.OfKey, "upstream-user%23@x", ""},
		// The second static key of a name has one meter, as the first has.
		{"static-default#2", apikey.OfKey, "static-default#2", ""},
		{apikey.UserMeter("u1", ""), apikey.OfUser, "u1", ""},
		{apikey.UserMeter("u1", "60"), apikey.OfUser, "u1", "60"},
		{apikey.UserMeter("#60#u1", ""), apikey.OfUser, "#60#u1", ""},
		{apikey.UserMeter("60#u1", "lifetime"), apikey.OfUser, "60#u1", "lifetime"},
	} {
		if of, owner, what := apikey.ParseMeter(c.id); of != c.of || owner != c.owner || what != c.what {
			t.Errorf("%q is meter %q of %s %q", c.id, what, of, owner)
		}
	}
}
