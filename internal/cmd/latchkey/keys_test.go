package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// asked is a command line and its expected result. Standard output must contain each line of out,
// and standard error each line of talk.
type asked struct {
	args  string
	stdin string
	code  int
	out   string
	talk  string
}

func (a asked) run(t *testing.T, environment ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := cli(t, a.stdin, environment, strings.Fields(a.args)...)
	if code != a.code {
		t.Errorf("latchkey %s: exit code %d, want %d\n%s%s", a.args, code, a.code, stdout, stderr)
	}
	for _, part := range []struct{ got, want string }{{stdout, a.out}, {stderr, a.talk}} {
		for _, line := range strings.Split(part.want, "\n") {
			if !strings.Contains(part.got, line) {
				t.Errorf("latchkey %s: no %q in\n%s", a.args, line, part.got)
			}
		}
	}
	return stdout
}

func TestAKeysLifeOnTheCommandLine(t *testing.T) {
	s := start(t, t.TempDir(), "FRESHNESS=0")
	admin := []string{"LATCHKEY_URL=" + s.url + "/", "LATCHKEY_KEY=" + s.root}
	made := asked{args: "keys create ci --user u1 --scopes tts,stt --limit 3/10s --quota 100/day --expires 90d --cidr 127.0.0.0/8 --metadata team=a", talk: "of user u1"}.run(t, admin...)
	token := strings.TrimSuffix(made, "\n")
	if strings.ContainsAny(token, " \n") || !strings.HasPrefix(token, "sk_live_") {
		t.Fatalf("standard output has more than the key: %q", made)
	}
	own := []string{"LATCHKEY_URL=" + s.url, "LATCHKEY_KEY=" + token}
	list := asked{args: "keys list --user u1", out: "\tci\tu1\tactive\tsk_live_"}.run(t, admin...)
	id, _, _ := strings.Cut(list, "\t")
	if !strings.HasSuffix(list, "\tnever\t100/day\t\t\n") {
		t.Errorf("a key that was never used is listed as %q", list)
	}

	for _, a := range []asked{
		{args: "keys get " + id, out: "name\tci\nuserId\tu1\nscopes\ttts,stt\nrateLimit.requests\t3\nrateLimit.window\t10\nquota.period\tday\nallowedCidrs\t127.0.0.0/8\nmetadata.team\ta"},
		{args: "validate --scope tts --source-ip 127.0.0.1", stdin: token + "\n", out: "valid\ttrue\nuserId\tu1"},
		{args: "validate --scope llm --source-ip 127.0.0.1", stdin: token, code: 3, out: "code\tinsufficient_scope", talk: "not valid: API key does not have scope: llm"},
		{args: "validate --source-ip 192.0.2.1", stdin: token, code: 3, out: "code\taddress_not_allowed"},
		{args: "validate", stdin: "", code: 3, out: "code\tmissing_key"},
		{args: "validate --scope A", stdin: token, code: 2, talk: "--scope must be"},
		{args: "keys update " + id + " --limit 100/1m --expires never --name prod", out: "name\tprod\nrateLimit.window\t60"},
		{args: "keys disable " + id, out: "status\tdisabled"},
		{args: "validate --source-ip 127.0.0.1", stdin: token, code: 3, out: "code\tdisabled_key"},
		{args: "keys enable " + id, out: "status\tactive"},
		{args: "keys rotate " + id + " --grace 1h", out: "sk_live_", talk: "works until"},
		{args: "keys rotate " + id, code: 1, talk: "still works"},
		{args: "keys get " + id, out: "\npreviousKeyValidUntil\t20"},
		{args: "keys end-grace " + id, out: "status\tactive"},
		{args: "keys end-grace " + id + " --json", out: `"status":"active"`},
		{args: "keys audit " + id + " --limit 1", out: `endedTokens: null -> [{"validUntil":"20`},
		{args: "keys rotate " + id + " --grace 1h", out: "sk_live_", talk: "works until"},
		{args: "keys rotate " + id + " --grace 0", out: "sk_live_", talk: "Every older key ended at 20"},
		{args: "keys rotate " + id + " --grace 0 --json", out: `"previousKeyValidUntil"`},
		{args: "keys rotate " + id + " --grace soon", code: 2, talk: "--grace"},
		{args: "keys explain " + id + " --source-ip 127.0.0.1", out: "rateLimit\tpass\t100 of 100 left"},
		{args: "keys explain " + id + " --method post --path /tts --source-ip 192.0.2.1", code: 3, out: "address\tFAIL\t192.0.2.1", talk: "refused: address_not_allowed"},
		{args: "keys explain " + id + " --method brew", code: 2, talk: "--method must be GET"},
		{args: "keys usage " + id + " --from 2026-01-31 --to 2026-02-01", out: "2026-01-31\t0\n2026-02-01\t0"},
		{args: "keys usage " + id + " --from yesterday", code: 2, talk: "--from must be a date such as"},
		{args: "keys audit " + id, out: "\trotate\tkey \n\tend-grace\tkey \n\tupdate\tkey \n\tcreate\tkey \nname: \"ci\" -> \"prod\""},
		{args: "keys audit " + id + " --limit 1", out: "\trotate\tkey ", talk: "--cursor"},
		{args: "keys revoke " + id, code: 2, talk: "say --yes"},
		{args: "keys get " + id, out: "status\tactive"},
		{args: "keys revoke " + id + " --yes --reason " + strings.Repeat("x", 201), code: 2, talk: "--reason must be at most 200"},
		{args: "keys revoke " + id + " --yes --reason moved", out: "status\trevoked\nrevocationReason\tmoved"},
		{args: "keys update " + id + " --name x", code: 1, talk: "revoked"},
		{args: "keys delete " + id, code: 2, talk: "say --yes"},
		{args: "keys delete " + id + " --yes", talk: "Done."},
		{args: "keys get " + id, code: 1, talk: "No such API key\nlatchkey keys list"},
		{args: "keys list --user u1", talk: "No keys."},
		{args: "openapi", out: `"openapi":"3.1.0"`},
		{args: "whoami", out: "scopes\tkeys:admin"},
	} {
		a.run(t, admin...)
	}
	asked{args: "whoami", out: "scopes\tkeys:admin"}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY="+s.root+"\r\n")
	asked{args: "whoami", code: 4, talk: "latchkey validate"}.run(t, own...)
	asked{args: "keys list", code: 4, talk: "LATCHKEY_KEY is not set"}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY=")
	weak := strings.TrimSpace(asked{args: "keys create"}.run(t, admin...))
	asked{args: "keys list", code: 4, talk: "keys:read\nlatchkey whoami"}.run(t, "LATCHKEY_URL="+s.url, "LATCHKEY_KEY="+weak)

	// --json prints the API's answer as it is.
	for path, args := range map[string]string{"/api/v1/api-keys?limit=50": "keys list --json", "/latchkey/openapi.json": "openapi"} {
		if got, want := (asked{args: args}).run(t, admin...), s.send(t, "GET", path, "", s.admin()).text; got != strings.TrimRight(want, "\n")+"\n" {
			t.Errorf("%s: %s; want %s", args, got, want)
		}
	}
	var record map[string]any
	if err := json.Unmarshal([]byte(asked{args: "keys create --json --env test --expires 2031-01-31"}.run(t, admin...)), &record); err != nil ||
		record["environment"] != "test" || record["key"] == nil || record["expiresAt"] != "2031-01-31T00:00:00.000Z" {
		t.Errorf("%v, %v", record, err)
	}
}

