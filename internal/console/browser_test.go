//go:build browser

package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/internal/browsertest"
)

func TestMain(m *testing.M) { browsertest.Main(m) }

// eachLook runs a test in all looks.
func eachLook(t *testing.T, test func(t *testing.T, look browsertest.Look)) {
	for _, look := range browsertest.Looks() {
		t.Run(look.String(), func(t *testing.T) { test(t, look) })
	}
}

// manyKeys answers requests for the list of keys as a service with count keys would.
type manyKeys struct {
	count int
	mu    sync.Mutex
	asked []string // the queries
}

func (m *manyKeys) queries() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.asked...)
}

func (m *manyKeys) answer(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != "GET" || r.URL.Path != "/api/v1/api-keys" {
		return false
	}
	m.mu.Lock()
	m.asked = append(m.asked, r.URL.RawQuery)
	m.mu.Unlock()
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	var keys []map[string]any
	for i := from; i < min(from+limit, m.count); i++ {
		keys = append(keys, m.key(i))
	}
	answer := map[string]any{"data": append([]map[string]any{}, keys...)}
	if from+limit < m.count {
		answer["nextCursor"] = strconv.Itoa(from + limit)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
	return true
}

// key returns a key. Some keys have long names, many scopes and other oddities.
func (m *manyKeys) key(i int) map[string]any {
	now := time.Now()
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339) }
	k := map[string]any{
		"id": fmt.Sprintf("key%013d", i), "userId": fmt.Sprintf("u%d", i%7), "name": fmt.Sprintf("service %d", i), "environment": "live",
		"status":    []string{"active", "active", "active", "disabled", "revoked", "expired", "inactive"}[i%7],
		"keyPrefix": "sk_live_ab12", "scopes": []string{"tts", "stt"}[:i%3%2+1], "createdAt": at(-time.Duration(i+1) * 31 * time.Hour),
		"lastUsedAt": nil, "rateLimit": nil, "allowedCidrs": []string{}, "metadata": map[string]string{}, "enabled": true, "description": "",
	}
	if i%2 == 0 {
		k["lastUsedAt"] = at(-time.Duration(i) * time.Minute)
	}
	var usage []map[string]any
	for d := range 30 {
		usage = append(usage, map[string]any{"date": now.AddDate(0, 0, d-29).Format(time.DateOnly), "requests": (d*d*7 + i*13) % 50 * (i % 4)})
	}
	k["usage"] = usage
	switch i {
	case 2:
		k["name"] = strings.Repeat("a-very-long-name-", 15)
		k["userId"] = strings.Repeat("owner-with-a-long-id.", 6)
	case 4:
		k["name"], k["keyPrefix"] = "<script>alert(1)</script> & “quotes” 💥", ""
	case 3:
		k["name"], k["environment"] = "مفتاح الخدمة", "test"
	case 5:
		k["name"] = ""
		k["scopes"] = []string{"tts", "stt", "models:read", "billing:*"}
	case 8:
		k["expiresAt"] = at(3 * 24 * time.Hour)
		k["previousKeyValidUntil"] = at(time.Hour)
	case 9:
		k["expiresAt"] = at(90 * 24 * time.Hour)
		k["scopes"] = []string{}
	}
	return k
}
