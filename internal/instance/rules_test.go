package instance_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"latchkey/internal/config"
	"latchkey/internal/instance"
)

// An instance does not start with a rule that is wrong. The error names the variable and the rule.
func TestAWrongRuleStopsTheStart(t *testing.T) {
	for _, c := range []struct{ variable, value, rule string }{
		{"ROUTE_SCOPES", "*=;POST /tts=TTS", `"POST /tts=TTS"`},
		{"ROUTE_SCOPES", "GET /x", `"GET /x"`},
		{"ROUTE_COSTS", "*=1;POST /tts=-1", `"POST /tts=-1"`},
		{"ROUTE_COSTS", "POST /tts=1000001", `"POST /tts=1000001"`},
		{"ROUTE_COSTS", "POST /tts=", `"POST /tts="`},
		{"ROUTE_COSTS", "/a/../b=1", `"/a/../b=1"`},
		{"PUBLIC_PATHS", "/a*b", `"/a*b"`},
	} {
		configuration, err := config.Load(map[string]string{
			"TABLE_NAME": "t", "LATCHKEY_SECRET": `{"master":"` + strings.Repeat("m", 32) + `","peppers":[]}`, c.variable: c.value,
		})
		if err != nil {
			t.Fatal(err)
		}
		configuration.Local = true
		_, err = instance.New(t.Context(), configuration, aws.Config{}, time.Now, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.variable) || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s=%s: %v; want an error that names both", c.variable, c.value, err)
		}
	}
}
