package httpapi

import (
	"bytes"
	"maps"
	"slices"

	"latchkey/internal/api"
	"latchkey/internal/jsonio"
)

// answerSize is more than most answers of a shortcut have, in bytes.
const answerSize = 768

// textOfVerdict returns what [writeJSON] writes for a verdict.
func textOfVerdict(v *api.Verdict) []byte {
	w := make(jsonio.Writer, 0, answerSize)
	w.Begin()
	w.Bool("valid", v.Valid)
	w.Text("code", string(v.Code))
	w.OptionalText("error", v.Error)
	w.OptionalText("keyId", v.KeyID)
	w.OptionalText("userId", v.UserID)
	w.OptionalText("name", v.Name)
	if v.Scopes != nil {
		w.List("scopes", *v.Scopes)
	}
	if len(v.Metadata) > 0 {
		w.Name("metadata")
		w.Begin()
		for _, name := range slices.Sorted(maps.Keys(v.Metadata)) {
			w.AnyText(name, v.Metadata[name])
		}
		w.End()
	}
	if l := v.RateLimit; l != nil && l.Value == nil {
		w.Raw("rateLimit", "null")
	} else if l != nil {
		w.Name("rateLimit")
		w.Begin()
		w.Integer("requests", l.Value.Requests)
		w.Integer("window", l.Value.Window)
		optionalInteger(&w, "remaining", l.Value.Remaining)
		optionalInteger(&w, "reset", l.Value.Reset)
		w.End()
	}
	if v.Unlimited {
		w.Bool("unlimited", true)
	}
	if v.Quota != nil {
		w.Raw("quota", jsonOf(v.Quota))
	}
	w.OptionalText("plan", v.Plan)
	if len(v.Limits) > 0 {
		w.Raw("limits", jsonOf(v.Limits))
	}
	w.OptionalText("expiresAt", v.ExpiresAt)
	if v.RetryAfter != 0 {
		w.Integer("retryAfter", v.RetryAfter)
	}
	windowStatus(&w, v.WindowStatus)
	w.End()
	return append(w, '\n')
}

// textOfWhoami returns what [writeJSON] writes for a caller.
func textOfWhoami(c *api.WhoamiResponse) []byte {
	w := make(jsonio.Writer, 0, answerSize)
	w.Begin()
	w.Text("keyId", c.KeyID)
	w.Text("userId", c.UserID)
	w.Text("name", c.Name)
	w.List("scopes", c.Scopes)
	w.Text("environment", string(c.Environment))
	w.Bool("internal", c.Internal)
	w.OptionalText("subject", c.Subject)
	if len(c.Teams) > 0 {
		w.List("teams", c.Teams)
	}
	if c.Unlimited {
		w.Bool("unlimited", true)
	}
	if l := c.RateLimit.Value; l == nil {
		w.Raw("rateLimit", "null")
	} else {
		w.Name("rateLimit")
		w.Begin()
		w.Integer("requests", l.Requests)
		w.Integer("remaining", l.Remaining)
		if l.Reset != 0 {
			w.Integer("reset", l.Reset)
		}
		w.End()
	}
	windowStatus(&w, c.WindowStatus)
	if c.Grants != nil {
		w.Raw("grants", jsonOf(c.Grants))
	}
	w.End()
	return append(w, '\n')
}

func windowStatus(w *jsonio.Writer, s api.WindowStatus) {
	optionalInteger(w, "limit", s.Limit)
	optionalInteger(w, "remaining", s.Remaining)
	optionalInteger(w, "reset", s.Reset)
}

func optionalInteger(w *jsonio.Writer, name string, n *int64) {
	if n != nil {
		w.Integer(name, *n)
	}
}

// jsonOf returns a value that few answers have, as [writeJSON] writes it.
func jsonOf(v any) string {
	var b bytes.Buffer
	if err := writeJSON(&b, v); err != nil {
		panic(err) // cannot happen: every value can be encoded
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
