package api_test

import (
	"encoding/json"
	"testing"

	"latchkey/internal/api"
)

func TestAPatchTellsOmittedNullAndValueApart(t *testing.T) {
	for _, c := range []struct {
		text  string
		patch api.Patch
	}{
		{`{}`, api.Patch{}},
		{`{"name":null}`, api.Patch{Name: api.Null[string]()}},
		{`{"name":"","enabled":false}`, api.Patch{Name: api.Set(""), Enabled: api.Set(false)}},
		{`{"rateLimit":{"requests":5}}`, api.Patch{RateLimit: api.Set(api.LimitPatch{Requests: api.Set(api.Integer(5))})}},
		{`{"quota":{"period":null}}`, api.Patch{Quota: api.Set(api.QuotaPatch{Period: api.Null[api.Period]()})}},
	} {
		if text, err := json.Marshal(c.patch); err != nil || string(text) != c.text {
			t.Errorf("%s is written as %s, %v", c.text, text, err)
		}
		var read api.Patch
		if err := json.Unmarshal([]byte(c.text), &read); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if read.Name.Given() != c.patch.Name.Given() || read.Name.IsNull() != c.patch.Name.IsNull() {
			t.Errorf("%s: the name is given %t and null %t", c.text, read.Name.Given(), read.Name.IsNull())
		}
		if text, _ := json.Marshal(read); string(text) != c.text {
			t.Errorf("%s is read and written as %s", c.text, text)
		}
	}
}

func TestAnIntegerHasNoFractionInAnyNotation(t *testing.T) {
	for text, want := range map[string]api.Integer{
		"5": 5, "5.0": 5, "5e0": 5, "50E-1": 5, "-1": -1, "9223372036854775807": 1<<63 - 1,
		"1.5": 0, "1e-1": 0, "9223372036854775808": 0, "1e999999999": 0, `"5"`: 0, "true": 0,
		"1.00000000000000000000000000000000000": 0,
	} {
		var got api.Integer
		err := json.Unmarshal([]byte(text), &got)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}
