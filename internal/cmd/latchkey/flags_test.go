package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValues are right and wrong values of a flag. The error about a wrong value shows a right one.
type flagValues struct {
	right, wrong []string
	free         bool // every text is right, except those in wrong
}

var (
	moments = flagValues{
		right: []string{"90d", "12h", "2027-01-31", "2027-01-31T12:00:00Z", "never"},
		wrong: []string{"1796040000", "1796040000000", "90", "5", "0", "+90", "-90", "-1d", "9e3", "90.0", "1_000", "0x10", "d", "m", "day", "soon", "", " ", "90 d", "d90",
			"90D", "1d2h", "500ms", "1.5s", "0s", "0d", "40000d", "9999999999999d", "99999999h", "2027-13-31", "2027-01-32", "31.01.2027", "2027/01/31", "1h\n"},
	}
	days  = flagValues{right: []string{"2027-01-31"}, wrong: []string{"yesterday", "1796040000", "20270131", "2027-1-1", "2027-02-30", "1969-12-31", ""}}
	limit = flagValues{right: []string{"100/1m", "5/10s", "1000/h", "100/60"},
		wrong: []string{"10", "x", "x/1m", "0/1m", "-1/1m", "1.5/1m", "1000001/1m", "1/", "/1m", "1/0", "1/2d", "1/500ms", "1/x", "100 per minute", ""}}
	lines = flagValues{right: append([]string{"10/1s,1000/1m", "none", "1/1s,2/2s,3/3s,4/4s"}, limit.right...),
		wrong: append([]string{"1/1m,2/60s", "100/1m,none", "none,100/1m", "1/1s,2/2s,3/3s,4/4s,5/5s", "5/month", "500/lifetime", "10/1s,", ","}, limit.wrong...)}
	quotas = flagValues{right: []string{"10000/month", "5/day", "500/lifetime", "none"},
		wrong: []string{"x", "10", "x/month", "0/day", "-1/day", "5/week", "5/", "/day", "1000000000001/day", "5/month/day", "10/1m", "0/lifetime", ""}}
	lives  = flagValues{right: []string{"0", "36500"}, wrong: []string{"-1", "36501", "x", "90d", ""}}
	counts = flagValues{right: []string{"1", "100"}, wrong: []string{"0", "101", "-1", "x", "1.5", "1e1", "", "9999999999999999999999", "50 "}}
	costs  = flagValues{right: []string{"0", "1000000"}, wrong: []string{"-1", "1000001", "x", "1.5", "", "9999999999999999999999"}}
	bools  = flagValues{right: []string{"true", "false"}, wrong: []string{"yes", "maybe", "2", ""}}
	users  = flagValues{right: []string{"u1"}, wrong: []string{"", " u1", strings.Repeat("u", 129), "a\nb"}}
	scopes = flagValues{right: []string{"tts", "tts,stt:*", "tts, stt"}, wrong: []string{"TTS", "a b", "a,,b", ",", strings.Repeat("a", 129)}}
	source = flagValues{right: []string{"192.0.2.7", "2001:db8::1"}, wrong: []string{"here", "192.0.2.0/24", "1.2.3", ""}}
	free   = flagValues{free: true, wrong: []string{""}}
	texts  = flagValues{free: true}
)

