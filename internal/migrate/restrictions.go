package migrate

import (
	"fmt"
	"strings"
)

// lost returns the error of a key whose restriction would be lost, or whose field or plugin is not
// known and may restrict it. what is "field" or "plugin".
func lost(what, name string) error {
	if restricting[name] {
		return fmt.Errorf("the %s %s restricts the key in a way that cannot be kept; "+
			"--ignore %s imports the key without it", what, name, name)
	}
	if nameable(name) || isIdentifier(name) {
		return fmt.Errorf("the %s %s is not known and may restrict the key; "+
			"--ignore %s imports the key without it", what, name, name)
	}
	return fmt.Errorf("the key has a %s that is not known and may restrict it; "+
		"--ignore with its name imports the key without it", what)
}

func isIdentifier(name string) bool {
	return len(name) <= 40 && identifier.MatchString(name) && !likeSK.MatchString(name) && !likeKey.MatchString(name)
}

// identifier is made of words, as names of fields and plugins are. A longer run of letters may
// be a token.
var identifier = newPattern(`^[A-Za-z]{1,15}(?:[_-][A-Za-z]{1,15})*$|^[a-z]{1,15}(?:[A-Z][a-z]{1,15})+$`)

// restricting are fields and plugins of other services that restrict a key.
var restricting = set(`max_budget tpm_limit models max_parallel_requests model_max_budget model_rpm_limit
	model_tpm_limit allowed_routes allowed_cache_controls allowed_passthrough_routes object_permission_id
	max_budget_in_team budget_id permissions guardrails key_type
	remaining remaining_requests credits refill groups consumer_groups group_id
	acl ip-restriction rate-limiting-advanced ai-rate-limiting-advanced request-size-limiting request-termination
	response-ratelimiting bot-detection limit-req limit-conn consumer-restriction`)

func set(words string) map[string]bool {
	all := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		all[word] = true
	}
	return all
}
