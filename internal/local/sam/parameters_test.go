package sam_test

import (
	"strings"
	"testing"

	"latchkey/internal/local/sam"
)

func TestAParameterAllowsWhatCloudFormationAllows(t *testing.T) {
	all, err := sam.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, value, want string }{
		{"Architecture", "arm64", ""},
		{"Architecture", "ARM64", "must be one of arm64, x86_64"},
		{"Architecture", "", "must be one of"},
		{"UsageDays", "400", ""},
		{"UsageDays", "401", "must be a whole number from 1 to 400"},
		{"UsageDays", "0", "must be a whole number from 1 to 400"},
		{"UsageDays", "ten", "must be a whole number"},
		{"ApiRate", "0", "must be a whole number of at least 1"},
		{"BackendUrl", "", ""},
		{"BackendUrl", "https://api.example.com", ""},
		{"BackendUrl", "api.example.com", "URL"},
		{"BackendUrl", "https://api.example.com/?a=b", "URL"},
		{"AlarmTopicArn", "arn:aws:sns:eu-west-1:123456789012:alarms", ""},
		{"AlarmTopicArn", "alarms", "ARN"},
		{"BinaryMediaTypes", "image/png,image/jpeg", ""},
		{"BinaryMediaTypes", "image/png,png", "edia type"},
		{"RouteScopes", "POST /tts/*=tts; GET /v1/models=", ""},
		{"RouteScopes", "tts", "copes"},
	} {
		p, known := all[c.name]
		if !known {
			t.Fatalf("there is no parameter %s", c.name)
		}
		err := p.Check(c.value)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s=%q: %v, want %q", c.name, c.value, err, c.want)
		}
	}
	for name, p := range all {
		if err := p.Check(p.Default); err != nil {
			t.Errorf("%s does not allow its own default %q: %v", name, p.Default, err)
		}
	}
}

// The size grows by each byte of a rule in each function that has the rules.
func TestVariablesOfAFunctionHaveASize(t *testing.T) {
	sizes := func(rules string) map[string]int {
		all, err := sam.Environments(map[string]string{"RouteScopes": rules, "TrustedProxyHops": "0"})
		if err != nil {
			t.Fatal(err)
		}
		sizes := make(map[string]int)
		for id, e := range all {
			sizes[id] = e.Size()
		}
		return sizes
	}
	rule := "POST /tts/*=tts;"
	none, many := sizes(""), sizes(strings.Repeat(rule, 100))
	if len(none) != 3 {
		t.Errorf("%d functions, want 3", len(none))
	}
	for id, size := range none {
		if size < 500 || size > sam.MaxEnvironment/2 {
			t.Errorf("%s: the defaults have %d bytes", id, size)
		}
		if grown := many[id] - size; grown != 100*len(rule) {
			t.Errorf("%s: %d bytes more for %d bytes of rules", id, grown, 100*len(rule))
		}
	}
	if _, err := sam.Environments(map[string]string{"None": "x"}); err == nil {
		t.Error("a parameter that does not exist is accepted")
	}
}
