package httpapi_test

import "testing"

// Policy: the function itself omits the body of each answer to HEAD. On the local stack net/http
// omits it too, so a test there could not fail.
func TestTheFunctionAnswersHeadWithoutABody(t *testing.T) {
	s := newService(t)
	path, _, _ := s.made("")
	for _, c := range []struct {
		who  who
		path string
		want int
	}{
		{nil, "/health", 200},
		{nil, "/openapi.json", 200}, {nil, "/latchkey/openapi.json", 200}, {nil, "/latchkey/health", 200},
		{s.root, "/api/v1/whoami", 200},
		{s.root, keys, 200},
		{s.root, path, 200},
		{nil, "/api/v1/whoami", 401},
		{s.root, keys + "?limt=1", 400},
		{s.root, keys + "/0000000000000000", 404},
	} {
		get, head := s.send(c.who, "GET", c.path, ""), s.send(c.who, "HEAD", c.path, "")
		if get.status != c.want || get.text == "" || head.status != c.want || head.text != "" {
			t.Errorf("%s: GET is %d with %d bytes, HEAD %d with %q, want %d without a body", c.path, get.status, len(get.text), head.status, head.text, c.want)
		}
	}
}
