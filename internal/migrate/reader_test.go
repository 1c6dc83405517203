package migrate_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/apikey"
	"latchkey/internal/migrate"
	"latchkey/internal/ratelimit"
)

const (
	k1 = "sk_live_0123456789abcdef0123456789abcdef"
	k2 = "an-old-key-of-ours"
	k3 = "another-old-key-of-ours"
	h1 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

func newFormat(t testing.TB) apikey.Format {
	t.Helper()
	f, err := apikey.NewFormat("sk")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readAll(t testing.TB, file string, o migrate.Options) (all []migrate.Line) {
	t.Helper()
	o.Format = newFormat(t)
	r := migrate.NewReader(strings.NewReader(file), o)
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
}

func perMinute(n int64) ratelimit.Limit { return ratelimit.Limit{Requests: n, Window: time.Minute} }

func TestAKeyFileLineGivesLimitAndExpiry(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for line, want := range map[string]struct {
		limit   int64
		expires time.Time
	}{
		"a:" + k1:                                   {100, time.Time{}},
		"  a : " + k1 + " : 5 ":                     {5, time.Time{}},
		"a:" + k1 + ":":                             {100, time.Time{}},
		"a:" + k1 + "::":                            {100, time.Time{}},
		"a:" + k1 + ":5:":                           {5, time.Time{}},
		"a:" + k1 + "::2027-01-31":                  {100, at("2027-01-31T00:00:00Z")},
		"a:" + k1 + ":5:2027-01-31T12:30:15Z":       {5, at("2027-01-31T12:30:15Z")},
		"a:" + k1 + ":5:2027-01-31T12:30:15":        {5, at("2027-01-31T12:30:15Z")},
		"a:" + k1 + ":5:2027-01-31 12:30:15":        {5, at("2027-01-31T12:30:15Z")},
		"a:" + k1 + ":5:2027-01-31t12:30:15z":       {5, at("2027-01-31T12:30:15Z")},
		"a:" + k1 + ":5:2027-01-31T12:30":           {5, at("2027-01-31T12:30:00Z")},
		"a:" + k1 + ":5:2027-01-31T12:30:15+00:00":  {5, at("2027-01-31T12:30:15Z")},
		"a:" + k1 + ":5:2027-01-31T12:30:15+0200":   {5, at("2027-01-31T10:30:15Z")},
		"a:" + k1 + ":5:2027-01-31T00:00:00.250000": {5, at("2027-01-31T00:00:00.25Z")},
		"a:" + k1 + ":5:2027-01-31 12:30:15.25-02":  {5, at("2027-01-31T14:30:15.25Z")},
		"a:" + k1 + ":5:2020-01-31":                 {5, at("2020-01-31T00:00:00Z")}, // it has expired there, too
		"a:" + k1 + ":2027-01-31T12:30:15Z":         {100, at("2027-01-31T12:30:15Z")},
		"\ufeffa:" + k1 + ":7\r":                    {7, time.Time{}},
		"# one file\n\ufeffa:" + k1 + ":7":          {7, time.Time{}}, // and another
	} {
		all := readAll(t, line, migrate.Options{})
		if len(all) != 1 || all[0].Err != nil {
			t.Errorf("%q: %v", line, all)
			continue
		}
		in := all[0].Import
		if in.ID != "a" || in.UserID != "a" || *in.Change.Name != "a" || in.Token.Reveal() != k1 || in.Environment != apikey.Live ||
			!in.Change.Scopes.Allow("tts") || in.Change.Scopes.Admin() {
			t.Errorf("%q: %+v", line, in)
		}
		var expires time.Time
		if in.Change.ExpiresAt != nil {
			expires = *in.Change.ExpiresAt
		}
		if *in.Change.Limit != perMinute(want.limit) || !expires.Equal(want.expires) {
			t.Errorf("%q: limit %v, expires %v", line, *in.Change.Limit, expires)
		}
	}
}

func TestOptionsApplyToLinesWithoutValues(t *testing.T) {
	limit, scopes := ratelimit.Limit{Requests: 7, Window: time.Hour}, apikey.Scopes{"tts"}
	o := migrate.Options{UserID: "owner", Limit: &limit, Scopes: &scopes}
	file := "a:" + k1 + "\nb:" + k2 + ":9\n"
	for i, want := range []ratelimit.Limit{limit, perMinute(9)} {
		in := readAll(t, file, o)[i].Import
		if in.UserID != "owner" || *in.Change.Name != in.ID || *in.Change.Limit != want || !cmp.Equal(*in.Change.Scopes, scopes) {
			t.Errorf("line %d: %+v", i+1, in)
		}
	}
	file = `{"key":"` + k1 + `","userId":"u1"}` + "\n" + `{"key":"` + k2 + `","scopes":[],"rateLimit":{"requests":1,"window":2}}`
	for i, want := range []apikey.Change{
		{Limit: &limit, Scopes: &scopes}, {Limit: &ratelimit.Limit{Requests: 1, Window: 2 * time.Second}, Scopes: &apikey.Scopes{}},
	} {
		line := readAll(t, file, o)[i]
		if line.Err != nil || line.Import.UserID != "owner" || !cmp.Equal(line.Import.Change, want) {
			t.Errorf("JSON line %d: %v\n%s", i+1, line.Err, cmp.Diff(want, line.Import.Change))
		}
	}
}

// complaint is the error of a line.
type complaint struct {
	line int
	says string
}

func complaints(t testing.TB, file string, o migrate.Options) (all []complaint) {
	t.Helper()
	for _, line := range readAll(t, file, o) {
		if line.Err != nil {
			all = append(all, complaint{line.Number, line.Err.Error()})
		}
	}
	return all
}

func check(t *testing.T, file string, want []complaint) {
	t.Helper()
	got := complaints(t, file, migrate.Options{})
	if len(got) != len(want) {
		t.Fatalf("%d complaints, want %d: %v", len(got), len(want), got)
	}
	for i, w := range want {
		if got[i].line != w.line || !strings.HasPrefix(got[i].says, w.says) {
			t.Errorf("line %d: %s; want line %d: %s", got[i].line, got[i].says, w.line, w.says)
		}
		for _, secret := range []string{k1, k2, k3, h1, "secret"} {
			if strings.Contains(got[i].says, secret) {
				t.Errorf("line %d gives a key away: %s", got[i].line, got[i].says)
			}
		}
	}
}

func TestEveryWrongLineIsReportedByItsNumber(t *testing.T) {
	long := strings.Repeat("x", 1<<17)
	check(t, strings.Join([]string{
		"# id:key", "", "\r", "ok:" + k1 + "\r", // 4
		"secret-without-a-colon",                // 5
		":" + k2,                                // 6
		"a:",                                    // 7
		"a:secret",                              // 8
		"a:secret-with space",                   // 9
		"a:secret\x00with\x00nul",               // 10
		"a:secret-\xff\xfe-no-utf8",             // 11
		"a:" + long,                             // 12
		"a:" + k2 + ":zero",                     // 13
		"a:" + k2 + ":0",                        // 14
		"a:" + k2 + ":1000001",                  // 15
		"a:" + k2 + ":5:tomorrow",               // 16
		"a:" + k2 + ":5:2027-02-30",             // 17
		"a:" + k2 + ":5:0001-01-01",             // 18, which would be never
		"a:" + k2 + ":5:2027-01-31T",            // 19
		strings.Repeat("i", 129) + ":" + k2,     // 20
		"a:eyJhbGciOiJub25lIn0.eyJzdWIi.secret", // 21
		"last:" + k2,
	}, "\n"), []complaint{
		{5, "key is missing"}, {6, "key_id must"}, {7, "key is missing"}, {8, "key must"}, {9, "key must"}, {10, "key must"},
		{11, "the line is not UTF-8"}, {12, "the line is longer"}, {13, "requests_per_minute must"}, {14, "requests_per_minute must"},
		{15, "requests_per_minute must"}, {16, "expiry must"}, {17, "expiry must"}, {18, "expiry must"}, {19, "expiry must"}, {20, "key_id must"},
		{21, "key has the form of a JSON Web Token"},
	})
}

func TestEveryWrongObjectIsReportedByItsNumber(t *testing.T) {
	line := func(more string) string { return `{"key":"` + k1 + `","userId":"u1"` + more + `}` }
	check(t, strings.Join([]string{
		line(``), // 1
		`{"userId":"u1"}`,
		`{"key":"` + k2 + `"}`,
		`{"key":"` + k2 + `","sha256":"` + h1 + `","userId":"u1"}`,
		`{"sha256":"` + h1[:62] + `","userId":"u1"}`, // 5
		`{"sha256":"` + strings.Repeat("x", 64) + `","userId":"u1"}`,
		line(`,"Scopes":[]`),
		line(`,"` + k2 + `":1`),
		line(`,"scopes":null`),  // which is as if they were not there
		line(`,"scopes":"tts"`), // 10
		line(`,"scopes":[1]`),
		line(`,"name":"a","name":"b"`),
		line(`,"rateLimit":{"requests":5}`),
		line(`,"rateLimit":{"requests":5,"window":60,"burst":1}`),
		line(`,"rateLimit":{"requests":"5","window":60}`), // 15
		line(`,"rateLimit":{"requests":5,"window":60},"unlimited":true`),
		line(`,"quota":{"requests":5,"requests":6}`),
		line(`,"allowedCidrs":["everywhere"]`),
		line(`,"metadata":{"a":1}`),
		line(`,"metadata":{"a":null}`), // 20
		line(`,"environment":"prod"`),
		line(`,"expiresAt":"tomorrow"`),
		line(`,"id":""`),
		line(``) + `{}`,
		`a:` + k2, // 25
		`{"key":"` + k2 + `","userId":"u1`,
		`[]`,
		line(`,"userId2":" "`),
	}, "\n"), []complaint{
		{2, "key is missing"}, {3, "userId is missing"}, {4, "sha256 must not"}, {5, "sha256 must be a SHA-256"}, {6, "sha256 must be a SHA-256"},
		{7, "the line has a field that is not known: Scopes"}, {8, "the line has a field that is not known"},
		{10, "scopes must be"}, {11, "scopes must be"}, {12, "the line has a field twice"}, {13, "rateLimit must be"}, {14, "rateLimit must be"},
		{15, "rateLimit must be"}, {16, "unlimited must not"}, {17, "quota must be"}, {18, "allowedCidrs must be"}, {19, "metadata must be"},
		{20, "metadata must be"}, {21, "environment must be"}, {22, "expiresAt must be"}, {23, "id must be"}, {24, "the line is not a JSON object"},
		{25, "the line is not a JSON object"}, {26, "the line is not a JSON object"}, {27, "the line is not a JSON object"},
		{28, "the line has a field that is not known"},
	})
}

func TestAJSONLineHasTheFieldsOfTheAPI(t *testing.T) {
	all := readAll(t, "\n# from a database\n"+`{"sha256":"`+h1+`","userId":"u1","id":"i1","name":"n","description":"d","publicKey":"pk_0123456789abcdef","environment":"test",`+
		`"scopes":["tts","stt:*"],"rateLimit":{"requests":5,"window":10},"quota":{"requests":100,"period":"day"},"allowedCidrs":["192.0.2.7","2001:db8::/32"],`+
		`"metadata":{"plan":"pro"},"enabled":false,"notBefore":"2026-01-31","expiresAt":"2027-01-31T12:00:00Z"}`, migrate.Options{})
	if len(all) != 1 || all[0].Err != nil || all[0].Number != 3 {
		t.Fatal(all)
	}
	in := all[0].Import
	c := in.Change
	if in.Hash == nil || in.UserID != "u1" || in.ID != "i1" || in.PublicKey != "pk_0123456789abcdef" || in.Environment != apikey.Test ||
		*c.Name != "n" || *c.Description != "d" || !cmp.Equal(*c.Scopes, apikey.Scopes{"tts", "stt:*"}) ||
		*c.Limit != (ratelimit.Limit{Requests: 5, Window: 10 * time.Second}) || *c.Quota != (ratelimit.Quota{Requests: 100, Period: ratelimit.Day}) ||
		len(*c.AllowedCIDRs) != 2 || (*c.Metadata)["plan"] != "pro" || *c.Enabled ||
		!c.NotBefore.Equal(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)) || !c.ExpiresAt.Equal(time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", in)
	}
}

// The first line of a key decides its settings. Others may omit them.
func TestLinesOfOneKeyMustAgree(t *testing.T) {
	check(t, strings.Join([]string{
		"a:" + k1 + ":50:2027-01-31",
		"a:" + k2 + ":50",
		"a:" + k3 + ":51",                     // 3: another limit
		"a:" + k3 + "::2027-01-31T00:00:00Z",  // the same, in other words
		"a:and-a-fourth-key-1:50:2027-02-01",  // 5: another expiry
		"a:" + k1 + ":50:2027-01-31",          // again
		"b:" + k1,                             // 7: a's token
		"b:and-a-fourth-key-1",                // line 5 has left no trace
		"b:and-a-fourth-key-2:100",            // the default is settled, too
		"b:and-a-fourth-key-3:99",             // 10
		"b:and-a-fourth-key-4:100:2027-01-31", // 11: the first has none
	}, "\n"), []complaint{
		{3, "requests_per_minute differs from that of line 1,"}, {5, "expiry differs from that of line 1,"}, {7, "key belongs to the key of line 1 "},
		{10, "requests_per_minute differs from that of line 8,"}, {11, "expiry differs from that of line 8,"},
	})
	check(t, strings.Join([]string{
		`{"id":"a","key":"` + k1 + `","userId":"u1","rateLimit":{"requests":5,"window":60},"scopes":["tts"]}`,
		`{"id":"a","key":"` + k2 + `","userId":"u1","rateLimit":{ "window":60, "requests":5 }}`,
		`{"id":"a","key":"` + k3 + `","userId":"u2"}`, // 3
		`{"id":"a","key":"` + k3 + `","userId":"u1","scopes":["stt"]}`,
		`{"sha256":"` + h1 + `","userId":"u1"}`, // 5, whose token is "test"
		`{"sha256":"` + strings.ToUpper(h1) + `","userId":"u2"}`,
		`{"id":"c","sha256":"` + h1 + `","userId":"u1"}`,
	}, "\n"), []complaint{
		{3, "userId differs from that of line 1,"}, {4, "scopes differs from that of line 1,"}, {6, "userId differs from that of line 5,"},
		{7, "key belongs to the key of line 5 "},
	})
}

// endless is a file that repeats one byte.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	clear(p[:n])
	e.left -= n
	return n, nil
}

