package routes

import "strings"

// Manages reports whether latchkey manages keys at resource, a path as an API
// defines it, such as /api/v1/api-keys/{id}. It is no path that a caller wrote:
// that could lead to a backend behind {proxy+}. What answers there asks for scopes
// itself, and no rule is needed.
func Manages(resource string) bool {
	switch resource {
	case "/api/v1/api-keys", "/api/v1/audit", "/api/v1/usage", "/api/v1/users/{userId}/revoke-keys":
		return true
	}
	return strings.HasPrefix(resource, "/api/v1/api-keys/") && !strings.Contains(resource, "+")
}
