package migrate

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keptUnkey are fields of Unkey that restrict nothing.
var keptUnkey = set(`id keyId apiId workspaceId keyAuthId keySpaceId forWorkspaceId start prefix createdAt createdAtM updatedAt updatedAtM lastUsedAt lastUsed roles
		permissions identityId identity migrationId byteLength recoverable encrypted ratelimitAsync ratelimitType environmentId pendingMigrationId`)

// unkey translates a key of Unkey's API, its table or a migration to it.
func (r *Reader) unkey(raw map[string]json.RawMessage) (fields, error) {
	out := fields{}
	columns := make(map[string]json.RawMessage) // of a limit
	for _, written := range slices.Sorted(maps.Keys(raw)) {
		value, name := raw[written], camel(written)
		switch {
		case r.ignores(written):
		case name == "hash":
			hash, err := unkeyHash(value)
			if err != nil {
				return nil, err
			}
			out["sha256"] = hash
		case name == "plaintext" || name == "key":
			out["key"] = value
		case name == "externalId" || name == "ownerId":
			out["userId"] = value
		case name == "identity":
			var identity struct{ ExternalID string }
			if json.Unmarshal(value, &identity) == nil && identity.ExternalID != "" && out["userId"] == nil {
				out.put("userId", identity.ExternalID)
			}
		case name == "name" || name == "enabled" || name == "environment":
			out[name] = value
		case name == "meta":
			var text string
			if json.Unmarshal(value, &text) == nil { // as its table has it
				value = json.RawMessage(text)
			}
			if !empty(value) {
				out["metadata"] = value
			}
		case name == "expires":
			at, err := unixMillis(value)
			if err != nil {
				return nil, wrong("expires", "must be a time, or milliseconds since 1970")
			}
			out["expiresAt"] = at
		case name == "ratelimit" || name == "ratelimits":
			limit, err := unkeyLimit(value)
			if err != nil {
				return nil, wrong(name, "must be one limit with a duration of whole seconds; --ignore "+name+" imports the key without it")
			}
			out.put("rateLimit", limit)
		case name == "ratelimitLimit" || name == "ratelimitDuration":
			columns[strings.ToLower(strings.TrimPrefix(name, "ratelimit"))] = value
		case name == "deletedAt" || name == "deletedAtM":
			return nil, errors.New("the key has been deleted")
		case keptUnkey[name]:
		default:
			return nil, lost("field", written)
		}
	}
	if len(columns) > 0 {
		value, _ := json.Marshal(columns) // JSON has been read
		limit, err := unkeyLimit(value)
		if err != nil || len(columns) < 2 || out["rateLimit"] != nil {
			return nil, wrong("ratelimitLimit", "must be one limit, with a ratelimitDuration of whole seconds; --ignore ratelimitLimit,ratelimitDuration imports the key without it")
		}
		out.put("rateLimit", limit)
	}
	if out["sha256"] == nil && out["key"] == nil {
		return nil, errors.New("the key has neither hash nor plaintext: Unkey's API shows neither; export the column hash of its table of keys")
	}
	return out, nil
}

func unkeyHash(value json.RawMessage) (json.RawMessage, error) {
	var variant struct{ Value, Variant string }
	if json.Unmarshal(value, &variant) != nil {
		return value, nil // a text, or an error later
	}
	if variant.Variant != "sha256_base64" && variant.Variant != "sha256_hex" {
		return nil, wrong("hash", "must be of the variant sha256_base64")
	}
	return json.Marshal(variant.Value)
}

func unixMillis(value json.RawMessage) (json.RawMessage, error) {
	if value[0] == '"' {
		return value, nil
	}
	ms, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano))
}

func unkeyLimit(value json.RawMessage) (map[string]int64, error) {
	type limit struct {
		Limit, Duration              int64
		RefillRate, RefillInterval   int64
		ID, Name, Type, Async        json.RawMessage
		AutoApply, RatelimitCategory json.RawMessage
	}
	var all []limit
	if value[0] != '[' {
		value = slices.Concat([]byte("["), value, []byte("]"))
	}
	if err := json.Unmarshal(value, &all); err != nil || len(all) != 1 {
		return nil, errors.New("not one limit")
	}
	one := all[0]
	if one.RefillRate > 0 && one.Duration == 0 {
		one.Limit, one.Duration = one.RefillRate, one.RefillInterval
	}
	if one.Duration%1000 != 0 {
		return nil, errors.New("not whole seconds")
	}
	return map[string]int64{"requests": one.Limit, "window": one.Duration / 1000}, nil
}
