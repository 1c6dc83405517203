package config_test

import (
	"strings"
	"testing"

	"latchkey/internal/config"
)

// The error names the variable and the rule.
func TestAWrongRuleIsRefused(t *testing.T) {
	for _, c := range []struct{ variable, value, rule string }{
		{"ROUTE_SCOPES", "*=;POST /tts=TTS", `"POST /tts=TTS"`},
		{"ROUTE_SCOPES", "GET /x", `"GET /x"`},
		{"ROUTE_COSTS", "*=1;POST /tts=-1", `"POST /tts=-1"`},
		{"ROUTE_COSTS", "POST /tts=1000001", `"POST /tts=1000001"`},
		{"ROUTE_COSTS", "POST /tts=", `"POST /tts="`},
		{"ROUTE_COSTS", "/a/../b=1", `"/a/../b=1"`},
		{"PUBLIC_PATHS", "/a*b", `"/a*b"`},
	} {
		_, err := config.Load(map[string]string{"TABLE_NAME": "t", "LATCHKEY_SECRET": secret, c.variable: c.value})
		if err == nil || !strings.Contains(err.Error(), c.variable+": ") || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s=%s: %v; want an error that names both", c.variable, c.value, err)
		}
	}
}
