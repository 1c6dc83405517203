package httpapi_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/ratelimit"
)

func TestUsageHasEveryDay(t *testing.T) {
	s := newService(t)
	me := s.caller("u1", "keys:read")
	for _, c := range []struct {
		path         string
		status, days int
		first, last  string
	}{
		{"/api/v1/usage", 200, 30, "2026-10-26", "2026-11-24"},
		{"/api/v1/usage?from=2026-11-20&to=2026-11-22", 200, 3, "2026-11-20", "2026-11-22"},
		{"/api/v1/usage?from=2026-11-24", 200, 1, "2026-11-24", "2026-11-24"},
		{"/api/v1/usage?to=2026-03-01", 200, 30, "2026-01-31", "2026-03-01"},
		{"/api/v1/usage?userId=u1", 200, 30, "2026-10-26", "2026-11-24"},
		{"/api/v1/usage?userId=u2", 403, 0, "", ""},
		{"/api/v1/usage?from=2026-11-25&to=2026-11-24", 400, 0, "to", ""},
		{"/api/v1/usage?from=2025-01-01", 400, 0, "from", ""},
		{"/api/v1/usage?from=yesterday", 400, 0, "from", ""},
		{"/api/v1/usage?from=2026-11-31", 400, 0, "from", ""},
		{"/api/v1/usage?to=", 400, 0, "to", ""},
		{"/api/v1/usage?to=2026-11-24&to=2026-11-25", 400, 0, "to", ""},
		{"/api/v1/api-keys/" + me["keyId"].(string) + "/usage?from=2026-11-24", 200, 1, "2026-11-24", "2026-11-24"},
		{"/api/v1/api-keys/" + s.root["keyId"].(string) + "/usage", 404, 0, "id", ""},
	} {
		a := s.send(me, "GET", c.path, "")
		if a.status != c.status {
			t.Errorf("%s: %d %s", c.path, a.status, a.text)
			continue
		}
		if c.status != 200 {
			if param := a.json["error"].(map[string]any)["param"]; c.first != "" && param != c.first {
				t.Errorf("%s: %v is to blame, want %s", c.path, param, c.first)
			}
			continue
		}
		data := a.json["data"].([]any)
		if len(data) != c.days || a.json["total"] != 0.0 {
			t.Errorf("%s: %d days, %v in all", c.path, len(data), a.json["total"])
			continue
		}
		if first, last := data[0].(map[string]any)["date"], data[len(data)-1].(map[string]any)["date"]; first != c.first || last != c.last {
			t.Errorf("%s: from %v to %v", c.path, first, last)
		}
	}
}

// The span includes both its ends, and the total is of its days alone.
func TestUsageTotalsMatchTheRequestedDays(t *testing.T) {
	s := newService(t)
	s.now = noon.AddDate(0, 0, -7) // the keys are older than their recorded usage
	me, too := s.caller("u1", "keys:read"), s.caller("u1")
	s.now = noon
	for who, used := range map[string]int64{me["keyId"].(string): 10, too["keyId"].(string): 100} {
		days := []ratelimit.DayUsage{{Day: 20261119, Used: used}, {Day: 20261120, Used: 2 * used}, {Day: 20261122, Used: 3 * used}, {Day: 20261123, Used: 4 * used}}
		if err := s.table.RecordUsage(t.Context(), who, days); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][4]float64{
		"/api/v1/api-keys/" + me["keyId"].(string) + "/usage": {20, 0, 30, 50}, "/api/v1/usage": {220, 0, 330, 550},
	} {
		day := func(date string, requests float64) any { return map[string]any{"date": date, "requests": requests} }
		a := s.send(me, "GET", path+"?from=2026-11-20&to=2026-11-22", "")
		if diff := cmp.Diff(map[string]any{
			"data": []any{day("2026-11-20", want[0]), day("2026-11-21", want[1]), day("2026-11-22", want[2])}, "total": want[3],
		}, a.json); diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", path, a.status, diff)
		}
	}
}

func TestUsageHasRefusals(t *testing.T) {
	s := newService(t)
	me := s.caller("u1", "keys:read")
	id := me["keyId"].(string)
	refused := apikey.Refusals{
		20261123: {apikey.CodeRateLimited: 3, apikey.CodeRevoked: 1}, 20261124: {apikey.CodeExpired: 2},
	}
	if err := s.table.AddRefused(t.Context(), id, noon, refused); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/api-keys/" + id + "/usage", "/api/v1/usage"} {
		a := s.send(me, "GET", path+"?from=2026-11-22&to=2026-11-23", "")
		if diff := cmp.Diff(map[string]any{"total": 0.0, "data": []any{
			map[string]any{"date": "2026-11-22", "requests": 0.0},
			map[string]any{"date": "2026-11-23", "requests": 0.0, "refused": map[string]any{"rate_limited": 3.0, "revoked_key": 1.0}},
		}}, a.json); diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", path, a.status, diff)
		}
	}
}

func TestARecordHasTheLastUseOfTheReplacedKey(t *testing.T) {
	s := newService(t)
	path, _, _ := s.made("")
	id := path[len(keys)+1:]
	const field = "previousKeyLastUsedAt"
	if a := s.send(s.root, "GET", path, ""); a.status != 200 || has(a.json, field) {
		t.Errorf("before a rotation: %d %s", a.status, a.text)
	}
	if a := s.send(s.root, "POST", path+"/rotate", `{"gracePeriod":60}`); a.status != 200 || has(a.json, field) {
		t.Errorf("the answer to a rotation: %d %s", a.status, a.text)
	}
	if a := s.send(s.root, "GET", path, ""); !has(a.json, field) || a.json[field] != nil {
		t.Errorf("not used: %s", a.text)
	}
	if err := s.table.SetOlderUse(t.Context(), id, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if a := s.send(s.root, "GET", path, ""); a.json[field] != "2026-11-24T12:00:01.000Z" {
		t.Errorf("used: %s", a.text)
	}
	list := s.send(s.root, "GET", keys+"?userId=u1", "").json["data"].([]any)[0].(map[string]any)
	if list[field] != "2026-11-24T12:00:01.000Z" {
		t.Errorf("in the list: %v", list)
	}
	if a := s.send(s.root, "POST", path+"/end-grace", ""); a.status != 200 || has(a.json, field) {
		t.Errorf("ended: %d %s", a.status, a.text)
	}
}

func has(object map[string]any, field string) bool {
	_, ok := object[field]
	return ok
}
