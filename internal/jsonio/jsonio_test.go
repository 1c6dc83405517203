package jsonio_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latchkey/internal/jsonio"
)

// read returns what a function reads of a text.
func read[T any](text string, by func(*jsonio.Reader) T) (T, error) {
	r := jsonio.NewReader(2)
	r.Reset([]byte(text))
	value := by(r)
	return value, r.End()
}

func texts(r *jsonio.Reader) map[string]string   { return r.Texts() }
func lists(r *jsonio.Reader) map[string][]string { return r.Lists() }
func values(r *jsonio.Reader) map[string]any     { return r.Values() }
func scalars(r *jsonio.Reader) map[string]string { return r.Scalars() }
func integer(r *jsonio.Reader) (n int64)         { n = 7; r.Integer(&n); return n }
func boolean(r *jsonio.Reader) (is bool)         { is = true; r.Bool(&is); return is }
func text(r *jsonio.Reader) (s string)           { s = "before"; r.String(&s); return s }
func members(r *jsonio.Reader) (all []string) {
	r.Object(func(n []byte) { all = append(all, string(n)); r.Value() })
	return all
}
func elements(r *jsonio.Reader) (all int) { r.List(func() { all++; r.Value() }); return all }

// got returns the value that a reader reads, as JSON, or "error".
func got[T any](text string, by func(*jsonio.Reader) T) string {
	value, err := read(text, by)
	if err != nil {
		return "error"
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

func TestAReaderTakesEachKindOfValue(t *testing.T) {
	for _, c := range []struct{ what, got, want string }{
		{"a string", got(`"a\u00e9\"\ud83d\udca9"`, text), `"aé\"💩"`},
		{"a string that is not UTF-8", got("\"a\xff\xfe\"", text), "\"a\ufffd\ufffd\""},
		{"null for a string", got(`null`, text), `"before"`},
		{"a number for a string", got(`1`, text), "error"},
		{"an integer", got(` -12 `, integer), "-12"},
		{"null for an integer", got(`null`, integer), "7"},
		{"a fraction", got(`1.5`, integer), "error"},
		{"an integer beyond 64 bits", got(`9223372036854775808`, integer), "error"},
		{"a string for an integer", got(`"1"`, integer), "error"},
		{"false", got(`false`, boolean), "false"},
		{"null for a boolean", got(`null`, boolean), "true"},
		{"a string for a boolean", got(`"true"`, boolean), "error"},
		{"texts", got(`{"a":"1","b":null,"a":"2"}`, texts), `{"a":"2","b":""}`},
		{"null for texts", got(`null`, texts), "null"},
		{"a list for texts", got(`[]`, texts), "error"},
		{"a list in texts", got(`{"a":[]}`, texts), "error"},
		{"lists", got(`{"a":["1","2"],"b":"3","c":[null]}`, lists), `{"a":["1","2"],"b":["3"],"c":[""]}`},
		{"a list in a list", got(`{"a":[["1"]]}`, lists), "error"},
		{"scalars", got(`{"a":"\n","b":12345678901234567890,"c":true,"d":null}`, scalars),
			`{"a":"\n","b":"12345678901234567890","c":"true"}`},
		{"a list in scalars", got(`{"a":[]}`, scalars), "error"},
		{"members", got(`{"a":{"x":[1,{}]},"\u0062":1}`, members), `["a","b"]`},
		{"no members", got(`null`, members), "null"},
		{"elements", got(`[1,{},[]]`, elements), "3"},
		{"text after the value", got(`{} {}`, members), "error"},
		{"an object that does not end", got(`{"a":1`, members), "error"},
		{"a comma too many", got(`{"a":1,}`, members), "error"},
		{"a name that is no string", got(`{1:1}`, members), "error"},
		{"nothing", got(``, members), "error"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}

// A reader that is reset keeps nothing of the text before.
func TestAReaderForgets(t *testing.T) {
	r := jsonio.NewReader(8)
	for _, text := range []string{`{"a":["1","2"]}`, `{"b"`, `{"c":["3"]}`} {
		r.Reset([]byte(text))
		lists := r.Lists()
		if err := r.End(); (err != nil) != (text == `{"b"`) {
			t.Errorf("%s: %v, %v", text, lists, err)
		}
		if text == `{"c":["3"]}` && !cmp.Equal(lists, map[string][]string{"c": {"3"}}) {
			t.Errorf("%s: %v", text, lists)
		}
	}
}

// Policy: each text and list arrives as encoding/json writes and reads it, in any order of writing
// and reading.
func TestWhatIsWrittenIsReadAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("a\"\\\x00<\u2028"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		one := rapid.MapOf(rapid.String(), word).Draw(t, "one")
		many := rapid.MapOf(rapid.String(), rapid.SliceOfN(word, 1, 3)).Draw(t, "many")
		last := make(map[string]string)
		for name, all := range many {
			last[name] = all[len(all)-1]
		}
		var w jsonio.Writer
		w.Begin()
		w.Texts("one", one)
		w.Lists("many", many)
		w.LastTexts("last", many)
		w.Texts("none", nil)
		w.OptionalText("empty", "")
		w.Integer("n", -5)
		w.Bool("is", true)
		w.End()
		usual, err := json.Marshal(map[string]any{
			"one": one, "many": many, "last": last, "none": nil, "n": -5, "is": true,
		})
		if err != nil {
			t.Fatal(err)
		}
		var want, byOthers map[string]any
		if err := json.Unmarshal(usual, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(w, &byOthers); err != nil || !cmp.Equal(want, byOthers) {
			t.Fatalf("%s, %v\n%s", w, err, cmp.Diff(want, byOthers))
		}
		byReader, err := read(string(w), values)
		if err != nil || !cmp.Equal(want, byReader) {
			t.Fatalf("%s, %v\n%s", w, err, cmp.Diff(want, byReader))
		}
		if read, err := read(string(usual), func(r *jsonio.Reader) (m map[string][]string) {
			r.Object(func(name []byte) {
				if string(name) == "many" {
					m = r.Lists()
					return
				}
				r.Value()
			})
			return m
		}); err != nil || len(read) != len(many) {
			t.Fatalf("%s: %v, %v", usual, read, err)
		}
	})
}

// A text has the form that encoding/json gives it.
func TestAWriterQuotesAsEncodingJSON(t *testing.T) {
	odd := rapid.SampledFrom([]string{"\u2028", "\u2029", "â", "\xe2", "\xff", "\xed\xa0\x80", "<&>", `"\/`, "\x00\x1f\x7f\b\f\n\r\t", "😀"})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "before") + odd.Draw(t, "odd") + rapid.String().Draw(t, "after")
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		var w jsonio.Writer
		if w.Quote(text); e.Encode(text) != nil || string(w)+"\n" != want.String() {
			t.Errorf("%q: %s, want %s", text, w, &want)
		}
	})
}
