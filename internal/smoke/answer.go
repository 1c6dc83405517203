package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// answer is the answer to one request, or the error if there was none.
type answer struct {
	name   string // the name of the request in the report
	method string
	url    *url.URL
	err    error // nil if there was an answer
	status int
	header http.Header
	body   string
	json   map[string]any // nil if the body is no JSON object
}

const maxBody = 1 << 20 // in bytes; the rest of a body is dropped

func (r *run) get(name, path string, headers ...string) answer {
	return r.send(name, http.MethodGet, path, nil, headers...)
}

// send makes one request until the run ends. body is sent as JSON unless it is nil. Each header is
// "Name: value".
func (r *run) send(name, method, path string, body any, headers ...string) answer {
	return r.ask(r.ctx, name, method, path, body, headers...)
}

// ask is send with another context. A request of the run that has no answer stops the run.
func (r *run) ask(ctx context.Context, name, method, path string, body any, headers ...string) answer {
	var content []byte
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			panic(err) // cannot happen: the types of the API are JSON
		}
		content, headers = text, append([]string{"Content-Type: application/json"}, headers...)
	}
	a, response := r.open(ctx, name, method, path, content, headers...)
	if response == nil {
		return a
	}
	return r.whole(ctx, a, response)
}

// whole reads the response of open into its answer.
func (r *run) whole(ctx context.Context, a answer, response *http.Response) answer {
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return r.unanswered(ctx, a, err)
	}
	a.status, a.header, a.body = response.StatusCode, response.Header, string(text)
	_ = json.Unmarshal(text, &a.json) // an error leaves json nil
	return a
}

// open sends a request, and returns the response with its body still to read. It is nil if there is
// none. Names of headers are sent as they are written, if the connection is HTTP/1.1.
func (r *run) open(
	ctx context.Context, name, method, path string, body []byte, headers ...string,
) (answer, *http.Response) {
	a := answer{name: name, method: method, header: make(http.Header)}
	request, err := http.NewRequestWithContext(ctx, method, r.URL.String()+path, bytes.NewReader(body))
	if err != nil {
		return r.unanswered(ctx, a, err), nil
	}
	a.url = request.URL
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header[name] = []string{value}
	}
	response, err := r.client.Do(request)
	if err != nil {
		var asked *url.Error
		if errors.As(err, &asked) {
			err = asked.Err // without the URL, which may contain a token
		}
		return r.unanswered(ctx, a, err), nil
	}
	return a, response
}

// unanswered returns an answer with an error, and stops the run unless ctx has ended.
func (r *run) unanswered(ctx context.Context, a answer, err error) answer {
	a.err = err
	if ctx.Err() == nil {
		r.stop(&unanswered{requestOf(a), r.reasonOf(err)})
	}
	return a
}

// field returns the value at a path such as "error.code" or "limits.0.of". It is nil if there is
// none.
func (a answer) field(path string) any {
	var value any = a.json
	for name := range strings.SplitSeq(path, ".") {
		switch in := value.(type) {
		case map[string]any:
			value = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			value = in[i]
		default:
			return nil
		}
	}
	return value
}

// text is field for a text. It is empty if there is none.
func (a answer) text(path string) string {
	text, _ := a.field(path).(string)
	return text
}

// location returns the URL that the header Location leads to, resolved as a browser does. The stage
// must not be lost in it.
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