func TestAWrongCommandLineExitsWith2(t *testing.T) {
	const id, token = "AAAAAAAAAAAAAAAA", "sk_live_Lu7py5Hr8hk6nR251eNjX5EdXPiV59ITARW01f3KzUU9iQBG2fG011"
	for _, a := range []asked{
		{args: "keys", talk: "which command?"}, {args: "keys creat", talk: "did you mean create?"}, {args: "key", talk: "did you mean keys?"},
		{args: "completion bsh"}, {args: "completion"}, {args: "help nothing"}, {args: "version x"}, {args: "whoami x"},
		{args: "keys create a b"}, {args: "keys create --limit 100"}, {args: "keys create --limit 1.5/1m"}, {args: "keys create --limit 5/25h"},
		{args: "keys create --limit 5/month", talk: "are a quota"}, {args: "keys create --limit 5/1m --limit 6/60", talk: "different times"},
		{args: "keys update " + id + " --limit none --limit 5/1m", talk: "none alone"}, {args: "keys create --plan Pro", talk: "--plan must be"},
		{args: "keys credits " + id + " +0", talk: "such as +500"}, {args: "keys credits " + id + " ++5"}, {args: "keys credits " + id},
		{args: "keys credits " + id + " -500", talk: "must come after --"}, {args: "keys credits " + id + " -- -1000000000001"}, {args: "keys credits " + id + " 1000000000001"}, {args: "keys credits u1 +5", talk: "the ID must be"},
		{args: "users get"}, {args: "users get " + token, talk: "not a key"}, {args: "users set u1", talk: "at least one property"}, {args: "users suspend"},
		{args: "users credits " + token + " +5"}, {args: "users"}, {args: "plans"}, {args: "plans put pro", talk: "at least one property"},
		{args: "plans put none --max-days 1", talk: "no plan"}, {args: "plans get ../users/u1"}, {args: "plans get Pro", talk: "the NAME must be"}, {args: "plans list x"},
		{args: "keys create --quota 5/week"}, {args: "keys create --expires soon"}, {args: "keys create --expires -1d"},
		{args: "keys create --limit 5/1m --unlimited"}, {args: "keys create --metadata a"}, {args: "keys list x"},
		{args: "keys get"}, {args: "keys get " + token}, {args: "keys get ../" + id}, {args: "keys update " + id}, {args: "keys delete"},
		{args: "validate " + token, talk: "standard input"}, {args: "init --state a --stack b"},
		{args: "init --stack="}, {args: "import - --stack=", talk: "--stack must"}, {args: "audit verify --stack="},
		{args: "audit", talk: "which command?"}, {args: "audit verify --key x"}, {args: "audit verify --user u --key " + id}, {args: "audit verify " + id},
	} {
		a.code = 2
		code, out, talk := cli(t, "", []string{"LATCHKEY_URL=http://127.0.0.1:1", "LATCHKEY_KEY="}, strings.Fields(a.args)...)
		if code != 2 || out != "" || !strings.Contains(talk, a.talk) || !strings.HasPrefix(talk, "latchkey: ") || strings.Contains(talk, token) {
			t.Errorf("latchkey %s: exit code %d\n%s%s", a.args, code, out, talk)
		}
	}
	asked{args: "whoami", code: 2, talk: "LATCHKEY_URL must"}.run(t, "LATCHKEY_URL=https://key@example.com")
	asked{args: "whoami", code: 2, talk: "LATCHKEY_KEY must"}.run(t, "LATCHKEY_URL=http://127.0.0.1:1", "LATCHKEY_KEY=two\nkeys")
	asked{args: "whoami", code: 1, talk: "Is it running?"}.run(t, "LATCHKEY_URL=http://127.0.0.1:1")
	asked{args: "help keys", out: "create"}.run(t)
	asked{args: "version", out: "latchkey "}.run(t)
}

