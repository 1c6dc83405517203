package migrate

import (
	"fmt"
	"strings"
)

// lost reports a restriction of a key that would be lost, or a field that could be one.
func lost(what, name string) error {
	switch {
	case restricting[name]:
		return fmt.Errorf("the %s %s restricts the key in a way that cannot be kept; --ignore %s imports the key without it", what, name, name)
	case nameable(name) || len(name) <= 40 && identifier.MatchString(name) && !likeSK.MatchString(name) && !likeKey.MatchString(name):
		return fmt.Errorf("the %s %s is not known and may restrict the key; --ignore %s imports the key without it", what, name, name)
	}
	return fmt.Errorf("the key has a %s that is not known and may restrict it; --ignore with its name imports the key without it", what)
}

// identifier is made of words, as names of fields and plugins are. A longer run of letters may
// be a token.
var identifier = newPattern(`^[A-Za-z]{1,15}(?:[_-][A-Za-z]{1,15})*$|^[a-z]{1,15}(?:[A-Z][a-z]{1,15})+$`)

// restricting are fields and plugins of other services that take something from a key.
var restricting = set(`max_budget tpm_limit models max_parallel_requests model_max_budget model_rpm_limit model_tpm_limit allowed_routes allowed_cache_controls
	allowed_passthrough_routes object_permission_id max_budget_in_team budget_id permissions guardrails key_type
	remaining remaining_requests credits refill groups consumer_groups group_id
	acl ip-restriction rate-limiting-advanced ai-rate-limiting-advanced request-size-limiting request-termination response-ratelimiting bot-detection
	limit-req limit-conn consumer-restriction`)

func set(words string) map[string]bool {
	all := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		all[word] = true
	}
	return all
}

// theirs are the names that key files and other services have for fields, by ours.
var theirs = map[Form]map[string]string{
	KeyFile: {"id": "key_id", "userId": "key_id", "name": "key_id"},
	LiteLLM: {"sha256": "token", "userId": "user_id", "expiresAt": "expires", "rateLimit.requests": "rpm_limit", "name": "key_alias"},
	Unkey:   {"sha256": "hash", "userId": "externalId", "expiresAt": "expires", "rateLimit.requests": "ratelimit", "rateLimit.window": "ratelimit", "metadata": "meta"},
	Kong:    {"userId": "consumer", "id": "consumer"},
	APISIX:  {"userId": "username", "id": "username"},
}
