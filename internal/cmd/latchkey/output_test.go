package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pagesOfKeys starts a service with three pages of keys. Its page "again" names itself as the next one.
func pagesOfKeys(t *testing.T) (environment []string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	record := func(id, name string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"userId":"u1","status":"active","scopes":[],"rateLimit":{"requests":5,"window":60}}`, strings.Repeat(id, 16), name)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		pages := map[string]string{
			"":      `{"data":[` + record("A", "=1+1") + `,` + record("B", "a,\"b\"") + `],"nextCursor":"two"}`,
			"two":   `{"data":[],"nextCursor":"three"}`,
			"three": `{"data":[` + record("C", "-5") + `]}`,
			"again": `{"data":[` + record("D", "d") + `],"nextCursor":"again"}`,
		}
		_, _ = io.WriteString(w, pages[r.URL.Query().Get("cursor")])
	}))
	t.Cleanup(service.Close)
	return []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=k"}, asked
}

func TestAllPagesAreOneList(t *testing.T) {
	env, count := pagesOfKeys(t)
	id := func(letter string) string { return strings.Repeat(letter, 16) }
	const header = "ID,NAME,USER,STATUS,PREFIX,LIMIT,EXPIRES,CREATED,OLDER UNTIL,LAST USED,QUOTA,PLAN,SHARED\n"
	for _, c := range []struct {
		args, want, talk string
		asks             int64
	}{
		{"--jq .data[].id", id("A") + "\n" + id("B") + "\n", "", 1},
		{"--all --jq .data[].id", id("A") + "\n" + id("B") + "\n" + id("C") + "\n", "", 3},
		{"--all --jq .data|length", "2\n0\n1\n", "", 3},
		{"--cursor two --jq .data", "[]\n", "", 1},
		{"-o csv", header + id("A") + ",'=1+1,u1,active,,5/1m,,,,never,,,\n" + id("B") + `,"a,""b""",u1,active,,5/1m,,,,never,,,` + "\n", "There may be more: --all, or --cursor two\n", 1},
		{
			"-o csv --all", header + id("A") + ",'=1+1,u1,active,,5/1m,,,,never,,,\n" + id("B") + `,"a,""b""",u1,active,,5/1m,,,,never,,,` + "\n" +
				id("C") + ",-5,u1,active,,5/1m,,,,never,,,\n", "", 3,
		},
		{"-o csv --cursor two", header, "No keys. latchkey keys create makes one.\nThere may be more: --all, or --cursor three\n", 1},
	} {
		before := count.Load()
		code, out, talk := cli(t, "", env, append([]string{"keys", "list"}, strings.Fields(c.args)...)...)
		if diff := cmp.Diff(c.want, out); diff != "" || code != 0 || talk != c.talk || count.Load()-before != c.asks {
			t.Errorf("keys list %s: exit code %d, %d requests, %q\n%s", c.args, code, count.Load()-before, talk, diff)
		}
	}
	code, out, talk := cli(t, "", env, "keys", "list", "--all", "--json")
	var got page[struct{ ID string }]
	if list, err := decode[page[struct{ ID string }]]([]byte(out)); err == nil {
		got = list
	}
	if len(got.Data) != 3 || got.Data[2].ID != id("C") || got.NextCursor != "" || code != 0 || talk != "" {
		t.Errorf("--all --json: exit code %d\n%s%s", code, out, talk)
	}
	asked{args: "keys list --all --cursor again", code: 1, out: id("D"), talk: "the list has no end"}.run(t, env...)
}

func TestOneObjectIsARowOfCSV(t *testing.T) {
	service := recording(t, `{"id":"A","name":"@x","limits":[{"amount":5,"window":60,"remaining":4},{"amount":9,"window":1}],"quota":null,"count":12345678901234567}`)
	env := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=k"}
	asked{args: "keys get AAAAAAAAAAAAAAAA -o csv", out: "id,name,limits,quota,count,rev\nA,'@x,5/1m 4 left; 9/1s,,12345678901234567,7\n"}.run(t, env...)
	asked{args: "keys get AAAAAAAAAAAAAAAA", out: "quota\t-\ncount\t12345678901234567\nrev\t7"}.run(t, env...)
	asked{args: "keys get AAAAAAAAAAAAAAAA --jq .count+1", out: "12345678901234568"}.run(t, env...)
}

func TestAnExpressionSelectsFromTheAnswer(t *testing.T) {
	service := recording(t, `{"key":"sk_live_canary","name":"a\nb","list":[1,"x",null,{"b":2,"a":1}],"on":true}`)
	env := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=k"}
	for expression, want := range map[string]string{
		".name": "a\nb\n", ".list[]": "1\nx\nnull\n{\"a\":1,\"b\":2}\n", ".on": "true\n", "empty": "", ".none": "null\n", ".list|@csv?": "", "1,halt,2": "1\n",
		"env|length": "0\n",
	} {
		if code, out, talk := cli(t, "", env, "whoami", "--jq", expression); code != 0 || out != want || talk != "" {
			t.Errorf("%s: exit code %d, %q, %q; want %q", expression, code, out, talk, want)
		}
	}
	// A failure names no value, which may be a token.
	for expression, want := range map[string]string{
		".key.x": "--jq does not fit the answer: expected an object but got: string", ".list.x": "expected an object but got: array", ".key|error": "an error of its own",
		".key|tonumber": "does not fit", "{(.key):1}|.[0]": "does not fit", ".key*1e12": "does not fit", "input": "input(s)/0 is not allowed", ".key|halt_error": "of its own",
		".key - 1": "does not fit", ".key|fromjson": "does not fit",
	} {
		if code, out, talk := cli(t, "", env, "whoami", "--jq", expression); code != 2 || out != "" || !strings.Contains(talk, want) || strings.Contains(talk, "canary") {
			t.Errorf("%s: exit code %d, %q, %q; want %q", expression, code, out, talk, want)
		}
	}
	for _, args := range []string{"-o csv --jq .", "-o table --jq .", "-o csv --json"} {
		asked{args: "whoami " + args, code: 2, talk: "leave out --output"}.run(t, env...)
	}
	asked{args: "whoami -o json --json --jq .on", out: "true"}.run(t, env...)
	for expression, place := range map[string]string{".a | | .b": "at character 6", ".[": "at character 2", "1 + üü": "at character 5", ".a|nothere(1)": "function not defined at character 4", "$x": "variable not defined at character 1"} {
		if code, _, talk := cli(t, "", env, "whoami", "--jq", expression); code != 2 || !strings.Contains(talk, place) {
			t.Errorf("%s: exit code %d, %s; want %s", expression, code, talk, place)
		}
	}
}

func TestChangesCarryTheirConditions(t *testing.T) {
	service := recording(t, `{"id":"A","userId":"u1"}`)
	env := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=k"}
	const id, once = "AAAAAAAAAAAAAAAA", "order-4711-of-2027-01-31"
	for args, want := range map[string][2]string{
		"keys create --idempotency-key " + once:                      {once, ""},
		"keys rotate " + id + " --idempotency-key " + once:           {once, ""},
		"keys rotate " + id + " --if-match 3":                        {"", `"3"`},
		"keys update " + id + " --name x --if-match \"3\"":           {"", `"3"`},
		"keys enable " + id + " --if-match *":                        {"", "*"},
		"keys disable " + id + " --if-match 0":                       {"", `"0"`},
		"keys end-grace " + id + " --if-match 3":                     {"", `"3"`},
		"keys revoke " + id + " --yes --if-match 3":                  {"", `"3"`},
		"keys delete " + id + " --yes --if-match 3":                  {"", `"3"`},
		"keys credits " + id + " +5 --if-match 3":                    {"", `"3"`},
		"users set u1 --max-keys 1 --if-match 3":                     {"", `"3"`},
		"users suspend u1 --if-match 3":                              {"", `"3"`},
		"users credits u1 +5 --if-match 3 --idempotency-key " + once: {once, `"3"`},
		"plans put pro --max-days 1 --if-match 3":                    {"", `"3"`},
		"keys get " + id: {"", ""},
	} {
		asked{args: args}.run(t, env...)
		sent := service.last(t).Header
		if got := [2]string{sent.Get("Idempotency-Key"), sent.Get("If-Match")}; got != want {
			t.Errorf("%s: sent %q, want %q", args, got, want)
		}
	}
	if c, _, err := root().Find([]string{"keys", "get"}); err != nil || c.Flags().Lookup("if-match") != nil {
		t.Error("keys get changes nothing, but has --if-match")
	}
}

// No request, answer or header that is printed has a token.
func TestDebugPrintsRequestsWithoutTokens(t *testing.T) {
	const token = "sk_live_Lu7py5Hr8hk6nR251eNjX5EdXPiV59ITARW01f3KzUU9iQBG2fG011"
	service := recording(t, `{"id":"AAAAAAAAAAAAAAAA","key":"another-form-of-canary","deep":[{"text":"see `+token+` here"}],"mine":"my-own-canary"}`)
	env := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=my-own-canary"}
	for _, c := range []struct{ args, stdin string }{
		{"keys create --idempotency-key canary-of-a-request --description " + token, ""}, {"validate", token}, {"validate", "canary-in-no-form"}, {"keys find", "canary-in-no-form"},
		{"keys rotate AAAAAAAAAAAAAAAA", ""},
	} {
		_, out, talk := cli(t, c.stdin, env, append(strings.Fields(c.args), "--debug")...)
		if !strings.Contains(talk, "> POST "+service.URL+"/api/v1/api-keys") || !strings.Contains(talk, "< 200 OK after ") || !strings.Contains(talk, `"id":"AAAAAAAAAAAAAAAA"`) {
			t.Errorf("%s: the request is not shown:\n%s", c.args, talk)
		}
		if strings.Contains(talk, "canary") || strings.Contains(talk, token[8:]) {
			t.Errorf("%s: a token is shown:\n%s", c.args, talk)
		}
		if strings.Contains(out, "> POST") {
			t.Errorf("%s: standard output has the request:\n%s", c.args, out)
		}
	}
	code, _, talk := cli(t, "", []string{"LATCHKEY_URL=http://127.0.0.1:1", "LATCHKEY_KEY=k"}, "whoami", "--debug")
	if code != 1 || !strings.Contains(talk, "< no answer after ") {
		t.Errorf("a service that is away: exit code %d\n%s", code, talk)
	}
}

func TestASlipInAFlagIsCorrected(t *testing.T) {
	for args, want := range map[string]string{
		"keys create --scop tts":      "there is no flag --scop; did you mean --scopes?",
		"keys create --expire 90d":    "did you mean --expires?",
		"keys list --stauts active":   "did you mean --status?",
		"validate --sourceip 1.2.3.4": "did you mean --source-ip?",
		"keys list --zzzzzzz":         "there is no flag --zzzzzzz; see latchkey keys list --help",
		"keys list --user u1 --al":    "did you mean --all?",
	} {
		asked{args: args, code: 2, talk: want}.run(t)
	}
	if near := similar("x", []string{"output", "all"}); slices.Contains(near, "output") {
		t.Errorf("x is taken for %q", near)
	}
}

// A list of all pages ends with Ctrl-C between two pages, and so does an expression without an end.
func TestCtrlCEndsAListAndAnExpression(t *testing.T) {
	waiting := make(chan struct{}, 2)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			_, _ = io.WriteString(w, `{"data":[{"id":"AAAAAAAAAAAAAAAA"}],"nextCursor":"two"}`)
			return
		}
		waiting <- struct{}{}
		<-r.Context().Done()
	}))
	defer service.Close()
	env := []string{"LATCHKEY_URL=" + service.URL, "LATCHKEY_KEY=k"}
	for _, args := range [][]string{{"keys", "list", "--all"}, {"keys", "list", "--jq", "def f: f; .data[].id, f"}} {
		c := command(t, env, args...)
		var talk strings.Builder
		c.Stderr = &talk
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 16)
		if _, err := io.ReadFull(out, first); err != nil || string(first) != strings.Repeat("A", 16) {
			t.Fatalf("%q: the first page is not printed before the second one is asked for: %q, %v", args, first, err)
		}
		if args[2] == "--all" {
			<-waiting
		}
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, out) // ends when the program does
		if err := c.Wait(); c.ProcessState.ExitCode() != 130 || talk.String() != "latchkey: interrupted\n" {
			t.Errorf("%q: %v: %q", args, err, talk.String())
		}
	}
}