// flagRules has an entry for every flag of every command, by its name or by "command flag".
var flagRules = map[string]flagValues{
	"expires": moments, "not-before": moments,
	"limit": lines, "key-limit": lines, "user-limit": lines, "quota": quotas, "key-quota": quotas, "user-quota": quotas,
	"plan":     {right: []string{"pro", "none", "a.b_c-1"}, wrong: []string{"Pro", "a b", "a/b", strings.Repeat("p", 65), ""}},
	"max-days": lives, "default-days": lives, "idle-days": lives,
	"max-keys":        {right: []string{"0", "10000"}, wrong: []string{"-1", "10001", "x", "1.5", ""}},
	"idempotency-key": {right: []string{"order-4711-of-2027-01-31"}, wrong: []string{"fifteen-letters", strings.Repeat("k", 256), "order 4711 of 2027-01-31", ""}},
	"grace":           {right: []string{"1h", "24h", "30d", "0"}, wrong: []string{"90", "1796040000", "soon", "-1h", "31d", "1h30", "500ms", "0.5s", "d", "h", "never", "2027-01-31", ""}},
	"scopes":          scopes, "scope": {right: []string{"tts", "stt:*"}, wrong: []string{"A", "a b", "a,b", ""}},
	"cidr":     {right: []string{"192.0.2.0/24", "10.1.2.3", "10.0.0.0/8,2001:db8::/32"}, wrong: []string{"10.0.0.0/33", "here", "10.0.0", "10.0.0.0/8,x"}},
	"metadata": {right: []string{"team=a", "a=1,b=2"}, wrong: []string{"a", "=", "a,b"}},
	"env":      {right: []string{"live", "test"}, wrong: []string{"prod", "LIVE", ""}},
	"status":   {right: []string{"active", "disabled", "inactive", "revoked", "expired"}, wrong: []string{"gone", "Active", ""}},
	"user":     users, "key": {right: []string{"fbvIj5lD1wYRMsd9"}, wrong: []string{"x", "sk_live_1", ""}},
	"list limit": counts, "keys audit limit": counts, "users audit limit": counts, "users stats limit": counts, "plans audit limit": counts, "plans stats limit": counts, "cost": costs, "source-ip": source,
	"method": {right: []string{"GET", "post", "OPTIONS"}, wrong: []string{"BREW", "", "GET "}},
	"path":   {right: []string{"/tts/speak"}, wrong: []string{"tts", ""}},
	"at":     {right: []string{"2027-01-31T12:00:00Z", "2027-01-31"}, wrong: []string{"1796040000", "90d", "5", "now", ""}},
	"from":   days, "to": days,
	"freshness":   {right: []string{"1s", "500ms", "0", "1h"}, wrong: []string{"5", "x", "-1s", "2h", ""}},
	"deny-status": {right: []string{"429", "403"}, wrong: []string{"200", "x", ""}},
	"checkpoint":  free, "cursor": texts, "name": texts, "description": texts, "public-key": free, "state": free, "stack": free,
	"output":   {right: []string{"table", "json", "csv"}, wrong: []string{"yaml", "JSON", ""}},
	"jq":       {right: []string{".data[].id", ".", `"\(.a) b"`}, wrong: []string{".keys[", "no_such(.id)", "$unbound", ".a | | .b", "\"open", "", "  "}},
	"profile":  {right: []string{"prod", "a.b_c-1"}, wrong: []string{"a b", "sk_live_Lu7py5Hr8hk6nR251eNjX5EdXPiV59ITARW01f3KzUU9iQBG2fG011", "ü", ""}},
	"if-match": {right: []string{"3", `"3"`, "*", "0"}, wrong: []string{"three", "-1", "3.5", `W/"3"`, "sk_live_1", ""}},
	"key-file": free, "file": free, "top limit": counts,
	"search":         {right: []string{"ci", "sk_live_ab12"}, wrong: []string{strings.Repeat("s", 256), ""}},
	"sort":           {right: []string{"created", "lastUsed", "spent"}, wrong: []string{"name", "Spent", ""}},
	"expires-before": {right: []string{"7d", "12h", "2027-01-31"}, wrong: append([]string{"never"}, moments.wrong...)},
	"unused-since":   {right: []string{"90d", "12h", "2027-01-31", "2027-01-31T12:00:00Z"}, wrong: append([]string{"never"}, moments.wrong...)},
	"action":         {right: []string{"create", "revoke"}, wrong: []string{"frobnicate", ""}},
	"watch":          {right: []string{"1s", "10s", "1h"}, wrong: []string{"0", "5", "500ms", "2h", "soon", "-1s", ""}},
	"region":         {right: []string{"eu-west-1", "us-gov-west-1"}, wrong: []string{"Frankfurt", "eu", ""}},
	"aws-profile":    texts, "print": texts,
	"listen":   {right: []string{"127.0.0.1:8080", ":0"}, wrong: []string{"8080", "here", ""}},
	"monitor":  {right: []string{"127.0.0.1:8080", ":0"}, wrong: []string{"8080", "here", ""}},
	"tls-cert": free, "tls-key": free,
	"reason":           {right: []string{"stolen", "left the company"}, wrong: []string{strings.Repeat("r", 201), "a\nb", ""}, free: true},
	"prefix":           {right: []string{"sk", "acme"}, wrong: []string{"a b", "A-", strings.Repeat("p", 99), ""}, free: true},
	"leak-rule format": {right: []string{"gitleaks", "trufflehog"}, wrong: []string{"xml", ""}},
	"throttle":         {right: []string{"0", "1000"}, wrong: []string{"-1", "10001", "x", ""}},
	"wait":             {right: []string{"1s", "500ms", "5m", "1h"}, wrong: []string{"5", "0s", "-1s", "2h", ""}},
	"smoke output":     {right: []string{"table", "json"}, wrong: []string{"csv", ""}},
	"ignore":           {right: []string{"acl", "acl,cors"}, wrong: []string{}},
	"format":           {right: []string{"keyfile", "jsonl", "csv", "kong"}, wrong: []string{"xml", ""}},
	"default-limit":    {right: append([]string{"60/1m"}, limit.right...), wrong: append([]string{"10/1s,1000/1m", "none"}, limit.wrong...)},
}

