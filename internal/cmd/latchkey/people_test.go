package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Each command makes one request. A flag that was not given is no part of it.
func TestCommandsForPeopleAskForWhatTheirFlagsSay(t *testing.T) {
	var mu sync.Mutex // guards request and answer
	var request, answer string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		request = r.Method + " " + r.RequestURI + " " + string(body)
		if once := r.Header.Get("Idempotency-Key"); once != "" {
			request += " once " + once
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer service.Close()
	const id = "AAAAAAAAAAAAAAAA"
	for _, c := range []struct{ args, answer, request, out string }{
		{"keys create ci --user u1 --plan pro --limit 10/1s --limit 1000/1m --quota 500/lifetime", `{"key":"k"}`,
			`POST /api/v1/api-keys {"userId":"u1","name":"ci","rateLimit":{"requests":10,"window":1},"limits":[{"amount":1000,"window":60}],` +
				`"plan":"pro","quota":{"requests":500,"period":"lifetime"}}`, "k\n"},
		{"keys create --limit 100/1m", `{"key":"k"}`, `POST /api/v1/api-keys {"rateLimit":{"requests":100,"window":60}}`, "k\n"},
		{"keys create --limit none --quota none --plan none", `{"key":"k"}`, `POST /api/v1/api-keys {}`, "k\n"},
		{"keys update " + id + " --limit 60/60s,5/1s", `{}`,
			`PATCH /api/v1/api-keys/` + id + ` {"rateLimit":{"requests":60,"window":60},"limits":[{"amount":5,"window":1}]}`, ""},
		{"keys update " + id + " --limit 100/1m", `{}`, `PATCH /api/v1/api-keys/` + id + ` {"rateLimit":{"requests":100,"window":60},"limits":null}`, ""},
		{"keys update " + id + " --limit none --plan none --quota none", `{}`,
			`PATCH /api/v1/api-keys/` + id + ` {"rateLimit":null,"limits":null,"plan":null,"quota":null}`, ""},
		{"keys update " + id + " --user team:a --plan pro --metadata a=b --scopes=", `{}`,
			`PATCH /api/v1/api-keys/` + id + ` {"scopes":[],"plan":"pro","userId":"team:a","metadata":{"a":"b"}}`, ""},
		{"keys credits " + id + " +500", `{}`, `POST /api/v1/api-keys/` + id + `/credits {"add":500}`, ""},
		{"keys credits " + id + " -- -500", `{}`, `POST /api/v1/api-keys/` + id + `/credits {"add":-500}`, ""},
		{"users credits u1 500 --idempotency-key order-4711-of-2027-01-31", `{}`, `POST /api/v1/users/u1/credits {"add":500} once order-4711-of-2027-01-31`, ""},
		{"users get a/b?c", `{"userId":"a/b?c","suspended":false,"bounds":[` +
			`{"of":"user","amount":1000,"window":60,"used":12,"remaining":988,"reset":1795521660},{"of":"user","amount":500,"period":"lifetime","used":0,"remaining":500}]}`,
			`GET /api/v1/users/a%2Fb%3Fc `, "userId\ta/b?c\nsuspended\tfalse\nbounds\t1000/1m\tof the user\t12 used\t988 left\treset 2026-11-24T12:01:00Z\n" +
				"bounds\t500/lifetime\tof the user\t0 used\t500 left\n"},
		{"users set u1 --plan pro", `{}`, `PATCH /api/v1/users/u1 {"plan":"pro"}`, ""},
		{"users set u1 --plan none --limit none --quota none --max-keys 0 --scopes=", `{}`,
			`PATCH /api/v1/users/u1 {"plan":null,"limits":[],"quota":null,"maxKeys":0,"scopes":[]}`, ""},
		{"users set u1 --limit 2000/1m --limit 50/s --quota 1/day --max-keys 50 --metadata a=b", `{}`,
			`PATCH /api/v1/users/u1 {"limits":[{"amount":2000,"window":60},{"amount":50,"window":1}],"quota":{"requests":1,"period":"day"},"maxKeys":50,"metadata":{"a":"b"}}`, ""},
		{"users suspend u1", `{}`, `PATCH /api/v1/users/u1 {"suspended":true}`, ""},
		{"users resume u1", `{}`, `PATCH /api/v1/users/u1 {"suspended":false}`, ""},
		{"users usage u1 --from 2027-01-01", `{"data":[{"date":"2027-01-01","requests":7}]}`, `GET /api/v1/usage?from=2027-01-01&userId=u1 `, "2027-01-01\t7\t\n"},
		{"users stats u1", `{"data":[{"keyId":"` + id + `","name":"ci","keyPrefix":"sk_live_AAAA","requests":2,"window":60,"limit":5,"remaining":3,"lastUsedAt":null,` +
			`"plan":"pro","limits":[{"of":"key","amount":5,"window":60,"remaining":3},{"of":"key","amount":500,"period":"lifetime","remaining":498}]}]}`,
			`GET /api/v1/api-keys/stats?limit=50&userId=u1 `, id + "\tci\tsk_live_AAAA\t5/1m\t2\t3\tnever\tpro\t5/1m (3 left), 500/lifetime (498 left)\n"},
		{"users audit u1 --limit 1", `{"data":[{"keyId":"user#u1","at":"2027-01-01T00:00:00.000Z","action":"suspend","actor":{"type":"key","id":"k"}}]}`,
			`GET /api/v1/audit?limit=1&userId=u1 `, "user#u1\t2027-01-01T00:00:00.000Z\tsuspend\tkey k\t\t\n"},
		{"plans list", `{"data":[{"name":"pro","scopes":[],"key":{"limits":[{"amount":10,"window":1}]},"user":{"limits":[{"amount":1000,"window":60}],` +
			`"quota":{"requests":5000000,"period":"month"}},"idleDays":30},{"name":"x","scopes":["tts","stt"],"key":{"limits":[]},"user":{"limits":[]}}]}`,
			`GET /api/v1/plans `, "pro\t10/1s\t1000/1m,5000000/month\tany\t-\t-\t30\nx\t-\t-\ttts,stt\t-\t-\t-\n"},
		{"plans stats pro", `{"data":[{"userId":"acme","suspended":false,"bounds":[{"of":"user","amount":1000,"window":60,"used":12,"remaining":988},` +
			`{"of":"user","amount":500,"period":"lifetime","used":0,"remaining":500}]},{"userId":"zoe","suspended":true}]}`,
			`GET /api/v1/plans/pro/stats?limit=50 `, "acme\tfalse\t1000/1m (988 left), 500/lifetime (500 left)\nzoe\ttrue\t\n"},
		{"plans audit --cursor c", `{"data":[{"keyId":"plan#pro","at":"2027-01-01T00:00:00.000Z","action":"set_plan","actor":{"type":"key","id":"k"},"sourceIp":"192.0.2.7"}]}`,
			`GET /api/v1/audit?cursor=c&limit=50&userId=latchkey%3Aplans `, "plan#pro\t2027-01-01T00:00:00.000Z\tset_plan\tkey k\t192.0.2.7\t\n"},
		{"plans get pro", `{"name":"pro","scopes":[],"key":{"limits":[{"amount":10,"window":1},{"amount":5,"window":90}]},"user":{"limits":[]}}`,
			`GET /api/v1/plans/pro `, "name\tpro\nscopes\t\nkey.limits\t10/1s\nkey.limits\t5/90s\nuser.limits\t\n"},
		{"plans put pro --user-limit 1000/1m --user-quota 5000000/month --key-limit 10/1s", `{}`,
			`PUT /api/v1/plans/pro {"key":{"limits":[{"amount":10,"window":1}]},"user":{"limits":[{"amount":1000,"window":60}],"quota":{"requests":5000000,"period":"month"}}}`, ""},
		{"plans put trial --key-quota 500/lifetime --max-days 30 --default-days 7 --idle-days 3 --scopes tts", `{}`,
			`PUT /api/v1/plans/trial {"scopes":["tts"],"key":{"quota":{"requests":500,"period":"lifetime"}},"maxDays":30,"defaultDays":7,"idleDays":3}`, ""},
	} {
		mu.Lock()
		request, answer = "", c.answer
		mu.Unlock()
		code, out, talk := cli(t, "", []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=the-key-of-mine"}, strings.Fields(c.args)...)
		mu.Lock()
		asked := request
		mu.Unlock()
		if code != 0 || asked != c.request || out != c.out {
			t.Errorf("latchkey %s: exit code %d\n got %s\nwant %s\n%q\n%q\n%s", c.args, code, asked, c.request, out, c.out, talk)
		}
	}
}