func TestAGigabyteIsOneLineTooLong(t *testing.T) {
	r := migrate.NewReader(io.MultiReader(strings.NewReader("a:"+k1+"\n"), &endless{1 << 30}, strings.NewReader("\nb:"+k2)), migrate.Options{Format: newFormat(t)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i, bad := range []bool{false, true, false} {
		if line, err := r.Next(); err != nil || line.Number != i+1 || (line.Err != nil) != bad {
			t.Errorf("line %d: %v, %v", i+1, line, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes of memory for it", grown)
	}
}

func TestAFileThatBreaksOffIsAnError(t *testing.T) {
	broken := errors.New("broken")
	r := migrate.NewReader(io.MultiReader(strings.NewReader("a:"+k1+"\nb:"), readerOf(func([]byte) (int, error) { return 0, broken })), migrate.Options{Format: newFormat(t)})
	if line, err := r.Next(); err != nil || line.Err != nil {
		t.Errorf("the whole line: %v, %v", line, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("the half line: %v", err)
	}
}

type readerOf func([]byte) (int, error)

func (r readerOf) Read(p []byte) (int, error) { return r(p) }

// No error repeats the text of a file.
func FuzzComplaintsRepeatNothing(f *testing.F) {
	f.Add("a:sk_live_zzzzzz", "")
	f.Add(`{"key":"`, `","zzzzzz":1}`)
	f.Add(`{"sk_zzzzzz":`, `}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "q7Zx93_Kj2LmPw5-"
		for _, c := range complaints(t, before+secret+after, migrate.Options{}) {
			if strings.Contains(c.says, secret) {
				t.Errorf("%q", c.says)
			}
		}
	})
}