// Every misuse of every flag is a usage error in our own words. It shows a right value and does not
// repeat the wrong one.
func TestEveryMisuseOfEveryFlagIsAUsageError(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long and runs one step after another")
	}
	t.Setenv("LATCHKEY_URL", "http://127.0.0.1:1")
	t.Setenv("LATCHKEY_KEY", "")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	foreign := regexp.MustCompile(`strconv|time:|parsing|invalid (syntax|argument|duration)|parse error|netip|=value|bare "`)
	flags := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() || c.HasParent() && c.Parent().Name() == "completion" || c.Name() == "help" {
			return
		}
		c.InitDefaultHelpFlag()
		path := strings.Fields(c.CommandPath())[1:]
		c.Flags().VisitAll(func(f *pflag.Flag) {
			flags++
			rule, ok := flagRules[strings.Join(append(path, f.Name), " ")]
			if !ok {
				rule, ok = flagRules[path[len(path)-1]+" "+f.Name]
			}
			if !ok {
				rule, ok = flagRules[f.Name]
			}
			if !ok && f.Value.Type() == "bool" {
				rule, ok = bools, true
			}
			if !ok || len(rule.right) == 0 && !rule.free {
				t.Errorf("%s --%s has no rule in this test", c.CommandPath(), f.Name)
				return
			}
			if f.Name == "help" {
				return
			}
			for _, right := range rule.right {
				if err := readFlags(t, path, "--"+f.Name+"="+right); err != nil {
					t.Errorf("%s --%s=%s: %v", c.CommandPath(), f.Name, right, err)
				}
			}
			for _, wrong := range rule.wrong {
				code, err := misuse(t, path, "--"+f.Name+"="+wrong)
				if code != 2 {
					t.Errorf("%s --%s=%q: exit code %d, want 2: %v", c.CommandPath(), f.Name, wrong, code, err)
					continue
				}
				text := err.Error()
				if !strings.HasPrefix(text, "--"+f.Name+" ") || foreign.MatchString(text) || len(wrong) > 4 && strings.Contains(text, wrong) {
					t.Errorf("%s --%s=%q: %s", c.CommandPath(), f.Name, wrong, text)
				}
				if wrong != "" && !rule.free && f.Value.Type() != "int" && !strings.Contains(text, "must be between") {
					shown := false
					for _, right := range rule.right {
						shown = shown || strings.Contains(text, right)
					}
					if !shown && f.Name != "user" && f.Name != "key" {
						t.Errorf("%s --%s=%q: no right value is shown: %s", c.CommandPath(), f.Name, wrong, text)
					}
				}
			}
			if f.NoOptDefVal == "" { // the flag needs a value
				if code, err := misuse(t, path, "--"+f.Name); code != 2 || !strings.Contains(err.Error(), "--"+f.Name+" needs a value") {
					t.Errorf("%s --%s: exit code %d, %v", c.CommandPath(), f.Name, code, err)
				}
			}
		})
		const token = "sk_live_Lu7py5Hr8hk6nR251eNjX5EdXPiV59ITARW01f3KzUU9iQBG2fG011"
		for arg, want := range map[string]string{
			"--verbose": "there is no flag --verbose; see latchkey", "-v": "there is a flag that does not exist; see latchkey",
			"--" + token: "there is a flag that does not exist", "-" + token: "there is a flag that does not exist", "--=" + token: "there is a flag that does not exist",
		} {
			if code, err := misuse(t, path, arg); code != 2 || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), token) {
				t.Errorf("%s %s: exit code %d, %v; want %q", c.CommandPath(), arg, code, err, want)
			}
		}
	}
	walk(root())
	if flags < 70 {
		t.Errorf("only %d flags were tested", flags)
	}
}

