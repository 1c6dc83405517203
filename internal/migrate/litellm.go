package migrate

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// keptLiteLLM are fields of LiteLLM that are left out because they do not restrict a key.
var keptLiteLLM = set(`key_name spend created_at created_by updated_at updated_by last_active last_refreshed_at team_id
	team_alias organization_id org_id project_id agent_id aliases config soft_budget soft_budget_cooldown budget_duration
	budget_reset_at model_spend rotation_count last_rotation_at auto_rotate rotation_interval key_rotation_at user_email
	user token_id key_id litellm_budget_table created_by_user access_group_ids router_settings policies duration`)

// liteLLMNames are the fields of LiteLLM that are translated without change.
var liteLLMNames = map[string]string{
	"key": "key", "user_id": "userId", "key_alias": "name", "expires": "expiresAt", "metadata": "metadata",
}

// liteLLMFile reads LiteLLM's table of keys, or answers of its API.
func (r *Reader) liteLLMFile(text []byte) ([]record, error) { return jsonRecords(text, r.liteLLM) }

// liteLLM translates a row of the table of keys. Its token is the SHA-256 of the key, or the key
// itself if LiteLLM has stored that.
func (r *Reader) liteLLM(raw fields) (fields, error) {
	out := fields{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value, same := raw[name], liteLLMNames[name]
		switch {
		case r.ignores(name) || keptLiteLLM[name]:
		case same != "":
			out[same] = value
		case name == "token":
			if raw["key"] == nil {
				out[liteLLMToken(value)] = value
			}
		case name == "blocked":
			blocked := string(value)
			if blocked != "true" && blocked != "false" {
				return nil, wrong("blocked", "must be true or false")
			}
			out.put("enabled", blocked == "false")
		case name == "rpm_limit":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return nil, wrong("rpm_limit", "must be a whole number; --ignore rpm_limit imports the key without it")
			}
			out.put("rateLimit", map[string]int64{"requests": n, "window": 60})
		default:
			return nil, lost("field", name)
		}
	}
	return out, nil
}

// liteLLMToken returns the field for a token: "key" if it begins as LiteLLM's keys do, otherwise
// "sha256".
func liteLLMToken(token json.RawMessage) string {
	if bytes.HasPrefix(token, []byte(`"sk-`)) {
		return "key"
	}
	return "sha256"
}