// An answer that is not from latchkey is an error, and the client follows no redirect with the key.
func TestAnAnswerOfAnotherServiceIsAnError(t *testing.T) {
	redirected := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { redirected = true }))
	defer elsewhere.Close()
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-key-of-mine" {
			t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
		}
		if r.URL.Path == "/moved/api/v1/whoami" {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
			return
		}
		http.Error(w, "<h1>not here</h1>", http.StatusNotFound)
	}))
	defer pages.Close()
	for path, status := range map[string]string{"": "404 Not Found", "/moved": "302 Found"} {
		asked{args: "whoami", code: 1, talk: status + "\nLATCHKEY_URL"}.run(t, "LATCHKEY_URL="+pages.URL+path, "LATCHKEY_KEY=the-key-of-mine")
	}
	if redirected {
		t.Error("the client followed a redirect")
	}
}

func TestTimesAndLimitsAreReadAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"90d": "2027-02-22T12:00:00Z", "12h": "2026-11-25T00:00:00Z", "1h30m": "2026-11-24T13:30:00Z", "60s": "2026-11-24T12:01:00Z", "never": "",
		"2027-01-31": "2027-01-31T00:00:00Z", "2027-01-31T12:00:00+02:00": "2027-01-31T10:00:00Z",
	} {
		if got, err := parseMoment(text, now); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"100/1m": "100/1m", "100/60": "100/1m", "100/minute": "100/1m", "5/10s": "5/10s", "7/90s": "7/90s", "9/2h": "9/2h", "1/d": "1/1d", "1/24h": "1/1d",
	} {
		l, err := parseLimit(text)
		if got := formatLimit(l.Requests, int64(l.Window/time.Second)); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "100", "/1m", "x/1m", "1/", "1/0", "1/0s", "1/-1m", "1/500ms", "1/2d", "0/1m", "1000001/1m", "1/99999999999d"} {
		if l, err := parseLimit(text); err == nil {
			t.Errorf("%q is read as %v", text, l)
		}
	}
}

func TestTheHintOfARefusalDependsOnTheKindOfKey(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":{"message":"refused","type":"invalid_request_error","param":"authorization","code":"invalid_api_key"}}`))
	}))
	defer refuses.Close()
	token := func(claims string) string {
		return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
	}
	for key, want := range map[string]string{
		"":                          "LATCHKEY_KEY is not set",
		"a-key-of-somebody-else":    "latchkey validate says what is wrong with a key",
		token(`{"exp":1795521600}`): "LATCHKEY_KEY is a user's token that expired at 2026-11-24T12:00:00Z:\nsign in again",
		token(`{"exp":4102444800}`): "LATCHKEY_KEY is a user's token: the stack must name its issuer",
		token(`{"exp":"soon"}`):     "LATCHKEY_KEY is a user's token: the stack must name its issuer",
		token(`{"exp":1e300}`):      "LATCHKEY_KEY is a user's token: the stack must name its issuer",
		"eyJ.%.x":                   "LATCHKEY_KEY is a user's token: the stack must name its issuer",
	} {
		asked{args: "whoami", code: 4, talk: "refused\n" + want}.run(t, "LATCHKEY_URL="+refuses.URL, "LATCHKEY_KEY="+key)
	}
}
