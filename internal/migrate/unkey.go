package migrate

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"
)

// keptUnkey are fields of Unkey that are left out because they do not restrict a key.
var keptUnkey = set(`id keyId apiId workspaceId keyAuthId keySpaceId forWorkspaceId start prefix createdAt createdAtM
	updatedAt updatedAtM lastUsedAt lastUsed roles permissions identityId identity migrationId byteLength recoverable
	encrypted ratelimitAsync ratelimitType environmentId pendingMigrationId`)

// unkeyNames are the fields of Unkey that are translated without change.
var unkeyNames = map[string]string{
	"plaintext": "key", "key": "key", "externalId": "userId", "ownerId": "userId",
	"name": "name", "enabled": "enabled", "environment": "environment",
}

// unkeyFile reads Unkey's table of keys, answers of its API, or the input of a migration to it.
func (r *Reader) unkeyFile(text []byte) ([]record, error) { return jsonRecords(text, r.unkey) }

// unkey translates a key. Its names may have underscores.
func (r *Reader) unkey(raw fields) (fields, error) {
	out, columns := fields{}, fields{}
	for _, written := range slices.Sorted(maps.Keys(raw)) {
		value, name := raw[written], camel(written)
		switch same := unkeyNames[name]; {
		case r.ignores(written):
		case same != "":
			out[same] = value
		case name == "ratelimitLimit" || name == "ratelimitDuration":
			columns[name] = value
		default:
			if err := unkeyField(out, written, name, value); err != nil {
				return nil, err
			}
		}
	}
	if err := unkeyColumns(out, columns); err != nil {
		return nil, err
	}
	if out["sha256"] == nil && out["key"] == nil {
		return nil, errors.New("the key has neither hash nor plaintext: Unkey's API shows neither; " +
			"export the column hash of its table of keys")
	}
	return out, nil
}

// unkeyField translates a field whose value changes. written is its name in the file, and name the
// same without underscores.
func unkeyField(out fields, written, name string, value json.RawMessage) (err error) {
	switch name {
	case "hash":
		out["sha256"], err = unkeyHash(value)
		return err
	case "identity":
		var identity struct{ ExternalID string }
		if json.Unmarshal(value, &identity) == nil && identity.ExternalID != "" && out["userId"] == nil {
			out.put("userId", identity.ExternalID)
		}
		return nil
	case "meta":
		var text string
		if json.Unmarshal(value, &text) == nil { // the table has an object in a text
			value = json.RawMessage(text)
		}
		if !empty(value) {
			out["metadata"] = value
		}
		return nil
	case "expires":
		if out["expiresAt"], err = unixMillis(value); err != nil {
			return wrong("expires", "must be a time, or milliseconds since 1970")
		}
		return nil
	case "ratelimit", "ratelimits":
		limit, err := unkeyLimit(value)
		if err != nil {
			return wrong(name, "must be one limit with a duration of whole seconds; --ignore "+name+
				" imports the key without it")
		}
		out.put("rateLimit", limit)
		return nil
	case "deletedAt", "deletedAtM":
		return errors.New("the key has been deleted; remove it from the file")
	}
	if keptUnkey[name] {
		return nil
	}
	return lost("field", written)
}

// unkeyHash reads a hash: a text, or an object that names how it is written.
func unkeyHash(value json.RawMessage) (json.RawMessage, error) {
	var variant struct{ Value, Variant string }
	if json.Unmarshal(value, &variant) != nil {
		return value, nil // a text; otherwise the field sha256 is refused later
	}
	if variant.Variant != "sha256_base64" && variant.Variant != "sha256_hex" {
		return nil, wrong("hash", "must be of the variant sha256_base64")
	}
	return json.Marshal(variant.Value)
}

// unixMillis reads milliseconds since 1970 as a time. It returns a text as it is.
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

// unkeyColumns translates the columns in which the table has a limit.
func unkeyColumns(out, columns fields) error {
	if len(columns) == 0 {
		return nil
	}
	value, _ := json.Marshal(map[string]json.RawMessage{ // this is JSON, since it was read as such
		"limit": columns["ratelimitLimit"], "duration": columns["ratelimitDuration"],
	})
	limit, err := unkeyLimit(value)
	if err != nil || len(columns) < 2 || out["rateLimit"] != nil {
		return wrong("ratelimitLimit", "must be one limit, with a ratelimitDuration of whole seconds; "+
			"--ignore ratelimitLimit,ratelimitDuration imports the key without it")
	}
	out.put("rateLimit", limit)
	return nil
}

// unkeyLimit reads one limit, or a list of one. Its duration is in milliseconds.
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
