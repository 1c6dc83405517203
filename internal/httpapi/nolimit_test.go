package httpapi_test

import (
	"fmt"
	"regexp"
	"testing"
)

// A meter that only counts, or has a quota alone, has a limit that is never reached. No answer shows
// that, nor a time that never comes.
func TestNoAnswerShowsALimitThatIsNone(t *testing.T) {
	s := newService(t)
	strange := regexp.MustCompile(`[0-9]{14,}|-[0-9]+[,}\]]`)
	for n, plan := range []string{
		`{"scopes":["tts"]}`, `{"key":{"quota":{"requests":5,"period":"lifetime"}}}`, `{"user":{"quota":{"requests":5,"period":"day"}}}`,
		`{"key":{"limits":[{"amount":5,"window":1}]}}`, `{"user":{"limits":[{"amount":5,"window":3600}]}}`,
		`{"user":{"quota":{"requests":1000000000000,"period":"lifetime"}}}`,
	} {
		name, user := fmt.Sprintf("p%d", n), fmt.Sprintf("user%d", n)
		s.send(s.root, "PUT", plans+"/"+name, plan).ok(t, plan, "name", name)
		s.send(s.root, "PATCH", users+"/"+user, `{"plan":"`+name+`"}`).ok(t, plan, "plan", name)
		for _, fields := range []string{
			``, `,"unlimited":true`, `,"quota":{"requests":5,"period":"lifetime"}`, `,"quota":{"requests":5,"period":"month"}`,
			`,"limits":[{"amount":5,"window":60}]`, `,"scopes":["keys:write"]`,
		} {
			made := s.send(s.root, "POST", keys, `{"userId":"`+user+`"`+fields+`}`)
			if made.status != 201 {
				t.Fatalf("%s %s: %d %s", plan, fields, made.status, made.text)
			}
			at := keys + "/" + made.json["id"].(string)
			token := fmt.Sprint(made.json["key"])
			for what, a := range map[string]answer{
				"get":      s.send(s.root, "GET", at, ""),
				"patch":    s.send(s.root, "PATCH", at, `{"rateLimit":null}`),
				"unused":   s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`"}`),
				"used":     s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":3}`),
				"too much": s.send(nil, "POST", keys+"/validate", `{"apiKey":"`+token+`","cost":6}`),
				"explain":  s.send(s.root, "POST", at+"/explain", `{"method":"GET","path":"/tts","cost":4}`),
				"usage":    s.send(s.root, "GET", at+"/usage", ""),
				"stats":    s.send(s.root, "GET", keys+"/stats?userId="+user, ""),
				"list":     s.send(s.root, "GET", keys+"?userId="+user, ""),
				"user":     s.send(s.root, "GET", users+"/"+user, ""),
			} {
				if found := strange.FindString(a.text); found != "" || a.status != 200 && a.status != 400 {
					t.Errorf("%s %s: %s: %d, %s in %s", plan, fields, what, a.status, found, a.text)
				}
			}
		}
	}
}
