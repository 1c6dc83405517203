package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
)

// Each route that sets a limit refuses one that the table cannot count, and says what is possible.
func TestALimitThatTheTableCannotCountIsRefusedEverywhere(t *testing.T) {
	s := newService(t)
	path, _, _ := s.made("")
	for _, c := range []struct{ method, path, body, param string }{
		{"POST", keys, `{"rateLimit":{"requests":%d,"window":2}}`, "rateLimit.requests"},
		{"POST", keys, `{"limits":[{"amount":%d,"window":2}]}`, "limits.amount"},
		{"PATCH", path, `{"rateLimit":{"requests":%d,"window":2}}`, "rateLimit.requests"},
		{"PATCH", "/api/v1/users/u1", `{"limits":[{"amount":%d,"window":2}]}`, "limits.amount"},
		{"PUT", "/api/v1/plans/pro", `{"key":{"limits":[{"amount":%d,"window":2}]}}`, "key.limits.amount"},
		{"PUT", "/api/v1/plans/pro", `{"user":{"limits":[{"amount":%d,"window":2}]}}`, "user.limits.amount"},
	} {
		a := s.send(s.root, c.method, c.path, fmt.Sprintf(c.body, 2001))
		a.isError(t, c.method+" "+c.path, 400, c.param)
		if want := "must be at most 2000 in 2 seconds"; !strings.Contains(a.message(), want) {
			t.Errorf("%s %s: %q", c.method, c.path, a.message())
		}
		if a := s.send(s.root, c.method, c.path, fmt.Sprintf(c.body, 2000)); a.status >= 300 {
			t.Errorf("%s %s of 2000: %d %s", c.method, c.path, a.status, a.text)
		}
	}
}
