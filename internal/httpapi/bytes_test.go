package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// The body of an event is text, in which JSON replaces bytes that are not UTF-8, or base64, which
// has every byte. Both have the same answer.
func TestTheSameBytesHaveTheSameAnswer(t *testing.T) {
	s := newService(t)
	function := lambda.NewHandler(s.handle)
	for name, body := range map[string]string{
		"ASCII": `{"name":"a"}`, "UTF-8": `{"name":"é李😀"}`, "a byte": "{\"name\":\"\xff\"}", "Latin-1": "{\"name\":\"caf\xe9\"}",
		"half a character": "{\"name\":\"\xc3\"}", "overlong": "{\"name\":\"\xc0\xaf\"}", "a surrogate": "{\"name\":\"\xed\xa0\x80\"}",
		"a byte outside": "{\"name\":\"a\"}\xff", "a byte before": "\xff{}", "a name": "{\"n\xffme\":\"a\"}", "UTF-16": "\xff\xfe{\x00}\x00",
		"the sign itself": `{"name":"�"}`, "nothing but a byte": "\x80", "in an escape": `{"name":"\u00e9"}`,
	} {
		statuses := make(map[bool]int)
		for _, encoded := range []bool{false, true} {
			event := events.APIGatewayProxyRequest{
				HTTPMethod: http.MethodPost, Path: keys, Resource: keys, Body: body, IsBase64Encoded: encoded,
				MultiValueHeaders: map[string][]string{"Content-Type": {"application/json"}},
				RequestContext:    events.APIGatewayProxyRequestContext{Authorizer: s.root, RequestTimeEpoch: s.now.UnixMilli()},
			}
			if encoded {
				event.Body = base64.StdEncoding.EncodeToString([]byte(body))
			}
			payload, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := function.Invoke(t.Context(), payload)
			var response events.APIGatewayProxyResponse
			if err == nil {
				err = json.Unmarshal(answer, &response)
			}
			if err != nil {
				t.Fatal(err)
			}
			statuses[encoded] = response.StatusCode
		}
		want := http.StatusBadRequest
		if name == "ASCII" || name == "UTF-8" || name == "in an escape" {
			want = http.StatusCreated
		}
		if statuses[false] != want || statuses[true] != want {
			t.Errorf("%s: %d as text, %d as base64, want %d", name, statuses[false], statuses[true], want)
		}
	}
}
