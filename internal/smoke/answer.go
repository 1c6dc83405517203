package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// answer is what came back, or why nothing did.
type answer struct {
	name   string // what was asked, for the report
	url    *url.URL
	err    error
	status int
	header http.Header
	body   string
	json   map[string]any
}

const maxBody = 1 << 20

func (r *run) get(name, path string, headers ...string) answer {
	return r.send(name, http.MethodGet, path, "", headers...)
}

// send makes one request; headers are "Name: value".
func (r *run) send(name, method, path, body string, headers ...string) answer {
	return r.ask(r.ctx, name, method, path, body, headers...)
}

func (r *run) ask(ctx context.Context, name, method, path, body string, headers ...string) answer {
	a := answer{name: name, header: make(http.Header)}
	request, err := http.NewRequestWithContext(ctx, method, r.URL.String()+path, strings.NewReader(body))
	if err != nil {
		a.err = err
		return a
	}
	a.url = request.URL
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := r.client.Do(request)
	if err != nil {
		var asked *url.Error
		if errors.As(err, &asked) {
			err = asked.Err // without the URL, which may have a key in it
		}
		a.err = err
		return a
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		a.err = err
		return a
	}
	a.status, a.header, a.body = response.StatusCode, response.Header, string(text)
	_ = json.Unmarshal(text, &a.json) // an answer without JSON has none
	return a
}

// field finds error.code and the like; nil is for what is not there.
func (a answer) field(path string) any {
	var value any = a.json
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func (a answer) text(path string) string {
	text, _ := a.field(path).(string)
	return text
}

// location is where the header Location leads, as a browser reads it: the stage
// must not be lost on the way.
func (a answer) location() string {
	at := a.header.Get("Location")
	if a.url == nil || at == "" {
		return ""
	}
	to, err := a.url.Parse(at)
	if err != nil {
		return ""
	}
	return to.String()
}
