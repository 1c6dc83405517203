package routes

import "strings"

// Manages reports whether latchkey manages keys, users or plans at a resource: a path as an API
// defines it, such as /api/v1/api-keys/{id}. These endpoints check scopes themselves, so they need
// no rule.
//
// Never pass the path of a request. It could look like one of these and lead to a backend behind
// {proxy+}.
func Manages(resource string) bool {
	switch resource {
	case "/api/v1/api-keys", "/api/v1/audit", "/api/v1/usage", "/api/v1/users",
		"/api/v1/users/{userId}", "/api/v1/users/{userId}/credits", "/api/v1/users/{userId}/revoke-keys",
		"/api/v1/plans", "/api/v1/plans/{name}", "/api/v1/plans/{name}/stats":
		return true
	}
	return strings.HasPrefix(resource, "/api/v1/api-keys/") && !strings.Contains(resource, "+")
}
