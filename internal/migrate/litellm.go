package migrate

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// keptLiteLLM are fields of LiteLLM that restrict nothing.
var keptLiteLLM = set(`key_name spend created_at created_by updated_at updated_by last_active last_refreshed_at team_id team_alias organization_id org_id project_id
		agent_id aliases config soft_budget soft_budget_cooldown budget_duration budget_reset_at model_spend rotation_count last_rotation_at auto_rotate rotation_interval
		key_rotation_at user_email user token_id key_id litellm_budget_table created_by_user access_group_ids router_settings policies duration`)

// liteLLM translates a row of LiteLLM's table of keys. Its token is the SHA-256 of the
// key, or the key itself where it was kept.
func (r *Reader) liteLLM(raw map[string]json.RawMessage) (fields, error) {
	out := fields{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := raw[name]
		switch {
		case r.ignores(name) || keptLiteLLM[name]:
		case name == "token" && raw["key"] == nil:
			if isToken(value) {
				out["key"] = value
			} else {
				out["sha256"] = value
			}
		case name == "token":
		case name == "key":
			out["key"] = value
		case name == "user_id":
			out["userId"] = value
		case name == "key_alias":
			out["name"] = value
		case name == "expires":
			out["expiresAt"] = value
		case name == "metadata":
			out["metadata"] = value
		case name == "blocked":
			if string(value) != "true" && string(value) != "false" {
				return nil, wrong("blocked", "must be true or false")
			}
			out.put("enabled", string(value) == "false")
		case name == "rpm_limit":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return nil, wrong("rpm_limit", "must be a whole number")
			}
			out.put("rateLimit", map[string]int64{"requests": n, "window": 60})
		default:
			return nil, lost("field", name)
		}
	}
	return out, nil
}

// isToken reports whether a JSON text begins as LiteLLM's keys do.
func isToken(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte(`"sk-`)) }
