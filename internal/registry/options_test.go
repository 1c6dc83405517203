package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/internal/apikey"
	"latchkey/internal/registry"
)

// A registry without one of these options would lose data or panic later: an AuditRetention of zero,
// for example, expires each audit entry as it is written.
func TestNewRefusesAMissingOption(t *testing.T) {
	for name, leaveOut := range map[string]func(*registry.Options){
		"Store":          func(o *registry.Options) { o.Store = nil },
		"Hasher":         func(o *registry.Options) { o.Hasher = nil },
		"Reread":         func(o *registry.Options) { o.Reread = nil },
		"Format":         func(o *registry.Options) { o.Format = apikey.Format{} },
		"Random":         func(o *registry.Options) { o.Random = nil },
		"Now":            func(o *registry.Options) { o.Now = nil },
		"AuditRetention": func(o *registry.Options) { o.AuditRetention = 0 },
	} {
		o := newBench(t).Options
		registry.New(o)
		leaveOut(&o)
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, "option "+name+" is required") {
					t.Errorf("without %s: %s", name, text)
				}
			}()
			registry.New(o)
		}()
	}
}