// An error does not repeat a token that was pasted in the place of a command or an argument.
func TestATokenInTheWrongPlaceIsNotRepeated(t *testing.T) {
	const token = "sk_live_Lu7py5Hr8hk6nR251eNjX5EdXPiV59ITARW01f3KzUU9iQBG2fG011"
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		c.InitDefaultHelpCmd()
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Name() == "create" || c.Name() == "completion" || c.Name() == "help" || c.HasParent() && c.Parent().Name() == "completion" {
			return // a name may be any text, and the others are cobra's own
		}
		command := root()
		var output bytes.Buffer
		command.SetIn(strings.NewReader(""))
		command.SetOut(&output)
		command.SetErr(&output)
		command.SetArgs(append(path, token, "one more"))
		if err := command.ExecuteContext(t.Context()); err == nil || strings.Contains(err.Error()+output.String(), token) {
			t.Errorf("%s: %v %s", c.CommandPath(), err, output.String())
		}
	}
	walk(root())
}

// arguments are the arguments that commands need beside flags. No command uses them, because a flag
// is wrong.
var arguments = map[string][]string{
	"import": {"/nowhere"}, "smoke": {"http://127.0.0.1:1"},
	"get": {"AAAAAAAAAAAAAAAA"}, "users get": {"u1"}, "update": {"AAAAAAAAAAAAAAAA", "--description=x"}, "enable": {"AAAAAAAAAAAAAAAA"}, "disable": {"AAAAAAAAAAAAAAAA"},
	"end-grace": {"AAAAAAAAAAAAAAAA"}, "rotate": {"AAAAAAAAAAAAAAAA"}, "revoke": {"AAAAAAAAAAAAAAAA", "--yes"}, "delete": {"AAAAAAAAAAAAAAAA", "--yes"}, "explain": {"AAAAAAAAAAAAAAAA"},
	"set": {"u1", "--max-keys=1"}, "suspend": {"u1"}, "resume": {"u1"}, "stats": {"u1"}, "users audit": {"u1"}, "plans audit": {}, "plans stats": {"pro"}, "put": {"pro", "--max-days=1"}, "plans get": {"pro"},
	"keys credits": {"AAAAAAAAAAAAAAAA", "+500"}, "users credits": {"u1", "+500"},
	"secret set": {"staticKeys"}, "secret unset": {"staticKeys"},
	"usage": {"AAAAAAAAAAAAAAAA"}, "keys audit": {"AAAAAAAAAAAAAAAA"},
}

// misuse runs a command with a wrong flag and returns its exit code and its error.
func misuse(t *testing.T, path []string, flag string) (int, error) {
	t.Helper()
	c := root()
	c.SetIn(strings.NewReader(""))
	c.SetOut(io.Discard)
	c.SetErr(io.Discard)
	rest, ok := arguments[strings.Join(path, " ")]
	if !ok {
		rest = arguments[path[len(path)-1]]
	}
	c.SetArgs(append(append(append([]string{}, path...), rest...), flag))
	err := c.ExecuteContext(t.Context())
	if err == nil {
		return 0, nil
	}
	return exitCode(err), err
}

// readFlags parses and checks one flag of a command, and does not run the command.
func readFlags(t *testing.T, path []string, flag string) error {
	t.Helper()
	all := root()
	c, _, err := all.Find(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ParseFlags([]string{flag}); err != nil {
		return err
	}
	return checkFlags(c)
}
