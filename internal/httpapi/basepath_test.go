package httpapi_test

import (
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// With a custom domain, the path of an event begins with the base path. The resource names the
// route.
func TestTheBasePathOfACustomDomainIsIgnored(t *testing.T) {
	s := newService(t)
	made := s.send(s.root, "POST", keys, `{"userId":"u1","name":"a"}`)
	id, _ := made.json["id"].(string)
	token, _ := made.json["key"].(string)
	for _, base := range []string{"", "/auth", "/auth/v2", "/api/v1", "/api/v1/api-keys", "/a%20b", "/ü"} {
		for _, c := range []struct {
			method, resource, path, body string
			parameters                   map[string]string
			status                       int
		}{
			{"POST", keys, keys, `{"userId":"u1"}`, nil, 201},
			{"GET", keys, keys, "", nil, 200},
			{"GET", keys + "/{id}", keys + "/" + id, "", map[string]string{"id": id}, 200},
			{"PATCH", keys + "/{id}", keys + "/" + id, `{"name":"b"}`, map[string]string{"id": id}, 200},
			{"GET", keys + "/{id}/usage", keys + "/" + id + "/usage", "", map[string]string{"id": id}, 200},
			{"POST", keys + "/validate", keys + "/validate", `{"apiKey":"` + token + `"}`, nil, 200},
			{"GET", "/api/v1/whoami", "/api/v1/whoami", "", nil, 200},
			{"GET", "/health", "/health", "", nil, 200},
			{"GET", "/openapi.json", "/openapi.json", "", nil, 200},
			{"POST", "/api/v1/users/{userId}/revoke-keys", "/api/v1/users/a%2Fb%20%C3%BC/revoke-keys", "", map[string]string{"userId": "a%2Fb%20%C3%BC"}, 200},
			// Whether a parameter is escaped or not makes no other route of it, and no other key.
			{"POST", "/api/v1/users/{userId}/revoke-keys", "/api/v1/users/a%2Fb%20%C3%BC/revoke-keys", "", map[string]string{"userId": "a/b ü"}, 200},
			{"GET", keys + "/{id}", keys + "/x", "", map[string]string{"id": "validate/../" + id}, 404},
			{"GET", keys + "/{id}", keys + "/x", "", map[string]string{"id": id + "?userId=u1"}, 404},
			{"GET", keys + "/{id}", keys + "/x", "", map[string]string{"id": id + "#x"}, 404},
			{"GET", keys + "/{id}", keys + "/x", "", map[string]string{"id": ".."}, 404},
			{"GET", keys + "/{id}", keys + "/x", "", map[string]string{"id": "%zz"}, 404},
			{"GET", "/{proxy+}", "/x/y", "", map[string]string{"proxy": "x/y"}, 404},
		} {
			a := s.invoke(events.APIGatewayProxyRequest{
				HTTPMethod: c.method, Resource: c.resource, Path: base + c.path, Body: c.body, PathParameters: c.parameters,
				MultiValueHeaders: map[string][]string{"Content-Type": {"application/json"}},
				RequestContext:    events.APIGatewayProxyRequestContext{Authorizer: s.root, Path: base + c.path, ResourcePath: c.resource},
			})
			if a.status != c.status {
				t.Errorf("%s %s below %q: %d %s; want %d", c.method, c.path, base, a.status, a.text, c.status)
			}
			if c.status == 201 && a.header.Get("Location") != base+keys+"/"+a.json["id"].(string) {
				t.Errorf("below %q a new key is at %q", base, a.header.Get("Location"))
			}
		}
	}
	// An event without a resource has its path alone, and one whose parameters are missing too.
	for _, e := range []events.APIGatewayProxyRequest{
		{HTTPMethod: "GET", Path: "/health"}, {HTTPMethod: "GET", Path: keys + "/" + id, Resource: keys + "/{id}"},
		{HTTPMethod: "GET", Path: keys + "/" + id, Resource: keys + "/{id}", PathParameters: map[string]string{"id": ""}},
	} {
		e.RequestContext.Authorizer = s.root
		if a := s.invoke(e); a.status != 200 {
			t.Errorf("%s %s: %d %s", e.HTTPMethod, e.Path, a.status, a.text)
		}
	}
}
